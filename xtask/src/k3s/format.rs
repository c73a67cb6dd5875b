//! Format checks of downloads that have no known checksum, before they are locked: a login page, an empty response or
//! half a file must not be locked for every later build.

use crate::fetch::FileName;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Component, Path};

/// The programs of k3s-root that k3s, kubelet and the network plugins call, below `bin/` (k3s-root's
/// scripts/package, from v0.13.0 on).
pub const USER_SPACE: [&str; 13] = [
    "aux/ip6tables",
    "aux/ip6tables-restore",
    "aux/ip6tables-save",
    "aux/iptables",
    "aux/iptables-restore",
    "aux/iptables-save",
    "aux/modprobe",
    "aux/mount",
    "blkid",
    "busybox",
    "conntrack",
    "ipset",
    "losetup",
];

/// The most that is unpacked of a chart, in bytes: real ones have a few MiB.
const LARGEST_CHART: u64 = 256 << 20;

/// Checks the format that the name stands for: a chart (`.tgz`) or k3s-root.
pub fn check(name: &FileName, file: &Path) -> Result<()> {
    let name = name.to_string();
    match name.strip_suffix(".tgz") {
        Some(stem) => chart(stem, file),
        None if name.contains("k3s-root-") => k3s_root(file),
        None => bail!("{name} is neither a chart nor k3s-root: its format is not known"),
    }
}

/// Checks that a file is a whole Helm chart of the name and version in its file's name, `NAME-VERSION`
/// (helm.sh/docs/topics/charts).
fn chart(stem: &str, file: &Path) -> Result<()> {
    let unpacked = flate2::read::GzDecoder::new(fs::File::open(file)?).take(LARGEST_CHART);
    let mut found = None;
    archive(unpacked, |path, entry| {
        let parts: Vec<&str> = path.split('/').collect();
        if let [directory, "Chart.yaml"] = parts[..] {
            let mut text = String::new();
            entry.read_to_string(&mut text).context("Chart.yaml is not text")?;
            found = Some((directory.to_owned(), text));
        }
        Ok(())
    })
    .context("it is not a whole gzip archive of a chart")?;
    let (directory, text) = found.context("the archive has no NAME/Chart.yaml")?;
    let field = |name: &str| {
        let value =
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default();
        value.trim().trim_matches(['"', '\'']).to_owned()
    };
    let (name, version) = (field("name"), field("version"));
    ensure!(
        name == directory && format!("{name}-{version}") == stem,
        "it is the chart {name:?} of version {version:?}, in {directory:?}; expected {stem}"
    );
    Ok(())
}

/// Checks that a file is a whole archive with the programs of k3s-root.
fn k3s_root(file: &Path) -> Result<()> {
    let mut found = BTreeMap::new();
    archive(fs::File::open(file)?, |path, entry| {
        let usable = entry.size() > 0 || entry.header().entry_type().is_symlink();
        found.insert(path.to_owned(), usable);
        Ok(())
    })
    .context("it is not a whole tar archive")?;
    let missing = missing(|program| found.get(&format!("bin/{program}")).is_some_and(|usable| *usable));
    ensure!(missing.is_empty(), "the archive has no bin/{}", missing.join(", bin/"));
    Ok(())
}

/// Returns the programs of the user space that are not there.
pub fn missing(has: impl Fn(&str) -> bool) -> Vec<&'static str> {
    USER_SPACE.into_iter().filter(|program| !has(program)).collect()
}

/// Reads an archive to its end, which a block of zeros marks: without one, a file that was cut between two entries
/// would look whole.
fn archive<R: Read>(
    reader: R,
    mut each: impl FnMut(&str, &mut tar::Entry<'_, Tail<R>>) -> Result<()>,
) -> Result<()> {
    let mut tar = tar::Archive::new(Tail { reader, last: Vec::new() });
    for entry in tar.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let parts = path.components().filter(|part| *part != Component::CurDir);
        let path: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
        each(&path.join("/"), &mut entry)?;
        io::copy(&mut entry, &mut io::sink())?;
    }
    let mut tail = tar.into_inner();
    io::copy(&mut tail, &mut io::sink())?;
    ensure!(tail.last.len() == BLOCK && tail.last.iter().all(|byte| *byte == 0), "its end is missing");
    Ok(())
}

