//! What the skipped scripts of a guest's packages would have done, as far as it is needed, each with its reason.
//!
//! The packages are unpacked for another architecture, and without root: their scripts could not run.

use crate::context::Context;
use crate::process::cmd;
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Completes a root of unpacked packages and returns the directory of its kernel's modules.
pub fn complete(context: &Context, root: &Path) -> Result<PathBuf> {
    directories(root)?;
    users(root)?;
    alternatives(root)?;
    names(root)?;
    name_services(root)?;
    modules(context, root)
}

/// base-files' postinst makes the directories that are not to be owned by a package.
fn directories(root: &Path) -> Result<()> {
    for directory in ["var/log", "var/tmp", "var/lib/rpm", "var/lib/rancher", "usr/local/bin", "mnt", "opt"] {
        fs::create_dir_all(root.join(directory))?;
    }
    for open in ["tmp", "var/tmp"] {
        fs::set_permissions(root.join(open), std::fs::Permissions::from_mode(0o1777))?;
    }
    // Unpacking has made it for ourselves alone, and it is the guest's `/`.
    fs::set_permissions(root, std::fs::Permissions::from_mode(0o755))?;
    link(root, "var/run", "/run")?;
    link(root, "var/lock", "/run/lock")
}

/// base-passwd's postinst copies its masters. systemd reads them for `User=`, rpm for owners of files, and
/// the kubelet ends without /etc/passwd (k3s from about v1.33 on).
fn users(root: &Path) -> Result<()> {
    for name in ["passwd", "group"] {
        let master = root.join(format!("usr/share/base-passwd/{name}.master"));
        // The masters hold `*` for a password where /etc/shadow is asked otherwise.
        fs::copy(master, root.join("etc").join(name))?;
    }
    Ok(())
}

/// update-alternatives in the postinst of iptables and of gawk, and dash's sh.
fn alternatives(root: &Path) -> Result<()> {
    for family in ["iptables", "ip6tables"] {
        for end in ["", "-save", "-restore"] {
            // The program acts by the name it is called by.
            link(root, &format!("usr/sbin/{family}{end}"), "xtables-nft-multi")?;
        }
    }
    link(root, "usr/bin/awk", "gawk")?;
    link(root, "usr/bin/sh", "dash")
}

/// The installer's work, not a package's: what the machine is called, and that it has no name server. An empty
/// machine-id lets systemd make one for this boot; without the file it would take the boot for the first and enable
/// every unit (machine-id(5)).
pub(super) fn names(root: &Path) -> Result<()> {
    for (file, text) in [
        ("hostname", "guest\n"),
        ("hosts", "127.0.0.1 localhost\n10.0.2.15 guest\n"),
        ("machine-id", ""),
        ("resolv.conf", ""),
    ] {
        // It may be a link, which would be followed out of this root.
        fs::write(TreePath::parse(&format!("etc/{file}"))?.room_below(root)?, text)?;
    }
    Ok(())
}

/// base-files' postinst copies its own, by whose absence the C library would ask services that are not there.
fn name_services(root: &Path) -> Result<()> {
    let services = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n";
    Ok(fs::write(root.join("etc/nsswitch.conf"), services)?)
}

/// The kernel's postinst runs depmod, without whose files modprobe finds nothing.
fn modules(context: &Context, root: &Path) -> Result<PathBuf> {
    let all = root.join("usr/lib/modules");
    let mut versions = Vec::new();
    for entry in fs::read_dir(&all).context("the guest has no kernel modules")? {
        versions.push(entry?.file_name());
    }
    ensure!(versions.len() == 1, "the guest has {} kernels, not one", versions.len());
    let version = &versions[0];
    let base = root.join("usr");
    // depmod looks for lib/modules below its base directory, and /lib is a link into /usr here.
    cmd!(context, "depmod --basedir {base} {version}")
        .log("boot-guest")
        .run()
        .context("listing what the guest's kernel modules depend on")?;
    Ok(all.join(version))
}

/// Makes a link, unless the place is taken.
fn link(root: &Path, place: &str, target: &str) -> Result<()> {
    let place = root.join(place);
    if place.symlink_metadata().is_err() {
        symlink(target, &place).with_context(|| format!("linking {}", place.display()))?;
    }
    Ok(())
}
