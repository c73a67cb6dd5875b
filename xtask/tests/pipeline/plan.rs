//! Tests of the plan, line for line, against the committed snapshots.

use super::test_env::TestEnv;
use std::path::PathBuf;
use xtask::pins::Pins;

#[test]
fn plan_with_go_embed_is_the_snapshot() {
    assert_snapshot("embed");
}

#[test]
fn plan_with_go_bindata_is_the_snapshot() {
    assert_snapshot("bindata");
}

/// Environment variable that, with any value, makes the tests rewrite the snapshots.
const UPDATE: &str = "UPDATE_SNAPSHOTS";

#[track_caller]
fn assert_snapshot(layout: &str) {
    let env = TestEnv::new();
    let plan = env.succeeds(["build", "--sample", "--sample-layout", layout, "--dry-run"]);
    let found = without_what_may_change(&plan);
    let file: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/pipeline/snapshots", layout].iter().collect();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&file, &found).unwrap();
    }
    let agreed = std::fs::read_to_string(&file).unwrap();
    let pairs = agreed.lines().map(Some).chain([None]).zip(found.lines().map(Some).chain([None]));
    if let Some((number, (agreed, found))) = pairs.enumerate().find(|(_, (agreed, found))| agreed != found) {
        panic!(
            "the plan differs from {}, first in line {}:\n  agreed {agreed:?}\n  found  {found:?}\n\
             If that is as it should be: {UPDATE}=1 cargo test --test pipeline plan, and look at the diff.",
            file.display(),
            number + 1
        );
    }
    assert!(!env.dist().exists(), "a dry run builds nothing");
}

/// Returns a plan without checksums, commits and versions of tools, and with a line for each linker flag.
fn without_what_may_change(plan: &str) -> String {
    let pins = Pins::load().unwrap();
    let plan = plan.replace(" -X ", "\n        -X ");
    let lines = plan.lines().map(|line| {
        let line = match (line.trim_start(), line.split_once("], run")) {
            (text, _) if text.starts_with("rustc ") => "    rustc".to_owned(),
            (_, Some((before, _))) => before.to_owned() + "], run",
            _ => line.replace(&pins.zig.version, "<zig>").replace(&pins.libseccomp.version, "<libseccomp>"),
        };
        without_digests(&line) + "\n"
    });
    lines.collect()
}

/// Replaces the runs of hexadecimal digits in a line that can only be checksums or commits by a placeholder.
fn without_digests(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let length = rest[begin..].find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len() - begin);
        let run = &rest[begin..begin + length];
        text += &rest[..begin];
        text += match length {
            64 => "<sum>",
            40 => "<commit>",
            16 => "<short sum>",
            8 if text.ends_with("GitCommit=") => "<short commit>",
            _ => run,
        };
        rest = &rest[begin + length..];
    }
    text + rest
}

#[test]
fn digests_and_commits_are_replaced() {
    let sum = "0123456789abcdef".repeat(4);
    let line = format!("a{sum} sha256:{sum} {} GitCommit=b8c30609 decade12", &sum[..40]);
    assert_eq!(
        without_digests(&line),
        format!("a{sum} sha256:<sum> <commit> GitCommit=<short commit> decade12")
    );
}
