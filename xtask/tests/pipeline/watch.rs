//! Tests of `cargo xtask watch` on upstream's repository with new tags, moved tags, and trees that break a patch.

use super::test_env::{self, TestEnv, succeeded};
use super::upstream::{TAG, Upstream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use xtask::clock::Clock;
use xtask::command::watch::{Args, CHANGES, PROBLEMS};
use xtask::context::Context;
use xtask::pins;
use xtask::upstream::lines;
use xtask::upstream::release::UPSTREAM;
use xtask::upstream::transfer::{GitSettings, Reach};

/// The file of the sample with the pause image's default, and its line.
const FLAG: &str = "pkg/cli/cmds/agent.go";
const IMAGE: &str = "\"rancher/mirrored-pause:3.6\"";

fn lock(env: &TestEnv) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(env.path("k3s.lock.json")).unwrap()).unwrap()
}

/// Returns a file of the report, if it was written.
fn report(env: &TestEnv, name: &str) -> Option<String> {
    std::fs::read_to_string(env.path("report").join(name)).ok()
}

fn watch(env: &TestEnv, lines: &[&str]) -> std::process::Output {
    let lines = lines.iter().flat_map(|line| ["--line".into(), PathBuf::from(line)]);
    let words = ["watch".into(), "--report".into(), env.path("report")];
    env.xtask(words.into_iter().chain(lines)).output().unwrap()
}

#[test]
fn newest_release_of_a_line_is_locked_once() {
    let upstream = Upstream::new();
    let env = upstream.test_env();
    let (printed, _) = succeeded(watch(&env, &["v0.35", "v0.33"]));
    let commit = upstream.commit(TAG);
    let locked =
        format!("locked {TAG} of {UPSTREAM}\n  now    {commit}\n  Compare it: {UPSTREAM}/releases/tag/");
    assert!(printed.contains(&locked) && printed.contains("v0.33: upstream has no release"), "{printed}");
    assert_eq!(lock(&env), serde_json::json!({"tags": {UPSTREAM: {TAG: commit}}, "files": {}}));
    let changes = report(&env, CHANGES).unwrap();
    assert!(changes.contains(&format!("k3s {TAG}, locked at {commit}")), "{changes}");

    let (printed, _) = succeeded(watch(&env, &["v0.35"]));
    assert_eq!(printed, format!("v0.35: nothing newer than {TAG}\n"));
    assert_eq!((report(&env, CHANGES), report(&env, PROBLEMS)), (None, None));

    upstream.move_tag("v0.35.2+k3s1");
    succeeded(watch(&env, &["v0.35"]));
    let both = serde_json::json!({TAG: commit, "v0.35.2+k3s1": upstream.commit("v0.35.2+k3s1")});
    assert_eq!(lock(&env)["tags"][UPSTREAM], both);
}

#[test]
fn moved_and_deleted_tags_stop_everything() {
    let upstream = Upstream::new();
    let env = upstream.test_env();
    succeeded(watch(&env, &["v0.34", "v0.35"]));
    let (locked, before) = (upstream.commit(TAG), lock(&env));
    upstream.move_tag(TAG);
    upstream.tag("v0.35.2+k3s1", "HEAD");
    upstream.repository().tag_delete("v0.34.9+k3s1").unwrap();
    let message = test_env::failed(&watch(&env, &["v0.35"]));
    let moved =
        format!("- {TAG} of {UPSTREAM}\n    locked  {locked}\n    found   {}\n", upstream.commit(TAG));
    for printed in ["locked tags have moved, and nothing was changed", &moved, "found   no such tag"] {
        assert!(message.contains(printed), "{printed:?} is missing: {message}");
    }
    assert_eq!(lock(&env), before);
    assert_eq!(report(&env, CHANGES), None);
    assert!(report(&env, PROBLEMS).unwrap().starts_with("    locked tags have moved"));
}

