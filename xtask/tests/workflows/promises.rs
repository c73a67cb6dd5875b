//! What the workflows promise whoever reads them.

use crate::model::{self, File, Work};
use std::collections::BTreeMap;

/// Every action that is used, with the commit that was looked up in its own repository, and its version there.
const ACTIONS: [(&str, &str, &str); 4] = [
    ("actions/cache", "27d5ce7f107fe9357f9df03efb73ab90386fccae", "v5.0.5"),
    ("actions/checkout", "3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    ("actions/download-artifact", "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    ("actions/upload-artifact", "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
];

#[test]
fn every_action_is_the_commit_that_was_looked_up_with_its_version_beside_it() {
    for File { path, text, workflow } in model::all() {
        let lines: Vec<&str> =
            text.lines().filter_map(|line| line.split_once("uses: ")).map(|(_, uses)| uses).collect();
        let known = ACTIONS.map(|(action, commit, version)| format!("{action}@{commit} # {version}"));
        for line in &lines {
            assert!(known.iter().any(|known| known == line), "{}: {line}", path.display());
        }
        let steps = workflow.jobs.values().flat_map(|job| &job.steps);
        let used = steps.filter(|step| matches!(step.work(), Work::Uses { .. })).count();
        assert_eq!(used, lines.len(), "{}: not every use stands on a line of its own", path.display());
    }
}

#[test]
fn only_the_job_that_publishes_may_write_and_no_secret_is_given_to_any() {
    let reads = BTreeMap::from([("contents".to_owned(), "read".to_owned())]);
    let writes = BTreeMap::from([("contents".to_owned(), "write".to_owned())]);
    for File { path, text, workflow } in model::all() {
        assert!(workflow.permissions.is_empty(), "{}", path.display());
        assert!(!text.contains("secrets."), "{}", path.display());
        let is_release = path.ends_with("release.yml");
        assert_eq!(workflow.on.contains_key("pull_request"), !is_release);
        assert!(!workflow.on.contains_key("pull_request_target"));
        for (name, job) in &workflow.jobs {
            let expected = if is_release && name == "publish" { &writes } else { &reads };
            assert_eq!(job.permissions, *expected, "{}: {name}", path.display());
            let given: Vec<&str> =
                job.steps.iter().flat_map(|step| step.env.keys()).map(String::as_str).collect();
            let token = if expected == &writes { vec!["GH_REPO", "GH_TOKEN"] } else { vec![] };
            assert_eq!(given, token, "{}: {name}", path.display());
        }
    }
}

#[test]
fn a_checkout_leaves_no_credentials_and_a_release_takes_nothing_from_caches() {
    for File { path, workflow, .. } in model::all() {
        for step in workflow.jobs.values().flat_map(|job| &job.steps) {
            let Work::Uses { action, with } = step.work() else { continue };
            if action.starts_with("actions/checkout@") {
                assert_eq!(
                    with["persist-credentials"],
                    serde_yaml_ng::Value::Bool(false),
                    "{}",
                    path.display()
                );
            }
            if action.starts_with("actions/cache@") {
                assert!(path.ends_with("ci.yml"), "{}", path.display());
                let key = model::text(&with["key"]);
                assert!(key.contains("hashFiles('xtask/pins.json', 'k3s.lock.json')"), "{key}");
            }
        }
    }
}

#[test]
fn no_shell_reads_an_expression() {
    for File { path, workflow, .. } in model::all() {
        for step in workflow.jobs.values().flat_map(|job| &job.steps) {
            if let Work::Run(line) = step.work() {
                assert!(!line.contains("${{"), "{}: {line}", path.display());
            }
        }
    }
}
