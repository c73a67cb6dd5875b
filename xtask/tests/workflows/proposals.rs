//! Tests of the scripts with which the workflow `watch` proposes changes and reports problems.

use crate::origin::Origin;
use crate::test_env::{TestEnv, succeeded};
use std::process::Output;

/// Returns a place with a checkout, a report of these files, and a gh that finds what is open.
fn checkout(origin: &Origin, open: &str, report: &[(&str, &str)]) -> TestEnv {
    let mut env = TestEnv::new();
    origin.check_out(&env.path(""));
    std::fs::create_dir_all(env.path("target/watch")).unwrap();
    for (name, text) in report {
        std::fs::write(env.path("target/watch").join(name), text).unwrap();
    }
    env.put_program("gh", &origin.gh(open));
    env.set("RUN", "https://example.org/run");
    env
}

fn run(env: &TestEnv, script: &str) -> Output {
    let line = format!("{script} target/watch");
    let mut command = env.under(["sh", "-c", &line], [""; 0]);
    command.current_dir(env.path("")).output().unwrap()
}

const PATCH: &str = "diff --git a/k3s.lock.json b/k3s.lock.json\n--- a/k3s.lock.json\n+++ b/k3s.lock.json\n\
                     @@ -1 +1 @@\n-{}\n+{\"tags\": {}}\n";

#[test]
fn nothing_new_proposes_nothing() {
    let origin = Origin::new();
    let env = checkout(&origin, "", &[("changes.patch", "")]);
    let (printed, _) = succeeded(run(&env, ".github/propose.sh"));
    assert_eq!(printed, "nothing has changed\n");
    assert!(!origin.has("watch") && origin.sent_to_gh().is_empty());
}

#[test]
fn open_pull_request_is_updated() {
    let origin = Origin::new();
    for text in ["first", "second"] {
        let patch = PATCH.replace("tags", text);
        let env = checkout(&origin, "7", &[("changes.patch", &patch), ("changes.md", text)]);
        succeeded(run(&env, ".github/propose.sh"));
        assert_eq!(origin.show("watch:k3s.lock.json"), format!("{{\"{text}\": {{}}}}\n"));
        assert!(origin.show("watch").contains("github-actions[bot]"));
    }
    let sent = origin.sent_to_gh();
    assert!(sent.contains("pr edit 7 ") && !sent.contains("pr create"), "{sent}");
    assert!(
        sent.ends_with("second\n\nAll tests have passed on this branch: https://example.org/run\n"),
        "{sent}"
    );
}

#[test]
fn open_issue_is_updated() {
    let origin = Origin::new();
    let env = checkout(&origin, "8", &[("problems.md", "    a problem\n")]);
    succeeded(run(&env, ".github/report.sh"));
    let sent = origin.sent_to_gh();
    assert!(sent.contains("issue edit 8 ") && !sent.contains("issue create"), "{sent}");
    assert!(sent.ends_with(":\n\n    a problem\n\nThe log of the run: https://example.org/run\n"), "{sent}");
}

#[test]
fn issue_of_another_failure_has_the_log() {
    let origin = Origin::new();
    let env = checkout(&origin, "", &[("changes.patch", "")]);
    succeeded(run(&env, ".github/report.sh"));
    let sent = origin.sent_to_gh();
    assert!(sent.contains("issue create ") && !sent.contains("cargo xtask watch"), "{sent}");
    assert!(sent.ends_with("The log of the run: https://example.org/run\n"), "{sent}");
}
