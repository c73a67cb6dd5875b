//! k3s-root: the user space inside k3s (iptables, conntrack, busybox and others).

use super::options::Presence;
use super::root_release::{self, RootRelease};
use super::{Build, format};
use crate::fetch::{Download, FileName};
use crate::step::Step;
use anyhow::{Context as _, Result, anyhow};
use std::path::{Component, Path};

/// The step's name.
pub const STEP: &str = "root";

/// Returns the step that unpacks k3s-root's `bin/` and `etc/`; empty when it is left out.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let download = download(build)?;
    let Some(download) = download else {
        return Ok(Step::in_process(STEP, vec!["left out".to_owned()]));
    };
    let mut inputs = vec![format!("{} sha256:{}", download.name, download.sha256)];
    let release = RootRelease::named(build.context, tag(build)?)?;
    inputs.push(root_release::input(build.context)?);
    Ok(Step::in_process(STEP, inputs).work(move |directory, _| {
        unpack(&download.get(build.context)?, directory)?;
        release.iter().try_for_each(|release| release.verify(directory))
    }))
}

/// Returns the URL of the archive that upstream's script fetches.
fn url<'b>(build: &'b Build) -> Result<&'b str> {
    let url = build.facts.commands.fetch("k3s-root-").next();
    url.ok_or_else(|| anyhow!("upstream's scripts/download fetches no k3s-root"))
}

/// Returns the tag of k3s-root's release, which is in the URL of its archive.
pub fn tag<'b>(build: &'b Build) -> Result<&'b str> {
    Ok(url(build)?.rsplit('/').nth(1).unwrap_or_default())
}

/// Returns the archive with the checksum in the tree, else the locked one, else that of its first use; none if it is
/// left out.
pub fn download(build: &Build) -> Result<Option<Download>> {
    if build.options.k3s_root == Presence::LeftOut {
        return Ok(None);
    }
    let url = url(build)?;
    // The release is part of the name, since all releases call the file the same.
    let name: FileName = format!("{}-{}", tag(build)?, FileName::of_url(url)?).parse()?;
    if let Some(sum) = &build.facts.commands.root_sha256 {
        let sha256 = sum.parse().context("K3S_ROOT_SHA256 of scripts/version.sh")?;
        let download = Download { name, url: url.to_owned(), sha256 };
        download.require_offline(build.context)?;
        return Ok(Some(download));
    }
    let hint = "\n  Without it: --k3s-root none makes a k3s that relies on the host's iptables, conntrack and mount.";
    let check = |file: &Path| format::check(&name, file);
    let found = build.lock.download(build.context, name.clone(), url, &check);
    found.map(Some).map_err(|error| anyhow!("{error:#}{hint}"))
}

/// Unpacks `bin/` and `etc/` and nothing else, and nothing outside of the directory.
fn unpack(archive: &Path, directory: &Path) -> Result<()> {
    let mut tar = tar::Archive::new(fs_err::File::open(archive)?);
    for entry in tar.entries()? {
        let mut entry = entry.with_context(|| format!("reading {}", archive.display()))?;
        let path = entry.path()?.into_owned();
        let mut parts = path.components().filter(|part| *part != Component::CurDir);
        let first = parts.next().map(|part| part.as_os_str().to_owned());
        if first.is_some_and(|first| first == "bin" || first == "etc") {
            // A link would have us copy what it leads to.
            anyhow::ensure!(
                parts.next().is_some() || entry.header().entry_type().is_dir(),
                "{}: {} is not a directory",
                archive.display(),
                path.display()
            );
            let unpacked =
                entry.unpack_in(directory).with_context(|| format!("unpacking {}", path.display()))?;
            anyhow::ensure!(unpacked, "{}: {} leads out of the archive", archive.display(), path.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err as fs;

    /// Unpacks an archive of one link and of a file behind it.
    fn unpack_link(name: &str, target: &str) -> (Result<()>, tempfile::TempDir) {
        let scratch = tempfile::tempdir().unwrap();
        let (archive, outside) = (scratch.path().join("root.tar"), scratch.path().join("outside"));
        fs::create_dir(&outside).unwrap();
        fs::create_dir(scratch.path().join("root")).unwrap();
        let mut tar = tar::Builder::new(fs::File::create(&archive).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, name, target).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{name}/file"), &b""[..]).unwrap();
        tar.finish().unwrap();
        (unpack(&archive, &scratch.path().join("root")), scratch)
    }

    #[test]
    fn bin_and_etc_are_directories() {
        for name in ["bin", "./etc"] {
            let (unpacked, _) = unpack_link(name, "../outside");
            let error = unpacked.unwrap_err().to_string();
            assert!(error.ends_with("is not a directory"), "{error}");
        }
    }

    #[test]
    fn nothing_is_unpacked_through_a_link() {
        let (unpacked, scratch) = unpack_link("bin/aux", "../../outside");
        assert!(unpacked.is_err());
        assert_eq!(fs::read_dir(scratch.path().join("outside")).unwrap().count(), 0);
    }
}
