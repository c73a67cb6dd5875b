//! Tests of the package's scripts, run where it is installed.

mod completion;
mod install;
mod killall;
mod start_check;
mod uninstall;

use crate::packages::former;
use crate::root::{Root, can_install};
use std::process::Output;

const SETTINGS: &str = "/etc/sysconfig/k3s";
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/k3s.service";

/// Shortened form of the script that upstream's installer writes.
pub const UPSTREAMS_UNINSTALL: &str = "#!/bin/sh\nK3S_DATA_DIR=${K3S_DATA_DIR:-/var/lib/rancher/k3s}\n\
    /usr/local/bin/k3s-killall.sh\nrm -rf /etc/rancher/k3s ${K3S_DATA_DIR}\n";
pub const UPSTREAMS_KILLALL: &str =
    "#!/bin/sh\nfor bin in /var/lib/rancher/k3s/data/**/bin/; do PATH=$PATH:$bin; done\n";

fn installed() -> Root {
    let root = Root::new();
    root.install(&[&former().k3s]);
    root
}

/// The same for a test of what is named, where packages can be installed.
fn where_installed(what: &str) -> Option<Root> {
    can_install(what).then(installed)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
