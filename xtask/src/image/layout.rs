//! The OCI image layout: a directory with a multi-architecture index, which is pushed to registries
//! (image-spec, image-layout.md and image-index.md).

use crate::image::content::{Blob, PauseImage, labels};
use crate::reference::Reference;
use anyhow::Result;
use fs_err as fs;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Returns the index of these images, one for each architecture, which a registry stores under the tag.
pub fn index(images: &[PauseImage]) -> Blob {
    let entry = |image: &PauseImage| {
        let mut descriptor = image.manifest.descriptor();
        descriptor.insert("platform".to_owned(), image.platform());
        Value::from(descriptor)
    };
    // Registries show the labels of an image that has several architectures from its index.
    let annotations = images.first().map(|image| labels(&image.version));
    Blob::json(
        INDEX,
        &json!({
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": images.iter().map(entry).collect::<Vec<_>>(),
            "annotations": annotations,
        }),
    )
}

/// Writes the layout into a new directory and returns the index.
pub fn write(images: &[PauseImage], names: &[Reference], directory: &Path) -> Result<Blob> {
    fs::create_dir(directory)?;
    let index = index(images);
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let all = images.iter().flat_map(|image| [&image.layer, &image.config, &image.manifest]);
    for blob in all.chain([&index]) {
        fs::write(blobs.join(blob.digest.as_str()), &blob.bytes)?;
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
