//! The bundle: everything that k3s unpacks at its first start, as one compressed archive.
//!
//! Layout and rules are those of scripts/package-cli, and what pkg/dataverify and pkg/untar require: `.sha256sums`
//! and `.links` must name every file and link, no entry may be a hard link (it would be unpacked empty), and zstd's
//! window must not exceed 2^25.

use super::{Build, cni, root, runc, server, shim, source_tree};
use crate::archive::{self, Effort};
use crate::digest::Digest;
use crate::dir;
use crate::step::Step;
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The largest window that k3s' decoder accepts (pkg/untar: `WithDecoderMaxMemory(1 << 25)`).
const LARGEST_WINDOW: u32 = 25;

/// The step's name.
pub const STEP: &str = "bundle";

/// The archive in the step's result.
pub const ARCHIVE: &str = "bundle.tar.zst";

/// Returns the step that packs the bundle.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let (level, window) =
        build.facts.commands.zstd.context("upstream's scripts/package-cli compresses nothing")?;
    if window > LARGEST_WINDOW {
        bail!(
            "upstream compresses with a window of 2^{window}, which k3s cannot unpack (2^{LARGEST_WINDOW} at most)"
        );
    }
    let effort = Effort { level, window };
    let mut inputs = vec![effort.to_string()];
    inputs.extend(build.facts.commands.links.iter().map(|(name, target)| format!("{name} -> {target}")));
    let mut step = Step::of_commands(STEP, inputs);
    let programs = [
        (step.need(server::STEP), server::PROGRAM),
        (step.need(shim::STEP), shim::PROGRAM),
        (step.need(runc::STEP), runc::PROGRAM),
        (step.need(cni::STEP), cni::PROGRAM),
    ];
    let (root, tree) = (step.need(root::STEP), step.need(source_tree::STEP));
    Ok(step.work(move |directory, results| {
        let content = tempfile::tempdir_in(directory)?;
        let programs = programs.map(|(step, name)| (results.of(step).join(name), name));
        let tree = results.of(tree).join(source_tree::TREE);
        gather(build, content.path(), results.of(root), &tree, &programs)?;
        archive::write(build.context, content.path(), ".", &directory.join(ARCHIVE), effort, STEP)
    }))
}

/// Lays out `bin/` and `etc/`.
fn gather(
    build: &Build,
    content: &Path,
    root: &Path,
    tree: &Path,
    programs: &[(PathBuf, &str)],
) -> Result<()> {
    let bin = content.join("bin");
    fs::create_dir_all(&bin)?;
    fs::create_dir_all(content.join("etc"))?;
    for directory in ["bin", "etc"] {
        let from = root.join(directory);
        if from.is_dir() {
            dir::copy(&from, &content.join(directory))?;
        }
    }
    for (program, name) in programs {
        put_program(program, &bin, name)?;
    }
    put_program(&tree.join("contrib/util/check-config.sh"), &bin, "check-config")?;
    let wg_add = tree.join("scripts/wg-add.sh");
    if wg_add.is_file() {
        put_program(&wg_add, &bin, "aux/wg-add.sh")?;
    }
    let room = |name: &str| TreePath::parse(name)?.room_below(&bin);
    for (name, target) in &build.facts.commands.links {
        fs::os::unix::fs::symlink(target, room(name)?)?;
    }
    let (of_sums, of_links) = (room(".sha256sums")?, room(".links")?);
    let (sums, links) = lists(&bin)?;
    fs::write(of_sums, sums)?;
    Ok(fs::write(of_links, links)?)
}

