//! The Debian packages of a guest.

use crate::boot::platform::Platform;
use crate::context::Context;
use crate::toolchain::debian::Apt;
use anyhow::Result;
use std::path::PathBuf;

/// Packages, to which apt adds the dependencies. An empty root has no essential packages, so even a shell is listed.
const PACKAGES: &[&str] = &[
    // Process 1, devices, users, a shell and its commands.
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
    // The check of k3s's datastore.
    "sqlite3",
    // The image of the pods, and a container runtime for the pause program.
    "busybox-static",
    "containerd",
    "runc",
];

/// Fetches the packages of the pinned release, with the platform's kernel.
pub fn fetch(context: &Context, platform: &Platform) -> Result<Vec<PathBuf>> {
    let names = [&[platform.kernel_package], PACKAGES].concat();
    Apt::open(context, &context.pins.debian.suite, &[platform.target()?.debian])?.packages(&names)
}
