//! The initrd: what it takes until the guest's own disk is there.

use super::cpio::Archive;
use super::modules::Modules;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// Bus, disk, console of the proof, file system: what Debian's kernel has as modules.
const NEEDED: &[&str] = &["virtio_mmio", "virtio_blk", "virtio_console", "ext4"];

/// Before Linux 6.15, ext4 asks the kernel's crypto for crc32c by name, which no file of dependencies tells.
const ASKED_FOR_BY_NAME: &[&str] = &["crc32c_generic"];

/// Process 1 until the disk is mounted.
const INIT: &str = include_str!("init.sh");

/// Packs busybox, the modules and the script for a guest's root, whose kernel's modules lie in `modules`.
pub fn make(root: &Path, modules: &Path) -> Result<Vec<u8>> {
    let known = Modules::read(modules)?;
    let there = ASKED_FOR_BY_NAME.iter().filter(|name| known.has(name));
    let wanted: Vec<&str> = there.chain(NEEDED).copied().collect();
    let mut archive = Archive::default();
    for folder in ["dev", "proc", "sys", "root"] {
        archive.folder(folder);
    }
    let mut list = String::new();
    for (number, file) in known.in_order(&wanted)?.iter().enumerate() {
        let base = file.rsplit('/').next().unwrap_or(file);
        let name = format!("modules/{number:02}-{base}");
        archive.file(&name, 0o644, &fs::read(modules.join(file))?);
        list.push_str(&format!("/{name}\n"));
    }
    archive.file("modules/list", 0o644, list.as_bytes());
    let busybox = fs::read(root.join("usr/bin/busybox")).context("the guest has no static busybox")?;
    archive.file("bin/busybox", 0o755, &busybox);
    archive.file("init", 0o755, INIT.as_bytes());
    Ok(archive.finish())
}
