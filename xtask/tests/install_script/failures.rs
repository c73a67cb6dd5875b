//! Tests of installations that fail, and leave the node as it was.

use crate::can_install;
use crate::node::{Init, Node};
use crate::script::Layout;
use crate::server::{Releases, Serving, binary};

const VERSION: &str = "v0.35.0+k3s1";
const OLDER: &str = "v0.34.0+k3s1";
const K3S: &str = "/usr/local/bin/k3s";

/// Installs from releases on a node that has an older binary, which has to stay, and returns the messages.
#[track_caller]
fn keeps_installed(releases: &Releases) -> String {
    let node = Node::new(Init::Systemd);
    node.program(K3S, &binary(OLDER));
    let said = node.install(&Layout::Variable.patched(Some(&releases.url())), &[]).expect_failure();
    assert_eq!(node.read(K3S), binary(OLDER));
    assert_eq!(node.installed(), ["usr/local/bin/k3s"], "{said}");
    said
}

#[test]
fn wrong_checksum_keeps_installed_binary() {
    if !can_install("a wrong checksum") {
        return;
    }
    let releases = Releases::of(&[VERSION]);
    releases.replace(VERSION, "k3s-riscv64", "#!/bin/sh\necho something else\n");
    let said = keeps_installed(&releases);
    assert!(said.contains("Download sha256 does not match"), "{said}");
}

#[test]
fn lost_connection_keeps_installed_binary() {
    if !can_install("a lost connection") {
        return;
    }
    keeps_installed(&Releases::serving(Serving::Cut, &[VERSION]));
}

#[test]
fn missing_release_keeps_installed_binary() {
    if !can_install("a missing release") {
        return;
    }
    let releases = Releases::of(&[]);
    let node = Node::new(Init::Systemd);
    let version = format!("INSTALL_K3S_VERSION={VERSION}");
    let said = node.install(&Layout::Variable.patched(Some(&releases.url())), &[&version]).expect_failure();
    assert!(said.contains("Download failed"), "{said}");
    assert_eq!(node.installed(), Vec::<String>::new());
}

#[test]
fn user_who_is_not_root_needs_sudo() {
    if !can_install("a user who is not root") {
        return;
    }
    let releases = Releases::of(&[VERSION]);
    let script = Layout::Variable.patched(Some(&releases.url()));
    let node = Node::new(Init::Systemd);
    std::fs::remove_file(node.path("bin/id")).unwrap();
    node.program("bin/id", "#!/bin/sh\necho 1000\n");
    let said = node.install(&script, &[]).expect_failure();
    assert!(said.contains("sudo: not found"), "{said}");
    assert_eq!(node.installed(), Vec::<String>::new());
    node.program("bin/sudo", "#!/bin/sh\necho \"sudo ${1##*/}\" >>/calls\nexec \"$@\"\n");
    let run = node.install(&script, &[]).expect_success();
    for command in ["mv", "tee", "systemctl"] {
        assert!(run.calls.contains(&format!("sudo {command}")), "{run:?}");
    }
    assert_eq!(node.read(K3S), binary(VERSION));
}

#[test]
fn builds_of_ci_are_refused_by_name() {
    if !can_install("builds of upstream's CI") {
        return;
    }
    let releases = Releases::of(&[VERSION]);
    let script = Layout::Variable.patched(Some(&releases.url()));
    for variable in ["INSTALL_K3S_COMMIT", "INSTALL_K3S_PR"] {
        let node = Node::new(Init::Systemd);
        let said = node.install(&script, &[&format!("{variable}=1")]).expect_failure();
        assert!(said.contains(&format!("{variable} is refused")), "{said}");
        assert_eq!(node.installed(), Vec::<String>::new());
    }
    assert_eq!(releases.requests(), Vec::<String>::new());
}

#[test]
fn architecture_without_a_release_is_refused() {
    if !can_install("another architecture") {
        return;
    }
    let node = Node::new(Init::Systemd);
    let said = node.install(&Layout::Variable.patched(None), &["ARCH=riscv32"]).expect_failure();
    assert!(said.contains("Unsupported architecture riscv32"), "{said}");
}
