//! A guest with a root file system of the user's, for instance openEuler's, and Debian's kernel.

use super::{About, BUSYBOX, DISK, Guest, INITRD, KERNEL, postinst};
use crate::boot::{disk, guest};
use crate::context::Context;
use crate::dir;
use crate::process::cmd;
use crate::tree_path::TreePath;
use crate::userns;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Checks that a directory is a root file system that can be booted.
pub fn require(root: &Path) -> Result<()> {
    for required in ["usr/lib/systemd/systemd", "etc/os-release"] {
        ensure!(
            root.join(required).is_file(),
            "{} is not a root file system with systemd: there is no {required} in it",
            root.display()
        );
    }
    Ok(())
}

/// Builds a guest from a copy of `root` in a new directory, with kernel and modules of another guest.
pub fn build(context: &Context, base: &Guest, root: &Path, directory: &Path) -> Result<Guest> {
    let running = context.progress.step("root file system");
    running.doing("copying it");
    let copy = directory.join("root");
    copy_root(context, root, &copy)?;
    let modules = remove_modules(&copy)?;
    let disk = base.disk();
    cmd!(context, "debugfs -R 'rdump /usr/lib/modules .' {disk}")
        .dir(copy.join("usr/lib"))
        .log("boot-guest")
        .run()
        .context("extracting the modules from the guest's disk")?;
    ensure!(modules.join(&base.about.kernel).is_dir(), "the guest's disk has no modules of its kernel");
    postinst::host_files(&copy)?;
    guest::add_unit(&copy)?;
    running.doing("writing its disk");
    disk::write(context, &copy, "guest", guest::SIZE, &directory.join(DISK))?;
    fs::remove_dir_all(&copy)?;
    for (from, name) in [(base.kernel(), KERNEL), (base.initrd(), INITRD), (base.busybox(), BUSYBOX)] {
        fs::os::unix::fs::symlink(from, directory.join(name))?;
    }
    let about = About {
        distribution: name(&fs::read_to_string(root.join("etc/os-release"))?),
        kernel: base.about.kernel.clone(),
        packages: Vec::new(),
    };
    running.done(&about.distribution);
    let (platform, arguments) = (base.platform, base.arguments);
    Ok(Guest { directory: directory.to_owned(), about, platform, arguments })
}

/// Removes the modules of a root's own kernel, and returns their directory.
fn remove_modules(root: &Path) -> Result<PathBuf> {
    let modules = TreePath::parse("usr/lib/modules")?.below(root)?;
    dir::remove(&modules)?;
    Ok(modules)
}

/// Directories that the guest's kernel and systemd fill.
const VOLATILE: [&str; 5] = ["dev", "proc", "run", "sys", "tmp"];

/// Copies a root with modes and links, and for the root user with owners as well. Other users need a user namespace for
/// files that not even their owner may read, such as /etc/shadow.
fn copy_root(context: &Context, root: &Path, copy: &Path) -> Result<()> {
    fs::create_dir(copy)?;
    for name in VOLATILE {
        fs::create_dir(copy.join(name))?;
    }
    fs::set_permissions(copy.join("tmp"), std::fs::Permissions::from_mode(0o1777))?;
    let mut entries = dir::entries(root)?;
    entries.retain(|path| !VOLATILE.iter().any(|name| path.ends_with(name)));
    let owners = if userns::is_root() { "--preserve=ownership" } else { "--no-preserve=ownership" };
    userns::as_root(context, "cp")
        .args(["--archive", owners, "--target-directory"])
        .args([copy])
        .args(entries)
        .log("boot-guest")
        .run()
        .with_context(|| format!("copying {}", root.display()))
}

/// Returns the name of a distribution (os-release(5)).
fn name(os_release: &str) -> String {
    let found = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    found.unwrap_or("an unnamed distribution").trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_the_pretty_name() {
        assert_eq!(name("ID=openEuler\nPRETTY_NAME=\"openEuler 24.03 (LTS)\"\n"), "openEuler 24.03 (LTS)");
        assert_eq!(name("ID=x\n"), "an unnamed distribution");
    }

    #[test]
    fn follows_no_links_of_a_root() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(outside.path().join("lib/modules")).unwrap();
        fs::write(outside.path().join("hostname"), "this machine").unwrap();
        for name in ["etc", "usr", "scenario"] {
            fs::os::unix::fs::symlink(outside.path(), root.path().join(name)).unwrap();
        }
        let refused = [
            postinst::host_files(root.path()),
            guest::add_unit(root.path()),
            remove_modules(root.path()).map(drop),
        ];
        for result in refused {
            let error = result.unwrap_err().to_string();
            assert!(error.contains("is a symbolic link"), "{error}");
        }
        assert_eq!(fs::read_to_string(outside.path().join("hostname")).unwrap(), "this machine");
        assert!(outside.path().join("lib/modules").is_dir());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2);
    }

    #[test]
    fn refuses_root_without_systemd() {
        let directory = tempfile::tempdir().unwrap();
        let error = require(directory.path()).unwrap_err().to_string();
        assert!(error.contains("there is no usr/lib/systemd/systemd in it"), "{error}");
    }
}
