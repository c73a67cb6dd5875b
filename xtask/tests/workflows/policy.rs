//! Tests of the security policy of the workflows.

use crate::model::{self, File, Step, Words, Work, Workflow};
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::path::Path;
use xtask::boot::scenario::Scenario;
use xtask::release::tag::Tag;

/// All actions in use, with the commit that was looked up in their own repository, and its version there.
const ACTIONS: [(&str, &str, &str); 5] = [
    ("actions/attest", "1e69f48acb82d1966a394da916b4c1698aa569d6", "v4.2.2"),
    ("actions/cache", "27d5ce7f107fe9357f9df03efb73ab90386fccae", "v5.0.5"),
    ("actions/checkout", "3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    ("actions/download-artifact", "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    ("actions/upload-artifact", "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
];

#[test]
fn every_action_is_pinned_by_commit() {
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

/// Returns what a job may do: read the sources, unless it publishes something.
fn rights(workflow: &Path, job: &str) -> BTreeMap<String, String> {
    let rights: &[(&str, &str)] = match (workflow.file_name().and_then(|name| name.to_str()), job) {
        (Some("release.yml"), "attest") => &[("attestations", "write"), ("id-token", "write")],
        (Some("release.yml"), "publish") => &[("contents", "write")],
        (Some("watch.yml"), "propose") => &[("contents", "write"), ("pull-requests", "write")],
        (Some("watch.yml"), "report") => &[("contents", "read"), ("issues", "write")],
        _ => &[("contents", "read")],
    };
    rights.iter().map(|(to, right)| ((*to).to_owned(), (*right).to_owned())).collect()
}

#[test]
fn only_publishing_jobs_may_write() {
    for File { path, text, workflow } in model::all() {
        assert!(workflow.permissions.is_empty(), "{}", path.display());
        assert!(!text.contains("secrets."), "{}", path.display());
        assert_eq!(workflow.on.contains_key("pull_request"), path.ends_with("ci.yml"));
        assert!(!workflow.on.contains_key("pull_request_target"));
        for (name, job) in &workflow.jobs {
            assert_eq!(job.permissions, rights(&path, name), "{}: {name}", path.display());
        }
    }
}

/// Returns the places where a workflow gives a token or a secret: in its own environment, a job's or a step's, or
/// in the inputs of an action.
fn given(workflow: &Workflow) -> Vec<String> {
    let speaks = |(name, value): (&String, &serde_yaml_ng::Value)| {
        let said = format!("{name} {}", model::text(value)).to_lowercase();
        ["token", "secret", "password", "tojson"].iter().any(|word| said.contains(word))
    };
    let mut places = Vec::new();
    let mut look = |place: &str, words: &Words| {
        places.extend(words.iter().filter(|pair| speaks(*pair)).map(|(name, _)| format!("{place}: {name}")));
    };
    look("env", &workflow.env);
    for (name, job) in &workflow.jobs {
        look(&format!("{name}, env"), &job.env);
        for step in &job.steps {
            look(&format!("{name}, {}, env", step.name), &step.env);
            if let Work::Uses { with, .. } = step.work() {
                look(&format!("{name}, {}, with", step.name), with);
            }
        }
    }
    places
}

/// The steps of a release that get a token: one in a job that may only read, and the last one.
const QUERY: &str = "preflight, Query, env: GH_TOKEN";
const USUAL: &str = "publish, Publish, env: GH_TOKEN";

#[test]
fn only_the_last_step_gets_a_token_that_writes() {
    for (name, expected) in [
        ("ci.yml", &[][..]),
        ("release.yml", &[QUERY, USUAL]),
        ("watch.yml", &["propose, Propose, env: GH_TOKEN", "report, Report, env: GH_TOKEN"]),
    ] {
        assert_eq!(given(&model::named(name).workflow), expected, "{name}");
    }
    for (file, job, lines) in [
        (
            "release.yml",
            "publish",
            &["cargo build --locked --package xtask", "target/debug/xtask release upload release"][..],
        ),
        ("watch.yml", "propose", &[".github/propose.sh target/watch"]),
        ("watch.yml", "report", &[".github/report.sh target/watch"]),
    ] {
        let steps = model::named(file).workflow.jobs.remove(job).unwrap().steps;
        let run = |step: &Step| match step.work() {
            Work::Run(line) => Some(line.to_owned()),
            Work::Uses { .. } => None,
        };
        assert_eq!(steps.iter().filter_map(run).collect::<Vec<_>>(), lines, "{file}: {job}");
        assert!(steps.last().is_some_and(|step| step.env.contains_key("GH_TOKEN")), "{file}: {job}");
    }
}

#[test]
fn a_token_is_seen_wherever_it_is_given() {
    let release = model::named("release.yml");
    let given_by = |from: &str, to: &str| {
        assert!(release.text.contains(from), "{from}");
        let text = release.text.replacen(from, to, 1);
        given(&serde_yaml_ng::from_str(&text).unwrap())
    };
    let token = "${{ github.token }}";
    let env = given_by("env:\n  TAG:", &format!("env:\n  GH: {token}\n  TAG:"));
    assert_eq!(env, ["env: GH", QUERY, USUAL]);
    let job = given_by("      ARCH: ", &format!("      GH: {token}\n      ARCH: "));
    assert_eq!(job, ["build, env: GH", QUERY, USUAL]);
    let with = given_by(
        "persist-credentials: false",
        &format!("persist-credentials: false\n          ssh: {token}"),
    );
    assert_eq!(with, ["preflight, Check out, with: ssh", QUERY, USUAL]);
    let build = "      - name: Build what publishes\n";
    let step = given_by(build, &format!("{build}        env:\n          ALL: ${{{{ toJSON(github) }}}}\n"));
    assert_eq!(step, [QUERY, "publish, Build what publishes, env: ALL", USUAL]);
}

#[test]
fn named_versions_are_locked() {
    let root = crate::test_env::context().root;
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let lock = read("k3s.lock.json");
    for name in [".github/RELEASING.md", ".github/workflows/release.yml"] {
        let text = read(name);
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || ".+-".contains(c)));
        let words = words.map(|word| word.trim_end_matches('.'));
        for version in words.filter(|word| word.starts_with('v') && word.contains("+k3s")) {
            let tag: Tag = version.parse().unwrap();
            assert!(lock.contains(&format!("\"{}\"", tag.k3s)), "{name}: {version}");
        }
    }
}

#[test]
fn every_scenario_of_a_release_is_booted() {
    let release = model::named("release.yml");
    let runs = release.workflow.jobs["boot"].runs();
    let booted: Vec<&str> = runs.iter().map(|matrix| matrix["matrix.scenario"].as_str()).collect();
    let scenarios =
        Scenario::value_variants().iter().filter(|it| **it != Scenario::Sample && !it.needs_kernel());
    assert_eq!(booted, scenarios.map(|scenario| scenario.name()).collect::<Vec<_>>());
}

#[test]
fn checkouts_keep_no_credentials() {
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
                assert!(
                    key.contains("hashFiles('xtask/pins.json', 'k3s.lock.json', 'xtask/src/boot/guest/**', 'xtask/src/boot/platform.rs')"),
                    "{key}"
                );
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
