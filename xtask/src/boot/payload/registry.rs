//! A registry in a guest, with images as upstream has them, some for other architectures only, or with the image of the pods.
//!
//! It consists of files only, at the paths of the registry's API (distribution-spec,
//! `GET /v2/<name>/manifests/<tag>`), for busybox's httpd.

use super::busybox;
use crate::boot::guest::Guest;
use crate::boot::{self, images::DefaultImages};
use crate::digest::Digest;
use crate::image::content::{Blob, MANIFEST_TYPE, descriptor, platform};
use crate::image::docker_archive;
use crate::image::layout::{self, KeptEntry, LayoutImage};
use crate::reference::Reference;
use crate::target::Target;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeSet;
use std::path::Path;

/// Architectures that every list has. Images for them that are never pulled do not exist.
const OTHERS: [&str; 2] = ["amd64", "arm64"];

/// A list of images under a tag.
pub struct List {
    pub reference: Reference,
    /// Those that can be pulled. Every list has entries for all of [`OTHERS`].
    pub images: Vec<LayoutImage>,
}

/// Returns the only list of a registry for an unmodified k3s, whose pause image has no riscv64 build.
pub fn of_unmodified() -> Result<[List; 1]> {
    Ok([List { reference: Reference::parse("rancher/mirrored-pause:3.6")?, images: Vec::new() }])
}

/// Returns the lists of a registry with all default images, of which those that upstream does not build for the guest's
/// architecture are for others only. The images are unpacked into a directory.
pub fn of_upstream(images: &DefaultImages, directory: &Path) -> Result<Vec<List>> {
    let unpacked = docker_archive::unpack(&images.archive, boot::target()?, directory)?;
    let list = |(reference, image): (Reference, LayoutImage)| {
        let image = (!images.missing.contains(&reference.normalised())).then_some(image);
        List { reference, images: image.into_iter().collect() }
    };
    Ok(unpacked.into_iter().map(list).collect())
}

/// Returns the only list of a registry with the image of the pods for each of these guests.
pub fn of_pods(guests: &[&Guest]) -> Result<[List; 1]> {
    let image = |guest: &&Guest| busybox::image(guest.platform.target()?, &fs::read(guest.busybox())?);
    let images = guests.iter().map(image).collect::<Result<_>>()?;
    Ok([List { reference: Reference::parse(busybox::NAME)?, images }])
}

/// Writes the registry and the settings of its server into a new directory.
pub fn write(directory: &Path, lists: &[List]) -> Result<()> {
    fs::create_dir(directory)?;
    let mut settings = BTreeSet::new();
    for List { reference, images } in lists {
        let is_other = |name: &&&str| images.iter().all(|image| image.target.go != **name);
        let others = OTHERS.iter().filter(is_other).map(|name| other(name)).collect::<Result<Vec<_>>>()?;
        let list = layout::index(images, &others);
        let name = reference.normalised();
        let (_, path) = name.split_once('/').context("a normalised reference names a registry")?;
        let (path, tag) = path.rsplit_once(':').context("a normalised reference has a tag")?;
        let repository = directory.join("v2").join(path);
        let (manifests, blobs) = (repository.join("manifests"), repository.join("blobs"));
        fs::create_dir_all(&manifests)?;
        fs::create_dir_all(&blobs)?;
        fs::write(manifests.join(tag), &list.bytes)?;
        write_blob(&manifests, &list)?;
        for image in images {
            write_blob(&manifests, &image.manifest)?;
            for content in &image.content {
                content.write(&blobs.join(file_name(content.digest())))?;
            }
        }
        // httpd selects the media type by the end of the name, which for the tag 3.6 is .6.
        let (_, end) = tag.rsplit_once('.').with_context(|| format!("the tag of {name} has no dot"))?;
        settings.insert(format!(".{end}:{}\n", list.media_type));
    }
    Ok(fs::write(directory.join("httpd.conf"), settings.into_iter().collect::<String>())?)
}

/// Returns an entry for another architecture.
fn other(architecture: &str) -> Result<KeptEntry> {
    let digest = Digest::of(architecture);
    let mut descriptor = descriptor(MANIFEST_TYPE, &digest, 526);
    descriptor.insert("platform".to_owned(), platform(Target::named(architecture)?));
    Ok(KeptEntry { descriptor, manifest: Vec::new(), digest })
}

fn write_blob(directory: &Path, blob: &Blob) -> Result<()> {
    Ok(fs::write(directory.join(file_name(&blob.digest)), &blob.bytes)?)
}

/// Returns the name of bytes by their digest.
fn file_name(digest: &Digest) -> String {
    format!("sha256:{digest}")
}