/// Copies a program to a path at which k3s-root may have a file or a link.
fn put_program(from: &Path, bin: &Path, name: &str) -> Result<()> {
    let place = TreePath::parse(name)?.room_below(bin)?;
    fs::copy(from, &place)?;
    fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Returns `.sha256sums` and `.links` of a `bin/` directory: every file that is not hidden, and every link.
fn lists(bin: &Path) -> Result<(String, String)> {
    let mut sums = BTreeMap::new();
    let mut links = BTreeMap::new();
    for entry in walkdir::WalkDir::new(bin) {
        let entry = entry?;
        let name = entry.path().strip_prefix(bin)?.to_string_lossy().into_owned();
        if entry.file_type().is_symlink() {
            links.insert(name, fs::read_link(entry.path())?.to_string_lossy().into_owned());
        } else if entry.file_type().is_file() && !name.split('/').any(|part| part.starts_with('.')) {
            sums.insert(name, Digest::of_file(entry.path())?);
        }
    }
    let sums = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
    let links = links.iter().map(|(name, target)| format!("{name} {target}\n")).collect();
    Ok((sums, links))
}

/// The files and links below `bin/` of a verified bundle.
#[derive(Debug, Default)]
pub struct Contents {
    pub files: BTreeMap<String, Digest>,
    pub links: BTreeMap<String, String>,
}

/// Reads a bundle by the rules of k3s, and checks its files and links against its own lists.
pub fn verify(bundle: impl Read) -> Result<Contents> {
    let mut decoder = zstd::Decoder::new(bundle)?;
    decoder.window_log_max(LARGEST_WINDOW)?;
    let mut found = Contents::default();
    let mut lists: BTreeMap<String, String> = BTreeMap::new();
    for entry in tar::Archive::new(decoder).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        if path.starts_with('/') || path.contains("../") || path.contains('\\') {
            bail!("{path}: a name that k3s refuses");
        }
        let name = path.trim_start_matches("./").strip_prefix("bin/").map(str::to_owned);
        match entry.header().entry_type() {
            tar::EntryType::Directory => {}
            tar::EntryType::Symlink => {
                let target = entry
                    .link_name()?
                    .with_context(|| format!("{path}: a symbolic link without a target"))?;
                found.links.extend(name.map(|name| (name, target.to_string_lossy().into_owned())));
            }
            tar::EntryType::Regular => match name {
                Some(name) if name.starts_with('.') => {
                    let mut text = String::new();
                    entry.read_to_string(&mut text).with_context(|| format!("{path} is not text"))?;
                    lists.insert(name, text);
                }
                Some(name) => drop(found.files.insert(name, Digest::of_reader(&mut entry)?)),
                None => {}
            },
            other => bail!("{path}: an entry of type {other:?}, which k3s would unpack empty or not at all"),
        }
    }
    agree(&lists, ".sha256sums", found.files.iter().map(|(name, sum)| format!("{sum}  {name}")))?;
    agree(&lists, ".links", found.links.iter().map(|(name, target)| format!("{name} {target}")))?;
    Ok(found)
}

/// Calls a function with the path and the bytes of every file in a bundle.
pub fn for_each_file(bundle: impl Read, mut found: impl FnMut(String, &[u8])) -> Result<()> {
    let mut decoder = zstd::Decoder::new(bundle)?;
    decoder.window_log_max(LARGEST_WINDOW)?;
    for entry in tar::Archive::new(decoder).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).with_context(|| format!("reading {path}"))?;
            found(path, &bytes);
        }
    }
    Ok(())
}

/// Unpacks a bundle into a directory.
pub fn unpack(bundle: impl Read, directory: &Path) -> Result<()> {
    let mut decoder = zstd::Decoder::new(bundle)?;
    decoder.window_log_max(LARGEST_WINDOW)?;
    Ok(tar::Archive::new(decoder).unpack(directory)?)
}