/// The size of tar's blocks.
const BLOCK: usize = 512;

/// A reader that remembers the last block.
struct Tail<R> {
    reader: R,
    last: Vec<u8>,
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.last.extend(&buffer[..count]);
        let surplus = self.last.len().saturating_sub(BLOCK);
        self.last.drain(..surplus);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn tar(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            tar.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn checked(name: &str, bytes: &[u8]) -> Result<()> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        check(&name.parse().unwrap(), file.path())
    }

    #[track_caller]
    fn refused(name: &str, bytes: &[u8], why: &str) {
        let error = format!("{:#}", checked(name, bytes).unwrap_err());
        assert!(error.contains(why), "{error}");
    }

    const CHART: &str = "traefik-1.2.3+up1.0.0.tgz";

    fn chart_with(yaml: &str) -> Vec<u8> {
        gzip(&tar(&[("traefik/Chart.yaml", yaml), ("traefik/values.yaml", "a: b\n")]))
    }

    fn root_with(programs: &[&str]) -> Vec<u8> {
        let paths: Vec<String> = programs.iter().map(|program| format!("./bin/{program}")).collect();
        tar(&paths.iter().map(|path| (path.as_str(), "program")).collect::<Vec<_>>())
    }

    #[test]
    fn a_chart_of_its_name_and_version_is_accepted() {
        checked(CHART, &chart_with("apiVersion: v2\nname: traefik\nversion: 1.2.3+up1.0.0\n")).unwrap();
        checked(CHART, &chart_with("version: \"1.2.3+up1.0.0\"\nname: 'traefik'\n")).unwrap();
    }

    #[test]
    fn what_is_not_this_chart_is_refused() {
        let page = b"<!DOCTYPE html><html>log in</html>";
        let whole = chart_with("name: traefik\nversion: 1.2.3+up1.0.0\n");
        refused(CHART, page, "not a whole gzip archive");
        refused(CHART, b"", "not a whole gzip archive");
        refused(CHART, &gzip(page), "not a whole gzip archive");
        for end in [whole.len() / 2, whole.len() - 1] {
            refused(CHART, &whole[..end], "not a whole gzip archive");
        }
        refused(CHART, &chart_with("name: traefik\nversion: 1.2.4\n"), "of version \"1.2.4\"");
        refused(
            CHART,
            &gzip(&tar(&[("other/Chart.yaml", "name: other\nversion: 1\n")])),
            "the chart \"other\"",
        );
        refused(CHART, &gzip(&tar(&[("Chart.yaml", "name: traefik\n")])), "no NAME/Chart.yaml");
    }

    #[test]
    fn a_whole_k3s_root_is_accepted() {
        checked("v1-k3s-root-riscv64.tar", &root_with(&USER_SPACE)).unwrap();
    }

    #[test]
    fn a_k3s_root_without_its_programs_is_refused() {
        let name = "v1-k3s-root-riscv64.tar";
        let whole = root_with(&USER_SPACE);
        refused(name, b"", "its end is missing");
        refused(name, b"<html>log in</html>", "not a whole tar archive");
        // Between two entries, inside of one, and with nothing but the end gone.
        for end in [1024, 1100, whole.len() - 1024] {
            refused(name, &whole[..end], "not a whole tar archive");
        }
        refused(name, &root_with(&USER_SPACE[1..]), "the archive has no bin/aux/ip6tables");
        refused(name, &tar(&[("bin/busybox", "")]), "bin/busybox");
    }

    #[test]
    fn a_file_of_unknown_format_is_refused() {
        refused("other.zip", b"", "neither a chart nor k3s-root");
    }
}
