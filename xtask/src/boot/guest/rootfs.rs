//! A guest with a root file system of the user's, openEuler's for instance, under Debian's kernel.

use super::{About, DISK, Guest, INITRD, KERNEL, postinst};
use crate::boot::{disk, guest};
use crate::context::Context;
use crate::process::cmd;
use crate::tree_path::TreePath;
use crate::userns;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Refuses at once what cannot be a root file system of the guest's.
pub fn require(root: &Path) -> Result<()> {
    for needed in ["usr/lib/systemd/systemd", "etc/os-release"] {
        ensure!(
            root.join(needed).is_file(),
            "{} is no directory with a root file system that systemd starts: there is no {needed} in it",
            root.display()
        );
    }
    Ok(())
}

/// Makes a guest of a copy of `root` in a new directory, with kernel and modules of another guest.
pub fn guest(context: &Context, base: &Guest, root: &Path, directory: &Path) -> Result<Guest> {
    let running = context.progress.step("root file system");
    running.doing("copying it");
    let copy = directory.join("root");
    take_over(context, root, &copy)?;
    let modules = remove_modules(&copy)?;
    let disk = base.disk();
    cmd!(context, "debugfs -R 'rdump /usr/lib/modules .' {disk}")
        .dir(copy.join("usr/lib"))
        .log("boot-guest")
        .run()
        .context("taking the modules out of the guest's disk")?;
    ensure!(modules.join(&base.about.kernel).is_dir(), "the guest's disk has no modules of its kernel");
    postinst::names(&copy)?;
    guest::add_unit(&copy)?;
    running.doing("making a disk of it");
    disk::write(context, &copy, "guest", guest::SIZE, &directory.join(DISK))?;
    fs::remove_dir_all(&copy)?;
    for (from, name) in [(base.kernel(), KERNEL), (base.initrd(), INITRD), (base.busybox(), "busybox")] {
        fs::os::unix::fs::symlink(from, directory.join(name))?;
    }
    let about = About {
        distribution: name(&fs::read_to_string(root.join("etc/os-release"))?),
        kernel: base.about.kernel.clone(),
        packages: Vec::new(),
    };
    running.done(&about.distribution);
    Ok(Guest { directory: directory.to_owned(), about })
}

/// Removes the modules of a root's own kernel and returns their place.
fn remove_modules(root: &Path) -> Result<PathBuf> {
    let modules = TreePath::parse("usr/lib/modules")?.below(root)?;
    if modules.exists() {
        fs::remove_dir_all(&modules)?;
    }
    Ok(modules)
}

/// What the guest's kernel and systemd fill by themselves.
const FILLED: [&str; 5] = ["dev", "proc", "run", "sys", "tmp"];

/// Copies a root with modes and links, and as root with owners as well. Somebody else needs a namespace for files
/// that not even their owner may read, such as /etc/shadow.
fn take_over(context: &Context, root: &Path, copy: &Path) -> Result<()> {
    fs::create_dir(copy)?;
    for name in FILLED {
        fs::create_dir(copy.join(name))?;
    }
    fs::set_permissions(copy.join("tmp"), std::fs::Permissions::from_mode(0o1777))?;
    let mut entries = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if !FILLED.iter().any(|filled| entry.file_name() == *filled) {
            entries.push(entry.path());
        }
    }
    let owners = if userns::is_root() { "--preserve=ownership" } else { "--no-preserve=ownership" };
    userns::as_root(context, "cp")
        .args(["--archive", owners, "--target-directory"])
        .args([copy])
        .args(entries)
        .log("boot-guest")
        .run()
        .with_context(|| format!("copying {}", root.display()))?;
    Ok(())
}

/// What a distribution calls itself (os-release(5)).
fn name(os_release: &str) -> String {
    let found = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    found.unwrap_or("an unnamed distribution").trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_called_what_it_calls_itself() {
        assert_eq!(name("ID=openEuler\nPRETTY_NAME=\"openEuler 24.03 (LTS)\"\n"), "openEuler 24.03 (LTS)");
        assert_eq!(name("ID=x\n"), "an unnamed distribution");
    }

    #[test]
    fn links_of_a_root_are_not_followed() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(outside.path().join("lib/modules")).unwrap();
        fs::write(outside.path().join("hostname"), "this machine").unwrap();
        for name in ["etc", "usr", "proof"] {
            fs::os::unix::fs::symlink(outside.path(), root.path().join(name)).unwrap();
        }
        let refused = [
            postinst::names(root.path()),
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
    fn what_has_no_systemd_is_no_root() {
        let directory = tempfile::tempdir().unwrap();
        let error = require(directory.path()).unwrap_err().to_string();
        assert!(error.contains("there is no usr/lib/systemd/systemd in it"), "{error}");
    }
}
