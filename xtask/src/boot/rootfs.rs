//! A guest with a root file system of the user's, openEuler's for instance, under Debian's kernel.

use super::disk;
use super::guest::{self, About, DISK, Guest, INITRD, KERNEL};
use crate::context::Context;
use crate::process::Program;
use crate::tree;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::Path;
use xshell::cmd;

/// Refuses at once what cannot be a root file system of the guest's.
pub fn require(root: &Path) -> Result<()> {
    for needed in ["usr/lib/systemd/systemd", "etc/os-release"] {
        ensure!(
            root.join(needed).is_file(),
            "{} is no folder with a root file system that systemd starts: there is no {needed} in it",
            root.display()
        );
    }
    Ok(())
}

/// Makes a guest of a copy of `root` in a new folder, with kernel and modules of another guest.
pub fn guest(context: &Context, base: &Guest, root: &Path, folder: &Path) -> Result<Guest> {
    let running = context.progress.step("root file system");
    running.doing("copying it");
    let copy = folder.join("root");
    tree::copy(root, &copy)?;
    let modules = copy.join("usr/lib/modules");
    if modules.exists() {
        fs::remove_dir_all(&modules)?;
    }
    let (shell, disk) = (context.shell()?, base.disk());
    let request = format!("rdump /usr/lib/modules {}", copy.join("usr/lib").display());
    Program::new(context, cmd!(shell, "debugfs -R {request} {disk}"))
        .log("boot-guest")
        .run()
        .context("taking the modules out of the guest's disk")?;
    ensure!(modules.join(&base.about.kernel).is_dir(), "the guest's disk has no modules of its kernel");
    guest::add_unit(&copy)?;
    running.doing("making a disk of it");
    disk::write(context, &copy, "guest", guest::SIZE, &folder.join(DISK))?;
    fs::remove_dir_all(&copy)?;
    for (from, name) in [(base.kernel(), KERNEL), (base.initrd(), INITRD), (base.busybox(), "busybox")] {
        fs::os::unix::fs::symlink(from, folder.join(name))?;
    }
    let about = About {
        distribution: name(&fs::read_to_string(root.join("etc/os-release"))?),
        kernel: base.about.kernel.clone(),
        packages: Vec::new(),
    };
    running.done(&about.distribution);
    Ok(Guest { folder: folder.to_owned(), about })
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
    fn what_has_no_systemd_is_no_root() {
        let folder = tempfile::tempdir().unwrap();
        let error = require(folder.path()).unwrap_err().to_string();
        assert!(error.contains("there is no usr/lib/systemd/systemd in it"), "{error}");
    }
}
