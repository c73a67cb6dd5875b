//! Disks with the files of a directory, written without root and without mounting anything.

use crate::context::Context;
use crate::userns;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// Writes the files of `directory` to `file` as an ext4 file system of `size` bytes, in which root owns everything.
///
/// The file is sparse. The guest finds the disk by its label.
pub fn write(context: &Context, directory: &Path, label: &str, size: u64, file: &Path) -> Result<()> {
    fs::File::create(file)?.set_len(size)?;
    let options = "root_owner=0:0,lazy_itable_init=1";
    userns::as_root(context, "mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-m", "0", "-E", options, "-L", label, "-d"])
        .args([directory, file])
        .log("boot-disk")
        .run()
        .with_context(|| format!("writing a disk with the files of {}", directory.display()))
}

/// Returns a size that is enough for a directory's files and for the tables of the file system.
pub fn size_for(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in walkdir::WalkDir::new(directory) {
        // Every file uses complete blocks and an inode.
        bytes += entry?.metadata()?.len().next_multiple_of(4096) + 4096;
    }
    Ok((bytes + bytes / 8 + (32 << 20)).next_multiple_of(1 << 20))
}
