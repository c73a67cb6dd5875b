//! Layers: tar archives of files, bit for bit the same wherever they are written (image-spec, layer.md).

use super::definition::Capability;
use crate::digest::Digest;
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files of a layer, by their path in the image.
#[derive(Debug, Default)]
pub struct Layer(BTreeMap<TreePath, Entry>);

#[derive(Debug)]
enum Entry {
    Directory { mode: u32, owner: (u64, u64) },
    Link { target: PathBuf },
    File { content: Content, mode: u32, capabilities: Vec<Capability> },
}

#[derive(Debug)]
enum Content {
    Bytes(Vec<u8>),
    Path(PathBuf),
}

impl Layer {
    pub fn directory(&mut self, path: &TreePath, mode: u32, owner: (u64, u64)) {
        self.insert(path, Entry::Directory { mode, owner });
    }

    pub fn link(&mut self, path: &TreePath, target: impl Into<PathBuf>) {
        self.insert(path, Entry::Link { target: target.into() });
    }

    pub fn bytes(&mut self, path: &TreePath, bytes: Vec<u8>, mode: u32) {
        let content = Content::Bytes(bytes);
        self.insert(path, Entry::File { content, mode, capabilities: Vec::new() });
    }

    pub fn program(&mut self, path: &TreePath, program: &Path, capabilities: &[Capability]) {
        let content = Content::Path(program.to_owned());
        self.insert(path, Entry::File { content, mode: 0o755, capabilities: capabilities.to_vec() });
    }

    /// Adds a file or a link of a directory tree, with whether it can be executed.
    pub fn copy(&mut self, path: &TreePath, from: &Path) -> Result<()> {
        let metadata = from.symlink_metadata()?;
        if metadata.is_symlink() {
            self.link(path, fs::read_link(from)?);
        } else {
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
            let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
            let content = Content::Path(from.to_owned());
            self.insert(path, Entry::File { content, mode, capabilities: Vec::new() });
        }
        Ok(())
    }

    /// Adds an entry and the directories that it is in, which are root's.
    fn insert(&mut self, path: &TreePath, entry: Entry) {
        for parent in path.parents() {
            self.0.entry(parent).or_insert(Entry::Directory { mode: 0o755, owner: (0, 0) });
        }
        self.0.insert(path.clone(), entry);
    }

    /// Writes the archive and returns its digest.
    pub fn write(&self, file: &Path) -> Result<Digest> {
        let mut archive = tar::Builder::new(std::io::BufWriter::new(fs::File::create(file)?));
        for (path, entry) in &self.0 {
            append(&mut archive, path, entry).with_context(|| format!("adding {path} to a layer"))?;
        }
        let writer = archive.into_inner()?;
        writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        Digest::of_file(file)
    }
}

fn append(archive: &mut tar::Builder<impl std::io::Write>, path: &TreePath, entry: &Entry) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_mtime(0);
    header.set_size(0);
    let (uid, gid) = if let Entry::Directory { owner, .. } = entry { *owner } else { (0, 0) };
    header.set_uid(uid);
    header.set_gid(gid);
    match entry {
        Entry::Directory { mode, .. } => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(*mode);
            archive.append_data(&mut header, format!("{path}/"), std::io::empty())?;
        }
        Entry::Link { target } => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            archive.append_link(&mut header, path.as_str(), target)?;
        }
        Entry::File { content, mode, capabilities } => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(*mode);
            if !capabilities.is_empty() {
                let value = vfs_capability(capabilities);
                archive.append_pax_extensions([("SCHILY.xattr.security.capability", value.as_slice())])?;
            }
            match content {
                Content::Bytes(bytes) => {
                    header.set_size(bytes.len() as u64);
                    archive.append_data(&mut header, path.as_str(), bytes.as_slice())?;
                }
                Content::Path(from) => {
                    let file = fs::File::open(from)?;
                    header.set_size(file.metadata()?.len());
                    archive.append_data(&mut header, path.as_str(), file)?;
                }
            }
        }
    }
    Ok(())
}

/// Returns the extended attribute `security.capability` that makes capabilities permitted and effective
/// (linux/capability.h, `struct vfs_cap_data`, revision 2; setcap(8), `=ep`).
fn vfs_capability(capabilities: &[Capability]) -> Vec<u8> {
    const REVISION_2: u32 = 0x0200_0000;
    const EFFECTIVE: u32 = 1;
    let permitted = capabilities.iter().fold(0, |bits, capability| bits | 1u32 << capability.number());
    [REVISION_2 | EFFECTIVE, permitted, 0, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    fn sample() -> Layer {
        let mut layer = Layer::default();
        layer.bytes(&path("usr/bin/x"), b"x".to_vec(), 0o755);
        layer.link(&path("bin"), "usr/bin");
        layer.directory(&path("tmp"), 0o1777, (0, 0));
        layer
    }

    #[test]
    fn layer_has_sorted_entries_and_their_directories() {
        let file = tempfile::NamedTempFile::new().unwrap();
        sample().write(file.path()).unwrap();
        let mut archive = tar::Archive::new(fs::File::open(file.path()).unwrap());
        let entries: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let link = header.link_name().unwrap().map(|it| format!(" -> {}", it.display()));
                format!(
                    "{} {:o}{}",
                    entry.path().unwrap().display(),
                    header.mode().unwrap(),
                    link.unwrap_or_default()
                )
            })
            .collect();
        assert_eq!(entries, ["bin 777 -> usr/bin", "tmp/ 1777", "usr/ 755", "usr/bin/ 755", "usr/bin/x 755"]);
    }

    #[test]
    fn layer_is_reproducible() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let digests = [(); 2].map(|()| sample().write(file.path()).unwrap());
        assert_eq!(digests[0], digests[1]);
    }

    #[test]
    fn capabilities_are_an_extended_attribute() {
        let scratch = tempfile::tempdir().unwrap();
        let program = scratch.path().join("program");
        fs::write(&program, "x").unwrap();
        let mut layer = Layer::default();
        layer.program(&path("coredns"), &program, &[Capability::NetBindService]);
        let file = scratch.path().join("layer.tar");
        layer.write(&file).unwrap();
        let mut archive = tar::Archive::new(fs::File::open(file).unwrap());
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        let extensions = entry.pax_extensions().unwrap().unwrap();
        let found: Vec<_> = extensions.map(|it| it.unwrap()).collect();
        assert_eq!(found[0].key(), Ok("SCHILY.xattr.security.capability"));
        // `setcap cap_net_bind_service=ep`, as getfattr(1) prints it.
        let bytes = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(found[0].value_bytes(), bytes);
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        assert_eq!(content, "x");
    }
}
