//! The files in the layers of images, read from their docker-archive.

use super::docker_archive::{Entry, LAYER, MANIFEST};
use crate::spdx::ListedFile;
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

/// The beginning of the names that hide files of lower layers (image-spec, layer.md, "Whiteouts").
const WHITEOUT: &str = ".wh.";

/// Returns the files of each image of a compressed archive, under each name of it. A file is listed once, however many
/// layers have the same one.
///
/// # Errors
/// If a layer has what `cargo xtask` puts into none, such as hard links and whiteouts: nothing in an image is unlisted.
pub fn of_images(archive: impl Read) -> Result<BTreeMap<String, BTreeSet<ListedFile>>> {
    let (mut layers, mut list) = (BTreeMap::new(), Vec::new());
    for entry in tar::Archive::new(zstd::Decoder::new(archive)?).entries()? {
        let entry = entry?;
        let path = entry.path()?.display().to_string();
        if path == MANIFEST {
            list =
                serde_json::from_reader::<_, Vec<Entry>>(entry).with_context(|| format!("reading {path}"))?;
        } else if entry.path()?.ends_with(LAYER) {
            layers.insert(path.clone(), of_layer(entry).with_context(|| format!("reading {path}"))?);
        }
    }
    let mut images = BTreeMap::new();
    for image in list {
        let mut files = BTreeSet::new();
        for layer in &image.layers {
            let found = layers.get(layer.as_str());
            files.extend(found.with_context(|| format!("the archive has no {layer}"))?.iter().cloned());
        }
        images.extend(image.repo_tags.iter().map(|name| (name.normalised(), files.clone())));
    }
    Ok(images)
}

fn of_layer(layer: impl Read) -> Result<Vec<ListedFile>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(layer).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.display().to_string();
        match entry.header().entry_type() {
            tar::EntryType::Directory | tar::EntryType::Symlink => {}
            tar::EntryType::Regular => {
                let path = TreePath::parse(&path)?;
                let name = path.as_str().rsplit('/').next();
                ensure!(
                    !name.is_some_and(|it| it.starts_with(WHITEOUT)),
                    "{path} hides a file of a lower layer"
                );
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).with_context(|| format!("reading {path}"))?;
                files.push(ListedFile::of(path.as_str(), &bytes));
            }
            other => bail!(
                "{path} is an entry of type {other:?}, and only files, directories and symbolic links are listed"
            ),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tar(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, kind, bytes) in entries {
            let mut header = tar::Header::new_ustar();
            // Unlike append_data, this takes any name.
            header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            if !kind.is_file() {
                header.set_link_name("usr").unwrap();
            }
            header.set_cksum();
            tar.append(&header, *bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    /// Returns what an archive of one image with these layers lists.
    fn listed(layers: &[Vec<u8>]) -> Result<BTreeMap<String, BTreeSet<ListedFile>>> {
        let names: Vec<String> = (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect();
        let list = json!([{"Config": "c.json", "RepoTags": ["a/b:1", "c:2"], "Layers": names}]).to_string();
        let layers = names.iter().zip(layers);
        let mut entries: Vec<(&str, tar::EntryType, &[u8])> =
            layers.map(|(name, layer)| (name.as_str(), tar::EntryType::Regular, layer.as_slice())).collect();
        entries.push((MANIFEST, tar::EntryType::Regular, list.as_bytes()));
        of_images(&*zstd::encode_all(&*tar(&entries), 1).unwrap())
    }

    #[test]
    fn regular_files_are_listed_once() {
        let file = ("usr/x", tar::EntryType::Regular, b"x".as_slice());
        let link = ("bin", tar::EntryType::Symlink, b"".as_slice());
        let directory = ("usr/", tar::EntryType::Directory, b"".as_slice());
        let other = ("usr/x", tar::EntryType::Regular, b"other".as_slice());
        let images = listed(&[tar(&[link, directory, file]), tar(&[file, other])]).unwrap();
        assert_eq!(images.keys().collect::<Vec<_>>(), ["docker.io/a/b:1", "docker.io/library/c:2"]);
        let expected = BTreeSet::from([ListedFile::of("usr/x", b"x"), ListedFile::of("usr/x", b"other")]);
        assert!(images.values().all(|files| *files == expected), "{images:?}");
    }

    #[test]
    fn what_cannot_be_listed_is_refused() {
        for (path, kind, reason) in [
            ("../x", tar::EntryType::Regular, "\"../x\" is not a path inside the tree"),
            ("/etc/x", tar::EntryType::Regular, "\"/etc/x\" is not a path inside the tree"),
            ("usr/.wh.x", tar::EntryType::Regular, "usr/.wh.x hides a file of a lower layer"),
            ("usr/x", tar::EntryType::Link, "usr/x is an entry of type Link"),
            ("dev/x", tar::EntryType::Char, "dev/x is an entry of type Char"),
        ] {
            let error = format!("{:#}", listed(&[tar(&[(path, kind, b"")])]).unwrap_err());
            assert!(error.contains(reason) && error.starts_with("reading 0/layer.tar"), "{error}");
        }
        let cut = tar(&[("usr/x", tar::EntryType::Regular, &[b'x'; 2000])])[..1024].to_vec();
        let error = format!("{:#}", listed(&[cut]).unwrap_err());
        assert_eq!(error, "reading 0/layer.tar: unexpected EOF during skip");
    }
}
