//! The docker-archive: one tar that `docker load`, `podman load`, `ctr images import` and k3s' own
//! `agent/images` take (moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format").

use crate::digest::Digest;
use crate::image::content::{Blob, CONFIG_TYPE, LAYER_TYPE, PauseImage, append, descriptor, manifest};
use crate::image::layout::{Content, LayoutImage};
use crate::reference::Reference;
use crate::target::Target;
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Compression of the archive. From `agent/images` k3s takes both forms (rancher/wharfie, pkg/tarfile,
/// `SupportedExtensions`); `ctr images import` takes only the plain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Zstd,
}

/// zstd's level, a high one: the archive is written once and read often.
const LEVEL: i32 = 19;

impl Compression {
    /// Returns the end of the file's name, by which k3s recognizes the form.
    pub fn suffix(self) -> &'static str {
        match self {
            Compression::None => ".tar",
            Compression::Zstd => ".tar.zst",
        }
    }
}

/// Returns an archive of one image under all of these names, each in the form by which containerd finds it.
pub fn archive(image: &PauseImage, names: &[Reference], compression: Compression) -> Result<Vec<u8>> {
    let names: Vec<String> = names.iter().map(Reference::normalised).collect();
    let tar = plain(&image.config, &image.layer, &names)?;
    match compression {
        Compression::None => Ok(tar),
        Compression::Zstd => zstd_compressed(&tar),
    }
}

/// Returns an archive of one image of one layer, under names in the form by which containerd finds them.
pub fn plain(config: &Blob, layer: &Blob, names: &[String]) -> Result<Vec<u8>> {
    let manifest = json!([entry(&config.digest, std::slice::from_ref(&layer.digest), names)]);
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, MANIFEST, 0o644, manifest.to_string().as_bytes())?;
    append(&mut archive, &config_name(&config.digest), 0o644, &config.bytes)?;
    append(&mut archive, &layer_name(&layer.digest), 0o644, &layer.bytes)?;
    archive.into_inner().context("ending the docker-archive")
}

/// The list of the images in an archive.
pub const MANIFEST: &str = "manifest.json";

/// Returns an image's entry in the list.
pub fn entry(config: &Digest, layers: &[Digest], names: &[String]) -> Value {
    let layers: Vec<String> = layers.iter().map(layer_name).collect();
    json!({"Config": config_name(config), "RepoTags": names, "Layers": layers})
}

/// An image's entry in the list, as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    config: TreePath,
    pub(super) repo_tags: Vec<Reference>,
    pub(super) layers: Vec<TreePath>,
}

/// Unpacks a compressed archive of images for one architecture into an empty directory, and returns each image under
/// each of its names.
pub fn unpack(
    archive: &Path,
    target: &'static Target,
    directory: &Path,
) -> Result<Vec<(Reference, LayoutImage)>> {
    let unpack = || -> Result<_> {
        tar::Archive::new(zstd::Decoder::new(fs::File::open(archive)?)?).unpack(directory)?;
        let entries: Vec<Entry> = serde_json::from_slice(&fs::read(directory.join(MANIFEST))?)?;
        let mut images = Vec::new();
        for entry in entries {
            let image = entry.image(target, directory)?;
            images.extend(entry.repo_tags.into_iter().map(|name| (name, image.clone())));
        }
        Ok(images)
    };
    unpack().with_context(|| format!("unpacking {}", archive.display()))
}

impl Entry {
    /// Returns the image, whose layers stay in the directory of the unpacked archive.
    fn image(&self, target: &'static Target, directory: &Path) -> Result<LayoutImage> {
        let config = Blob::new(CONFIG_TYPE, fs::read(self.config.below(directory)?)?);
        let (mut descriptors, mut content) = (Vec::new(), vec![Content::Bytes(config.clone())]);
        for layer in &self.layers {
            let path = layer.below(directory)?;
            let digest = Digest::of_file(&path)?;
            descriptors.push(descriptor(LAYER_TYPE, &digest, fs::metadata(&path)?.len()));
            content.push(Content::File { digest, path });
        }
        let manifest = manifest(&config, &descriptors);
        Ok(LayoutImage { target, labels: Map::new(), manifest, content })
    }
}

/// Returns the path of a configuration in an archive.
pub fn config_name(config: &Digest) -> String {
    format!("{config}.json")
}

/// Returns the path of a layer in an archive, the same for all images that share it.
pub fn layer_name(layer: &Digest) -> String {
    format!("{layer}/{LAYER}")
}

/// The name of each layer's file.
pub(super) const LAYER: &str = "layer.tar";

/// Compresses with one worker, which gives the same bytes as any number of them, but not as none (zstd.h,
/// `ZSTD_c_nbWorkers`).
fn zstd_compressed(tar: &[u8]) -> Result<Vec<u8>> {
    let compress = || {
        let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
        encoder.multithread(1)?;
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(Some(tar.len() as u64))?;
        std::io::Write::write_all(&mut encoder, tar)?;
        encoder.finish()
    };
    compress().context("compressing the docker-archive")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes an archive of one image with a list of its own, and returns what unpacking it yields.
    fn unpacked(list: &Value, link: Option<&str>) -> Result<Vec<(Reference, LayoutImage)>> {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("outside"), "a file of this machine").unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, MANIFEST, 0o644, list.to_string().as_bytes()).unwrap();
        append(&mut tar, "config.json", 0o644, b"{}").unwrap();
        match link {
            None => append(&mut tar, "1/layer.tar", 0o644, b"a layer").unwrap(),
            Some(target) => {
                let mut header = tar::Header::new_ustar();
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, "1/layer.tar", target).unwrap();
            }
        }
        let archive = scratch.path().join("images.tar.zst");
        fs::write(&archive, zstd_compressed(&tar.into_inner().unwrap()).unwrap()).unwrap();
        let directory = scratch.path().join("unpacked");
        fs::create_dir(&directory).unwrap();
        unpack(&archive, Target::named("riscv64").unwrap(), &directory)
    }

    fn list(layer: &str) -> Value {
        json!([{"Config": "config.json", "RepoTags": ["a/b:1", "docker.io/a/c:2"], "Layers": [layer]}])
    }

    #[test]
    fn unpacks_each_image_under_each_name() {
        let images = unpacked(&list("1/layer.tar"), None).unwrap();
        let names: Vec<String> = images.iter().map(|(name, _)| name.normalised()).collect();
        assert_eq!(names, ["docker.io/a/b:1", "docker.io/a/c:2"]);
        for (_, image) in images {
            let manifest: Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
            assert_eq!(manifest["config"]["digest"], format!("sha256:{}", Digest::of("{}")));
            assert_eq!(manifest["layers"][0]["digest"], format!("sha256:{}", Digest::of("a layer")));
            assert_eq!(manifest["layers"][0]["size"], 7);
        }
    }

    #[test]
    fn unpacking_does_not_leave_its_directory() {
        for (layer, link, reason) in [
            ("../outside", None, "is not a path inside the tree"),
            ("1/layer.tar", Some("../../outside"), "is a symbolic link"),
        ] {
            let error = format!("{:#}", unpacked(&list(layer), link).unwrap_err());
            assert!(error.contains(reason) && error.contains("images.tar.zst"), "{error}");
        }
    }
}
