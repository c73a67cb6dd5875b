//! The OCI image layout: a directory with a multi-architecture index, which is pushed to registries
//! (image-spec, image-layout.md and image-index.md).

use crate::digest::Digest;
use crate::image::content::{Blob, platform};
use crate::reference::Reference;
use crate::target::Target;
use anyhow::Result;
use fs_err as fs;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image of one architecture, as layouts and registries have it.
#[derive(Clone, Debug)]
pub struct LayoutImage {
    pub target: &'static Target,
    /// Annotations of an index with this image, which registries show.
    pub labels: Map<String, Value>,
    pub manifest: Blob,
    /// The configuration and the layers that the manifest names.
    pub content: Vec<Content>,
}

/// Bytes that a manifest names by their digest.
#[derive(Clone, Debug)]
pub enum Content {
    Bytes(Blob),
    File { digest: Digest, path: PathBuf },
}

impl Content {
    pub fn digest(&self) -> &Digest {
        match self {
            Content::Bytes(blob) => &blob.digest,
            Content::File { digest, .. } => digest,
        }
    }

    /// Writes the bytes to a place that only has them, if anything: images share layers.
    pub fn write(&self, place: &Path) -> Result<()> {
        match self {
            Content::Bytes(blob) => fs::write(place, &blob.bytes)?,
            Content::File { .. } if place.exists() => {}
            Content::File { path, .. } => {
                fs::hard_link(path, place).or_else(|_| fs::copy(path, place).map(drop))?;
            }
        }
        Ok(())
    }
}

/// An entry of an index that a registry has already and that stays as it is.
#[derive(Clone, Debug)]
pub struct KeptEntry {
    pub descriptor: Map<String, Value>,
    /// The manifest that it names, without whatever that one names.
    pub manifest: Vec<u8>,
    pub digest: Digest,
}

/// Returns the index of these images, one for each architecture, and of the kept entries, which a registry stores under
/// the tag.
pub fn index(images: &[LayoutImage], kept: &[KeptEntry]) -> Blob {
    let entry = |image: &LayoutImage| {
        let mut descriptor = image.manifest.descriptor();
        descriptor.insert("platform".to_owned(), platform(image.target));
        Value::from(descriptor)
    };
    let kept = kept.iter().map(|entry| Value::from(entry.descriptor.clone()));
    Blob::json(
        INDEX,
        &json!({
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": images.iter().map(entry).chain(kept).collect::<Vec<_>>(),
            "annotations": images.first().map(|image| &image.labels),
        }),
    )
}

/// Writes the layout into a new directory and returns the index.
pub fn write(
    images: &[LayoutImage],
    kept: &[KeptEntry],
    names: &[Reference],
    directory: &Path,
) -> Result<Blob> {
    fs::create_dir(directory)?;
    let index = index(images, kept);
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    for blob in images.iter().map(|image| &image.manifest).chain([&index]) {
        fs::write(blobs.join(blob.digest.as_str()), &blob.bytes)?;
    }
    for entry in kept {
        fs::write(blobs.join(entry.digest.as_str()), &entry.manifest)?;
    }
    for content in images.iter().flat_map(|image| &image.content) {
        content.write(&blobs.join(content.digest().as_str()))?;
    }
    fs::write(directory.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string())?;
    fs::write(directory.join("index.json"), entry_points(&index, names).to_string())?;
    Ok(index)
}

/// `index.json`: every name leads to the same index.
///
/// As docker and BuildKit write it, `ref.name` is the tag alone, which skopeo and umoci look for, and the full name is
/// under containerd's own key. A tag that is taken already would be ambiguous, so `ref.name` of the later one is the
/// full name.
fn entry_points(index: &Blob, names: &[Reference]) -> Value {
    let mut tags = BTreeSet::new();
    let mut manifests = Vec::new();
    for name in names {
        let full = name.normalised();
        let short = if tags.insert(name.tag()) { name.tag() } else { &full };
        let mut descriptor = index.descriptor();
        let annotations =
            json!({"io.containerd.image.name": full, "org.opencontainers.image.ref.name": short});
        descriptor.insert("annotations".to_owned(), annotations);
        manifests.push(Value::from(descriptor));
    }
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
}
