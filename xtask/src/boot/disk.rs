//! Directories as disks: file systems made without root and without mounting anything.

use crate::context::Context;
use crate::userns;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// Writes `directory` as an ext4 file system of so many bytes, in which everything is root's, to `file`.
///
/// The file has holes where there is nothing. The label is what the guest finds the disk by.
pub fn write(context: &Context, directory: &Path, label: &str, size: u64, file: &Path) -> Result<()> {
    fs::File::create(file)?.set_len(size)?;
    let options = "root_owner=0:0,lazy_itable_init=1";
    userns::as_root(context, "mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-m", "0", "-E", options, "-L", label, "-d"])
        .args([directory, file])
        .log("boot-disk")
        .run()
        .with_context(|| format!("making a disk of {}", directory.display()))?;
    Ok(())
}

/// A size that a directory's content fits into, with room for the file system's own tables.
pub fn size_for(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in walkdir::WalkDir::new(directory) {
        // Every file takes whole blocks and an inode.
        bytes += entry?.metadata()?.len().next_multiple_of(4096) + 4096;
    }
    Ok((bytes + bytes / 8 + (32 << 20)).next_multiple_of(1 << 20))
}
