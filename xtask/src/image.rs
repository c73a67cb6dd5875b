//! The pause image in all its forms.
//!
//! ```text
//! program ─► content ─► docker_archive   docker load, ctr images import, k3s' agent/images
//!                  └──► layout ─► push   registries
//! ```

pub mod content;
pub mod docker_archive;
pub mod installed;
pub mod layout;
pub mod push;
pub mod spots;

pub use content::PauseImage;
pub use docker_archive::Compression;

use crate::reference::Reference;
use anyhow::{Context as _, Result};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
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
    write_whole(&file, &bytes, 0o644)?;
    Ok(file)
}

/// Writes `pause-<arch>`, the executable alone.
pub fn write_program(image: &PauseImage, directory: &Path) -> Result<PathBuf> {
    let file = directory.join(format!("pause-{}", image.target.go));
    write_whole(&file, &image.binary, 0o755)?;
    Ok(file)
}

fn write_whole(file: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let write = || -> Result<()> {
        let directory = file.parent().context("it lies in no directory")?;
        let permissions = std::fs::Permissions::from_mode(mode);
        let mut part =
            tempfile::Builder::new().prefix(".part-").permissions(permissions).tempfile_in(directory)?;
        part.write_all(bytes)?;
        // The error would hold the unfinished file, and with it keep it from being removed.
        part.persist(file).map_err(|refused| refused.error)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}
