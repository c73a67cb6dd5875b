//! Test of the guest's scripts with shellcheck.

use crate::needs;
use clap::ValueEnum;
use std::io::Write;
use std::process::{Command, Stdio};
use xtask::boot::payload::openeuler;
use xtask::boot::scenario::Scenario;

/// Files that the scripts source.
const SOURCED: [(&str, &str); 2] = [
    (". /scenario/common.sh\n", include_str!("../../src/boot/scenario/common.sh")),
    (". /scenario/cluster.sh\n", include_str!("../../src/boot/scenario/cluster.sh")),
];

#[test]
fn shellcheck_finds_nothing() {
    if !needs::programs("the guest's scripts", &[("shellcheck", "shellcheck")]) {
        return;
    }
    for scenario in Scenario::value_variants() {
        let script =
            SOURCED.iter().fold(scenario.script().to_owned(), |text, (line, file)| text.replace(line, file));
        assert!(!script.contains("\n. "), "{} sources another file", scenario.name());
        assert_eq!(shellcheck(&script), "", "{}", scenario.name());
    }
    assert_eq!(shellcheck(include_str!("../../src/boot/guest/init.sh")), "");
    assert_eq!(shellcheck(openeuler::K3S), "");
    assert!(shellcheck("echo $undefined\n").contains("SC2154"), "shellcheck does not report an error");
}

/// Returns shellcheck's findings. Functions may be called without arguments, since scripts share them.
fn shellcheck(script: &str) -> String {
    let mut command = Command::new("shellcheck");
    command.args(["--shell=sh", "--exclude=SC2119,SC2120", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}
