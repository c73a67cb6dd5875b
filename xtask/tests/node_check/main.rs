//! Tests of node/k3s-check, on hosts that consist of files and of stubs of commands, and on this machine.

#[path = "../support/needs.rs"]
mod needs;

mod features;
mod findings;
mod host;
mod output;
mod this_machine;

use std::process::Command;

#[test]
fn shellcheck_finds_nothing() {
    if !needs::programs("node/k3s-check", &[("shellcheck", "shellcheck")]) {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../node/k3s-check");
    let output = Command::new("shellcheck").arg("--shell=sh").arg(script).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
}
