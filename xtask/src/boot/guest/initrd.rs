//! The initrd, which runs until the guest's own disk is mounted.

use super::cpio::Archive;
use crate::boot::platform::Platform;
use crate::context::Context;
use crate::process::cmd;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// Disk, console of the scenario, and file system, which are modules of Debian's kernel, as the bus is.
const MODULES: &[&str] = &["virtio_blk", "virtio_console", "ext4"];

/// Process 1 until the disk is mounted.
const INIT: &str = include_str!("init.sh");

/// Returns an initrd with busybox, the script, and these files of modules, in the order in which they are loaded.
pub fn build(busybox: &Path, modules: &[String]) -> Result<Vec<u8>> {
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

/// Returns the files of the modules for a root that depmod has processed, as modprobe(8) would load them. It also
/// resolves modules that others request by name, as ext4 does with crc32c before Linux 6.15 (`modules.softdep`).
pub fn modules(context: &Context, platform: &Platform, root: &Path, release: &str) -> Result<Vec<String>> {
    let base = root.join("usr");
    let names = [&[platform.bus_module], MODULES].concat();
    // Without the host's configuration, which may forbid modules or set options.
    let modprobe =
        cmd!(context, "modprobe -C /dev/null -d {base} -S {release} --all --show-depends {names...}");
    Ok(files(&modprobe.read().context("resolving the modules of the initrd")?))
}

/// Returns the files of the modules, each once and after its dependencies. Built-in modules have no file.
fn files(commands: &str) -> Vec<String> {
    let mut files = Vec::new();
    for file in commands.lines().filter_map(|command| command.strip_prefix("insmod ")) {
        let file = file.trim_end().to_owned();
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
