//! The Debian packages of a guest.

use crate::context::Context;
use crate::toolchain::debian::Apt;
use anyhow::{Result, anyhow};
use std::path::PathBuf;

/// Packages, to which apt adds the dependencies. An empty root has no essential packages, so even a shell is listed.
const PACKAGES: &[&str] = &[
    // Kernel, process 1, devices, users, a shell and its commands.
    "linux-image-riscv64",
    "systemd",
    "systemd-sysv",
    "udev",
    "dbus",
    "base-files",
    "base-passwd",
    "dash",
    "bash",
    "coreutils",
    "findutils",
    "gawk",
    "grep",
    "sed",
    "kmod",
    "mount",
    "procps",
    "util-linux",
    // Libraries that systemd loads on demand, and only recommends.
    "libacl1",
    "libaudit1",
    "libcrypt1",
    "libkmod2",
    "libmount1",
    "libpam0g",
    "libseccomp2",
    "libselinux1",
    "libzstd1",
    // Requirements of k3s and its packages.
    "conntrack",
    "diffutils",
    "ethtool",
    "ipset",
    "iproute2",
    "iptables",
    "rpm",
    "socat",
    // The image of the pods, and a container runtime for the pause program.
    "busybox-static",
    "containerd",
    "runc",
];

/// Files of packages, and their Debian release.
#[derive(Debug)]
pub struct Fetched {
    pub suite: String,
    pub files: Vec<PathBuf>,
}

/// Fetches the packages from the first pinned release whose packages are complete and signed.
///
/// A mirror's index sometimes does not match the signature of its release for some hours. Such an index cannot be
/// trusted, so the next release is tried. The results name it.
pub fn fetch(context: &Context) -> Result<Fetched> {
    let architecture = crate::boot::target()?.debian;
    let mut errors = Vec::new();
    for suite in &context.pins.debian.guests {
        match Apt::open(context, suite, &[architecture]).and_then(|apt| apt.packages(PACKAGES)) {
            Ok(files) => return Ok(Fetched { suite: suite.clone(), files }),
            Err(error) => {
                context.progress.print(format!("no guest from Debian {suite}: {}", reason(&error)));
                errors.push(format!("- {suite}: {error:#}"));
            }
        }
    }
    Err(anyhow!("no Debian release has all packages of a riscv64 guest\n{}", errors.join("\n")))
}

/// Returns apt's first error message, or else the error itself.
fn reason(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let message = text.lines().find_map(|line| line.trim().strip_prefix("E: "));
    message.unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_is_the_first_error_of_apt() {
        let error = anyhow!(
            "`apt-get update` ended with status 100\n    Err:2 x\n    E: Failed to fetch http://m/P  Hash Sum mismatch\n    E: Some index files failed"
        );
        assert_eq!(reason(&error), "Failed to fetch http://m/P  Hash Sum mismatch");
        assert_eq!(reason(&anyhow!("no apt")), "no apt");
    }
}