/// Checks one of the bundle's lists against what was found: the same lines, in any order.
fn agree(lists: &BTreeMap<String, String>, list: &str, found: impl Iterator<Item = String>) -> Result<()> {
    let text = lists.get(list).with_context(|| format!("bin/{list} is missing"))?;
    ensure!(!text.is_empty(), "bin/{list} is empty");
    let listed: BTreeSet<&str> = text.lines().collect();
    let found: Vec<String> = found.collect();
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    if let Some(line) = listed.difference(&found).next() {
        bail!("bin/{list} has the line {line:?}, and nothing in the bundle is like that");
    }
    match found.difference(&listed).next() {
        Some(line) => bail!("bin/{list} has no line {line:?}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bundle of two programs, one link and their lists.
    struct Bundle {
        sums: String,
        links: String,
        kind: tar::EntryType,
        name: &'static str,
        window: u32,
    }

    const SUMS: [&str; 2] = ["check-config", "runc"];

    fn intact() -> Bundle {
        Bundle {
            sums: SUMS.map(|name| format!("{}  {name}\n", Digest::of("program"))).concat(),
            links: "kubectl runc\n".to_owned(),
            kind: tar::EntryType::Regular,
            name: "bin/runc",
            window: LARGEST_WINDOW,
        }
    }

    impl Bundle {
        fn verify(&self) -> Result<Contents> {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1)?;
            encoder.window_log(self.window)?;
            let mut tar = tar::Builder::new(encoder);
            let mut add = |kind, name: &str, link: &str, content: &str| -> Result<()> {
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(kind);
                // Past the crate's own judgement, which refuses some of these names as k3s does.
                header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
                header.set_link_name_literal(link)?;
                header.set_size(content.len() as u64);
                header.set_cksum();
                Ok(tar.append(&header, content.as_bytes())?)
            };
            let content = if self.kind == tar::EntryType::Regular { "program" } else { "" };
            add(self.kind, self.name, "", content)?;
            add(tar::EntryType::Regular, "bin/check-config", "", "program")?;
            add(tar::EntryType::Symlink, "bin/kubectl", "runc", "")?;
            add(tar::EntryType::Regular, "bin/.sha256sums", "", &self.sums)?;
            add(tar::EntryType::Regular, "bin/.links", "", &self.links)?;
            verify(tar.into_inner()?.finish()?.as_slice())
        }

        #[track_caller]
        fn is_refused(&self, why: &str) {
            let error = format!("{:#}", self.verify().unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_bundle_that_is_as_its_lists_say_is_accepted() {
        let contents = intact().verify().unwrap();
        assert_eq!(contents.files["runc"], Digest::of("program"));
        assert_eq!(contents.links["kubectl"], "runc");
    }

    #[test]
    fn a_list_that_is_not_right_in_every_entry_is_refused() {
        let sum = Digest::of("another");
        Bundle { sums: format!("{sum}  runc\n"), ..intact() }.is_refused("  runc\", and nothing");
        Bundle { sums: intact().sums + &format!("{sum}  cni\n"), ..intact() }
            .is_refused("  cni\", and nothing");
        Bundle { sums: String::new(), ..intact() }.is_refused(".sha256sums is empty");
        Bundle { sums: "abc  runc\n".to_owned(), ..intact() }
            .is_refused("the line \"abc  runc\", and nothing");
        Bundle { links: "kubectl cni\n".to_owned(), ..intact() }
            .is_refused("the line \"kubectl cni\", and nothing");
        Bundle { links: intact().links + "ctr runc\n", ..intact() }
            .is_refused("the line \"ctr runc\", and nothing");
        Bundle { links: String::new(), ..intact() }.is_refused(".links is empty");
        Bundle { name: "bin/aux/runc", ..intact() }.is_refused("  runc\", and nothing");
    }

    #[test]
    fn what_no_list_names_is_refused() {
        let sums = format!("{}  runc\n", Digest::of("program"));
        Bundle { sums, ..intact() }.is_refused("  check-config\"");
    }

    #[test]
    fn entries_that_k3s_unpacks_wrongly_are_refused() {
        for kind in [tar::EntryType::Link, tar::EntryType::Fifo, tar::EntryType::Char] {
            Bundle { kind, ..intact() }.is_refused("an entry of type");
        }
        for name in ["/bin/runc", "bin/../../runc", "bin\\runc"] {
            Bundle { name, ..intact() }.is_refused("a name that k3s refuses");
        }
    }

    #[test]
    fn a_window_that_k3s_has_no_memory_for_is_refused() {
        // A stream gets the requested window, however small it is.
        Bundle { window: LARGEST_WINDOW + 1, ..intact() }.is_refused("memory");
    }
}
