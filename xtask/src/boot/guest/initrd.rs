//! The initrd, which runs until the guest's own disk is mounted.

use super::cpio::Archive;
use crate::context::Context;
use crate::process::cmd;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// Bus, disk, console of the scenario, and file system, which are modules of Debian's kernel.
const MODULES: &[&str] = &["virtio_mmio", "virtio_blk", "virtio_console", "ext4"];

/// Process 1 until the disk is mounted.
const INIT: &str = include_str!("init.sh");

/// Returns an initrd with busybox, the modules and the script, for a root that depmod has processed.
pub fn build(context: &Context, busybox: &Path, root: &Path, release: &str) -> Result<Vec<u8>> {
    write(busybox, &files(&load_commands(context, root, release)?))
}

/// Returns an initrd for a kernel that has everything built in.
pub fn without_modules(busybox: &Path) -> Result<Vec<u8>> {
    write(busybox, &[])
}

fn write(busybox: &Path, modules: &[&str]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for directory in ["dev", "proc", "sys", "root"] {
        archive.directory(directory);
    }
    let mut list = String::new();
    for (number, file) in modules.iter().enumerate() {
        let base = file.rsplit('/').next().unwrap_or(file);
        let name = format!("modules/{number:02}-{base}");
        archive.file(&name, 0o644, &fs::read(file)?);
        list.push_str(&format!("/{name}\n"));
    }
    archive.file("modules/list", 0o644, list.as_bytes());
    archive.file("bin/busybox", 0o755, &fs::read(busybox)?);
    archive.file("init", 0o755, INIT.as_bytes());
    Ok(archive.finish())
}

/// Returns the commands that modprobe(8) would run. It also resolves modules that others request by name, as ext4 does
/// with crc32c before Linux 6.15 (`modules.softdep`).
fn load_commands(context: &Context, root: &Path, release: &str) -> Result<String> {
    let base = root.join("usr");
    // Without the host's configuration, which may forbid modules or set options.
    let modprobe =
        cmd!(context, "modprobe -C /dev/null -d {base} -S {release} --all --show-depends {MODULES...}");
    modprobe.read().context("resolving the modules of the initrd")
}

/// Returns the files of the modules, each once and after its dependencies. Built-in modules have no file.
fn files(commands: &str) -> Vec<&str> {
    let mut files = Vec::new();
    for file in commands.lines().filter_map(|command| command.strip_prefix("insmod ")) {
        let file = file.trim_end();
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_each_module_once_after_its_dependencies() {
        let commands = "insmod /a b/virtio.ko.xz \ninsmod /a b/virtio_mmio.ko.xz \nbuiltin virtio_console\n\
                        insmod /a b/virtio.ko.xz \ninsmod /a b/ext4.ko.xz \n";
        assert_eq!(files(commands), ["/a b/virtio.ko.xz", "/a b/virtio_mmio.ko.xz", "/a b/ext4.ko.xz"]);
    }
}
