//! Replaces the maintainer scripts of a guest's packages, as far as a guest needs them.
//!
//! The scripts themselves cannot run: the packages are unpacked without root and for another architecture.

use crate::context::Context;
use crate::dir;
use crate::process::cmd;
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Completes a root of unpacked packages, and returns the directory of its kernel's modules.
pub fn complete(context: &Context, root: &Path) -> Result<PathBuf> {
    directories(root)?;
    users(root)?;
    alternatives(root)?;
    host_files(root)?;
    name_services(root)?;
    modules(context, root)
}

/// Creates the directories that no package owns, as the postinst of base-files does.
fn directories(root: &Path) -> Result<()> {
    for directory in ["var/log", "var/tmp", "var/lib/rpm", "var/lib/rancher", "usr/local/bin", "mnt", "opt"] {
        fs::create_dir_all(root.join(directory))?;
    }
    for sticky in ["tmp", "var/tmp"] {
        fs::set_permissions(root.join(sticky), std::fs::Permissions::from_mode(0o1777))?;
    }
    // It was created for the current user only, and is the guest's `/`.
    fs::set_permissions(root, std::fs::Permissions::from_mode(0o755))?;
    for (name, target) in [("var/run", "/run"), ("var/lock", "/run/lock")] {
        // The package has an empty directory there, and its postinst replaces it.
        let path = root.join(name);
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir(path)?;
        }
        link(root, name, target)?;
    }
    Ok(())
}

/// Creates users and groups, as the postinst of base-passwd does. systemd reads them for `User=`, rpm for the owners of
/// files, and the kubelet exits without /etc/passwd (k3s since about v1.33).
fn users(root: &Path) -> Result<()> {
    for name in ["passwd", "group"] {
        let master = root.join(format!("usr/share/base-passwd/{name}.master"));
        // Their password field is `*`, so /etc/shadow is not needed.
        fs::copy(master, root.join("etc").join(name))?;
    }
    Ok(())
}

/// Links the alternatives of iptables and gawk, as their postinst does, and the sh of dash.
fn alternatives(root: &Path) -> Result<()> {
    for family in ["iptables", "ip6tables"] {
        for end in ["", "-save", "-restore"] {
            // The executable selects the command by its name.
            link(root, &format!("usr/sbin/{family}{end}"), "xtables-nft-multi")?;
        }
    }
    link(root, "usr/bin/awk", "gawk")?;
    link(root, "usr/bin/sh", "dash")
}

/// Writes the files of an installer: host name, hosts, and no name server. systemd generates the machine ID of this boot
/// if its file is empty. Without the file, systemd would treat the boot as the first one and enable every unit
/// (machine-id(5)).
pub(super) fn host_files(root: &Path) -> Result<()> {
    for (file, text) in [
        ("hostname", "guest\n"),
        ("hosts", "127.0.0.1 localhost\n10.0.2.15 guest\n"),
        ("machine-id", ""),
        ("resolv.conf", ""),
    ] {
        // An existing file may be a link that leads out of this root, so it is replaced.
        fs::write(TreePath::parse(&format!("etc/{file}"))?.room_below(root)?, text)?;
    }
    Ok(())
}

/// Configures the name services, as the postinst of base-files does. By default the C library would use services that
/// the guest does not have.
fn name_services(root: &Path) -> Result<()> {
    let services = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n";
    Ok(fs::write(root.join("etc/nsswitch.conf"), services)?)
}

/// Runs depmod, as the kernel's postinst does: modprobe needs its files.
fn modules(context: &Context, root: &Path) -> Result<PathBuf> {
    let mut kernels =
        dir::entries(&root.join("usr/lib/modules")).context("the guest has no kernel modules")?;
    ensure!(kernels.len() == 1, "the guest has {} kernels, not one", kernels.len());
    let modules = kernels.remove(0);
    let version = modules.file_name().context("modules are in a directory of their kernel")?;
    let base = root.join("usr");
    // depmod searches lib/modules below its base directory. Here /lib is a link to /usr/lib.
    cmd!(context, "depmod --basedir {base} {version}")
        .log("boot-guest")
        .run()
        .context("resolving the dependencies of the guest's kernel modules")?;
    Ok(modules)
}

/// Creates a link, unless there is a file of this name.
fn link(root: &Path, name: &str, target: &str) -> Result<()> {
    let link = root.join(name);
    if link.symlink_metadata().is_err() {
        symlink(target, &link).with_context(|| format!("linking {}", link.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_replace_the_directories_of_base_files() {
        let root = tempfile::tempdir().unwrap();
        for name in ["tmp", "var/lock", "var/run", "var/tmp"] {
            fs::create_dir_all(root.path().join(name)).unwrap();
        }
        for _ in 0..2 {
            directories(root.path()).unwrap();
            assert_eq!(fs::read_link(root.path().join("var/run")).unwrap(), Path::new("/run"));
            assert_eq!(fs::read_link(root.path().join("var/lock")).unwrap(), Path::new("/run/lock"));
        }
    }
}
