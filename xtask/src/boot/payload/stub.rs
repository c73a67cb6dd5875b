//! A stub package of the guest's distribution, whose own packages rpm does not know.

use crate::alias::Alias;
use crate::context::Context;
use crate::dir;
use crate::rpm::{isolated, template};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Packages of an rpm distribution, each with a command that shows that the guest has it.
const PROVIDED: &[(&str, &str)] = &[
    ("conntrack-tools", "conntrack"),
    ("coreutils", "ls"),
    ("diffutils", "cmp"),
    ("ethtool", "ethtool"),
    ("findutils", "find"),
    ("gawk", "gawk"),
    ("grep", "grep"),
    ("ipset", "ipset"),
    ("iproute", "ip"),
    ("iptables", "iptables"),
    ("kmod", "modprobe"),
    ("sed", "sed"),
    ("socat", "socat"),
    ("systemd", "systemctl"),
    ("util-linux", "mount"),
    ("/bin/sh", "sh"),
];

/// Returns the packages that a root with these paths provides.
fn provides(paths: &BTreeSet<String>) -> Vec<&'static str> {
    let exists = |command: &str| {
        ["usr/bin", "usr/sbin", "bin", "sbin"]
            .iter()
            .any(|directory| paths.contains(&format!("{directory}/{command}")))
    };
    PROVIDED.iter().filter(|(_, command)| exists(command)).map(|(name, _)| *name).collect()
}

/// Builds the stub in a directory. It provides what a guest with these paths really has.
pub fn build(context: &Context, paths: &BTreeSet<String>, directory: &Path) -> Result<PathBuf> {
    let spec = fs::read_to_string(context.root.join("rpm/distro-stub.spec"))?;
    let lines: Vec<String> = provides(paths).iter().map(|name| format!("Provides: {name}")).collect();
    let scratch = tempfile::tempdir_in(directory)?;
    let built = package(context, scratch.path(), &template::replace(&spec, &lines)?, "noarch")
        .context("building the stub package of the guest's distribution")?;
    let package = directory.join("distro-stub.rpm");
    fs::rename(built, &package)?;
    Ok(package)
}

/// Builds the one package of a spec in a directory, which is rpmbuild's `_topdir`.
pub(super) fn package(context: &Context, directory: &Path, spec: &str, arch: &str) -> Result<PathBuf> {
    fs::write(directory.join("stub.spec"), spec)?;
    let topdir = Alias::of(directory)?;
    let spec = topdir.path().join("stub.spec").display().to_string();
    isolated::command(context, "rpmbuild", &topdir, &[], &["-bb", "--target", arch, &spec])?
        .log("boot-stub")
        .run()?;
    let built = dir::entries(&directory.join("RPMS").join(arch))?.pop();
    built.context("rpmbuild has built no package")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provides_only_what_the_guest_has() {
        let paths = ["usr/sbin/iptables", "usr/bin/sh", "usr/share/doc/socat"];
        let provided = provides(&paths.map(str::to_owned).into());
        assert_eq!(provided, ["iptables", "/bin/sh"]);
    }
}
