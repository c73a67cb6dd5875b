//! Formats of images, and the pause image in all of them.
//!
//! ```text
//! program ─► content ─► docker_archive            docker load, ctr images import, k3s' agent/images
//!                  └──► layout ─► push ─► remote  registries
//!                    credentials ─► login ─┘
//! ```

mod advice;
pub mod content;
mod credential_helper;
mod credentials;
pub mod docker_archive;
pub mod installed;
pub mod layer_files;
pub mod layout;
mod login;
mod plain_http;
pub mod push;
pub mod remote;
pub mod spots;

pub use content::PauseImage;
pub use docker_archive::Compression;

use crate::atomic_file;
use crate::reference::Reference;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Returns `pause-image-<arch>.tar`, or its compressed form.
pub fn archive_name(image: &PauseImage, compression: Compression) -> String {
    format!("pause-image-{}{}", image.target.go, compression.suffix())
}

/// Writes `pause-image-<arch>.tar`, or its compressed form, with one image under these names.
///
/// The file appears by rename: k3s watches `agent/images` and would import an incomplete file.
pub fn write_archive(
    image: &PauseImage,
    names: &[Reference],
    compression: Compression,
    directory: &Path,
) -> Result<PathBuf> {
    let file = directory.join(archive_name(image, compression));
    let bytes = docker_archive::archive(image, names, compression)?;
    atomic_file::write(&file, &bytes, 0o644)?;
    Ok(file)
}

/// Writes `pause-<arch>`, the executable alone.
pub fn write_program(image: &PauseImage, directory: &Path) -> Result<PathBuf> {
    let file = directory.join(format!("pause-{}", image.target.go));
    atomic_file::write(&file, &image.binary, 0o755)?;
    Ok(file)
}
