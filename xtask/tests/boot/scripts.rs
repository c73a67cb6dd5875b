//! Tests of the scripts that the guest runs, with shellcheck.

use crate::needs;
use clap::ValueEnum;
use std::io::Write;
use std::process::{Command, Stdio};
use xtask::boot::scenario::Proof;

/// Files that every script reads first, in this order.
const READ: [(&str, &str); 2] = [
    (". /proof/say.sh\n", include_str!("../../src/boot/scenario/say.sh")),
    (". /proof/cluster.sh\n", include_str!("../../src/boot/scenario/cluster.sh")),
];

#[test]
fn shellcheck_finds_nothing_in_what_the_guest_runs() {
    if !needs::programs("the guest's scripts", &[("shellcheck", "shellcheck")]) {
        return;
    }
    for proof in Proof::value_variants() {
        let script =
            READ.iter().fold(proof.script().to_owned(), |text, (line, read)| text.replace(line, read));
        assert!(!script.contains("\n. "), "{} reads something else", proof.name());
        assert_eq!(shellcheck(&script), "", "{}", proof.name());
    }
    assert_eq!(shellcheck(include_str!("../../src/boot/guest/init.sh")), "");
    assert!(shellcheck("echo $undefined\n").contains("SC2154"), "what is wrong would not be noticed");
}

/// Returns shellcheck's findings for a text; functions without arguments are allowed in scripts that share them.
fn shellcheck(script: &str) -> String {
    let mut command = Command::new("shellcheck");
    command.args(["--shell=sh", "--exclude=SC2119,SC2120", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}