#[test]
fn release_that_breaks_a_patch_is_not_locked() {
    let upstream = Upstream::new();
    upstream.change("v0.36.0+k3s1", FLAG, IMAGE, "\"rancher/mirrored-pause-image:3.6\"");
    let env = upstream.test_env();
    let message = test_env::failed(&watch(&env, &["v0.36", "v0.35"]));
    for printed in [
        "the patches do not apply to k3s v0.36.0+k3s1",
        "patches/pause-image.json: no variant applies",
        &format!("nearest is {FLAG}:"),
        "rancher/mirrored-pause-image:3.6",
    ] {
        assert!(message.contains(printed), "{printed:?} is missing: {message}");
    }
    // The other line is not affected.
    assert_eq!(lock(&env)["tags"][UPSTREAM], serde_json::json!({TAG: upstream.commit(TAG)}));
    assert!(report(&env, CHANGES).unwrap().contains(TAG));
    let problems = report(&env, PROBLEMS).unwrap();
    assert!(
        problems.contains("nearest is") && problems.lines().all(|line| line.starts_with("    ")),
        "{problems}"
    );
}

/// The clock on one day.
struct Noon(u64);

impl Clock for Noon {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0 * 24 * 60 * 60 + 12 * 60 * 60)
    }

    fn wait(&self, _: Duration) {}
}

/// Returns the context of a repository whose default is `TAG`, on a day, counted from 1970-01-01.
fn repository(env: &TestEnv, day: u64) -> Context {
    let root = env.path("repository");
    let life = |day: &str| serde_json::json!({"until": day, "source": "a page", "asked": "1970-01-01"});
    let table = serde_json::json!({"v0.34": life("1970-01-02"), "v0.35": life("1970-01-03")});
    let mut context = env.context();
    xtask::dir::copy(&context.root.join("patches"), &root.join("patches")).unwrap();
    std::fs::create_dir(root.join("xtask")).unwrap();
    std::fs::write(root.join(lines::FILE), table.to_string()).unwrap();
    let text = std::fs::read_to_string(context.root.join(pins::FILE)).unwrap();
    let text = text.replace(&context.pins.k3s.version, TAG);
    std::fs::write(root.join(pins::FILE), text).unwrap();
    context.pins.k3s.version = TAG.to_owned();
    Context { clock: Box::new(Noon(day)), cache: env.path("cache"), root, ..context }
}

fn watch_living_lines(upstream: &Upstream, context: &Context) -> anyhow::Result<()> {
    let here = format!("url.{}/k3s/.git.insteadOf", upstream.server.url);
    let git = GitSettings {
        configuration: vec![(here, UPSTREAM.to_owned())],
        directory: context.cache.join("git"),
        reach: Reach::Network,
    };
    Args { lines: Vec::new(), report: None }.watch(context, &git)
}

fn default_of(root: &Path) -> String {
    let pins: serde_json::Value =
        serde_json::from_slice(&std::fs::read(root.join(pins::FILE)).unwrap()).unwrap();
    pins["k3s"]["version"].as_str().unwrap().to_owned()
}

#[test]
fn default_follows_its_living_line() {
    let upstream = Upstream::new();
    upstream.tag("v0.35.2+k3s1", "HEAD");
    let env = upstream.test_env();
    // The third of January: only v0.35 lives.
    let context = repository(&env, 2);
    watch_living_lines(&upstream, &context).unwrap();
    assert_eq!(default_of(&context.root), "v0.35.2+k3s1");
    let tags = || lock(&env)["tags"][UPSTREAM].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(tags(), ["v0.35.2+k3s1"]);

    // The first of January: a release of the other line is locked, and does not become the default.
    watch_living_lines(&upstream, &Context { clock: Box::new(Noon(0)), ..context }).unwrap();
    assert_eq!(tags(), ["v0.34.9+k3s1", "v0.35.2+k3s1"]);
    assert_eq!(default_of(&env.path("repository")), "v0.35.2+k3s1");
}

#[test]
fn ended_and_unknown_lines_need_a_person() {
    let upstream = Upstream::new();
    upstream.tag("v0.36.0+k3s1", "HEAD");
    let env = upstream.test_env();
    let context = repository(&env, 3);
    let message = watch_living_lines(&upstream, &context).unwrap_err().to_string();
    assert_eq!(
        message,
        format!(
            "v0.36 has releases, and xtask/lines.json does not have its last day\n\
             the default in xtask/pins.json, {TAG}, is of a line that has ended"
        )
    );
    assert_eq!(default_of(&context.root), TAG);
}
