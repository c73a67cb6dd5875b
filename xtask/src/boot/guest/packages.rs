//! The packages of a distribution that a guest is made of.

use crate::context::Context;
use crate::toolchain::debian::Apt;
use anyhow::{Result, anyhow};
use std::path::PathBuf;

/// What a guest has, each for a reason; apt adds what they depend on. Nothing is essential by itself in an
/// empty root, so that even a shell has to be named.
pub const PACKAGES: &[&str] = &[
    // A machine: kernel, process 1, devices, users, a shell and its programs.
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
    // Libraries that systemd opens when it needs them, and only recommends.
    "libacl1",
    "libaudit1",
    "libcrypt1",
    "libkmod2",
    "libmount1",
    "libpam0g",
    "libseccomp2",
    "libselinux1",
    "libzstd1",
    // What k3s and its packages ask of a distribution.
    "conntrack",
    "diffutils",
    "ethtool",
    "ipset",
    "iproute2",
    "iptables",
    "rpm",
    "socat",
    // What the pause program is held against, and the image of the pods.
    "busybox-static",
    "containerd",
    "runc",
];

/// Packages, and the release they are from.
#[derive(Debug)]
pub struct Fetched {
    pub suite: String,
    pub files: Vec<PathBuf>,
}

/// Fetches the packages from the first of the pinned releases that has them, whole and signed.
///
/// For hours now and then a mirror's index of packages does not agree with the signature of its release; what
/// it names cannot be trusted then, and the next release is asked, whose name goes into the record.
pub fn fetch(context: &Context) -> Result<Fetched> {
    let mut told = Vec::new();
    for suite in &context.pins.debian.guests {
        match from(context, suite) {
            Ok(files) => return Ok(Fetched { suite: suite.clone(), files }),
            Err(error) => {
                context.progress.print(format!("Debian {suite} cannot lend a guest: {}", reason(&error)));
                told.push(format!("- {suite}: {error:#}"));
            }
        }
    }
    Err(anyhow!("no Debian release can lend a riscv64 guest\n{}", told.join("\n")))
}

fn from(context: &Context, suite: &str) -> Result<Vec<PathBuf>> {
    Apt::open(context, suite, &[crate::boot::target()?.debian])?.packages(PACKAGES)
}

/// What apt complains of first, or else the error itself.
fn reason(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let complaint = text.lines().map(str::trim).find(|line| line.starts_with("E: "));
    complaint.map_or(text.clone(), |line| line.trim_start_matches("E: ").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apts_own_complaint_is_told_in_one_line() {
        let error = anyhow!(
            "`apt-get update` ended with status 100\n    Err:2 x\n    E: Failed to fetch http://m/P  Hash Sum mismatch\n    E: Some index files failed"
        );
        assert_eq!(reason(&error), "Failed to fetch http://m/P  Hash Sum mismatch");
        assert_eq!(reason(&anyhow!("no apt")), "no apt");
    }
}
