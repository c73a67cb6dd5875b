//! The docker-archive: one tar that `docker load`, `podman load`, `ctr images import` and k3s' own
//! `agent/images` take (moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format").

use crate::digest::Digest;
use crate::image::content::{Blob, PauseImage, append};
use crate::reference::Reference;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

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

/// Returns the path of a configuration in an archive.
pub fn config_name(config: &Digest) -> String {
    format!("{config}.json")
}

/// Returns the path of a layer in an archive, the same for all images that share it.
pub fn layer_name(layer: &Digest) -> String {
    format!("{layer}/layer.tar")
}

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
