//! Tests of k3s' sources: upstream's tags by smart HTTP, and trees of the user's own.

use super::test_env::{TestEnv, succeeded};
use super::upstream::{TAG, Upstream, make_repository, printed};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use xtask::upstream::release::UPSTREAM;

fn lock(env: &TestEnv) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(env.path("k3s.lock.json")).unwrap()).unwrap()
}

#[test]
fn first_use_of_a_tag_is_locked() {
    let upstream = Upstream::new();
    let env = upstream.test_env();
    let message = printed(&env, &["images", "--k3s", TAG]);
    let commit = upstream.commit(TAG);
    assert!(message.contains(&format!("locked {TAG} of {UPSTREAM} at {commit}")), "{message}");
    assert_eq!(lock(&env), serde_json::json!({"tags": {UPSTREAM: {TAG: commit}}, "files": {}}));
    let asked = upstream.server.requests().len();
    let message = printed(&env, &["images", "--k3s", TAG, "--locked"]);
    assert!(!message.contains("locked"), "{message}");
    printed(&env, &["--offline", "images", "--k3s", TAG]);
    assert_eq!(upstream.server.requests().len(), asked);
}

#[test]
fn only_the_commit_is_fetched_and_none_before_it() {
    let upstream = Upstream::new();
    upstream.move_tag(TAG);
    let env = upstream.test_env();
    printed(&env, &["images", "--k3s", TAG]);
    let cached =
        walkdir::WalkDir::new(env.path("cache/git")).into_iter().map(|entry| entry.unwrap().into_path());
    let mut cached = cached.filter(|path| path.extension().is_some_and(|extension| extension == "git"));
    let repository = git2::Repository::open(cached.next().unwrap()).unwrap();
    let parent = upstream.repository().head().unwrap().peel_to_commit().unwrap().parent_id(0).unwrap();
    assert!(repository.find_commit(upstream.commit(TAG).parse().unwrap()).is_ok());
    assert!(repository.find_commit(parent).is_err(), "the history was fetched too");
}

#[test]
fn moved_tag_stops_the_build_until_bump() {
    let upstream = Upstream::new();
    let mut env = upstream.test_env();
    printed(&env, &["images", "--k3s", TAG]);
    let (locked, before) = (upstream.commit(TAG), lock(&env));
    upstream.move_tag(TAG);
    let moved = upstream.commit(TAG);

    // With the locked commit in the cache nothing has to be queried.
    printed(&env, &["images", "--k3s", TAG]);
    env.set("K3S_XTASK_CACHE", env.path("empty"));
    let message = env.fails(["build", "--k3s", TAG]);
    for printed in [TAG, "has moved", &locked, &moved, &format!("cargo xtask bump --k3s {TAG}")] {
        assert!(message.contains(printed), "{printed:?} is missing: {message}");
    }
    assert_eq!(lock(&env), before);

    let message = env.succeeds(["bump", "--k3s", TAG]);
    for printed in [&format!("changed {TAG} of {UPSTREAM}"), &locked, &moved] {
        assert!(message.contains(printed), "{printed:?} is missing: {message}");
    }
    printed(&env, &["images", "--k3s", TAG, "--locked"]);
    assert_eq!(lock(&env), serde_json::json!({"tags": {UPSTREAM: {TAG: moved}}, "files": {}}));
    let before = lock(&env);
    let message = env.fails(["bump", "--k3s", "v9.9.9+k3s1"]);
    assert!(message.contains(&format!("{UPSTREAM} has no tag v9.9.9+k3s1")), "{message}");
    let message = env.fails(["bump", "--k3s", "nightly"]);
    assert!(message.contains("locks no tag nightly"), "{message}");
    assert_eq!(lock(&env), before);
}

#[test]
fn locked_refuses_an_unlocked_tag() {
    let upstream = Upstream::new();
    let env = upstream.test_env();
    let message = env.fails(["build", "--k3s", TAG, "--locked"]);
    assert!(message.contains(&format!("does not lock {TAG} of {UPSTREAM}")), "{message}");
    let bump = format!("cargo xtask bump --k3s {TAG}");
    assert!(message.contains(&bump), "{message}");
    assert!(!env.path("k3s.lock.json").exists());
    let locked = env.succeeds(["bump", "--k3s", TAG]);
    assert!(locked.contains(&format!("locked {TAG} of {UPSTREAM}")), "{locked}");
    printed(&env, &["images", "--k3s", TAG, "--locked"]);
}

#[test]
fn a_malformed_lock_is_refused_and_left_as_it_is() {
    let env = TestEnv::new();
    let commit = "0123456789".repeat(4);
    for (text, why) in [
        ("{".to_owned(), "EOF while parsing"),
        ("null".to_owned(), "invalid type: null"),
        ("{\"tagz\": {}}".to_owned(), "unknown field `tagz`"),
        (format!("{{\"tags\": {{\"u\": {{\"t\": \"{}\"}}}}}}", &commit[1..]), "is not a commit (40 hex"),
        ("{\"tags\": {\"u\": {\"t\": \"main\"}}}".to_owned(), "u t: \"main\" is not a commit"),
        ("{\"files\": {\"u\": \"abc\"}}".to_owned(), "not a SHA-256 checksum"),
    ] {
        std::fs::write(env.path("k3s.lock.json"), &text).unwrap();
        let message = env.fails(["build", "--k3s", TAG]);
        assert!(message.contains("k3s.lock.json") && message.contains(why), "{text}: {message}");
        assert_eq!(std::fs::read_to_string(env.path("k3s.lock.json")).unwrap(), text);
    }
}

#[test]
fn a_line_and_stable_mean_the_newest_release_of_it() {
    let upstream = Upstream::new();
    for tag in ["v0.35.2+k3s1", "v0.35.2+k3s10", "v0.35.2+k3s9", "v0.36.0-rc1+k3s1", "nightly"] {
        upstream.tag(tag, "HEAD");
    }
    let env = upstream.test_env();
    for (asked, found) in [("v0.35", "v0.35.2+k3s10"), ("stable", "v0.35.2+k3s10"), ("v0.34", "v0.34.9+k3s1")]
    {
        let env = upstream.test_env();
        let message = printed(&env, &["images", "--k3s", asked]);
        assert!(message.contains(&format!("locked {found} of")), "{asked}: {message}");
    }
    let message = env.fails(["build", "--k3s", "v0.37"]);
    assert!(
        message.contains("--k3s v0.37: give a tag (v1.33.0+k3s1), a line (v1.33) or stable"),
        "{message}"
    );
    let message = env.fails(["--offline", "build", "--k3s", "stable"]);
    assert!(message.contains("--offline forbids listing"), "{message}");
}

#[test]
fn unknown_tag_names_the_nearest_ones() {
    let upstream = Upstream::new();
    let env = upstream.test_env();
    let message = env.fails(["build", "--k3s", "v0.35.0+k3s7"]);
    assert!(message.contains(&format!("{UPSTREAM} has no tag v0.35.0+k3s7")), "{message}");
    assert!(message.contains(&format!("nearest: {TAG}, ")), "{message}");
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let mut env = TestEnv::new();
    env.set("K3S_XTASK_CACHE", env.path("cache"));
    env.set("GIT_CONFIG_COUNT", "1");
    // Port 1 refuses connections.
    env.set("GIT_CONFIG_KEY_0", "url.http://127.0.0.1:1/.insteadOf");
    env.set("GIT_CONFIG_VALUE_0", "https://github.com/");
    let message = env.fails(["build", "--k3s", TAG]);
    assert!(
        message.contains(&format!("cannot fetch {UPSTREAM}")) && message.contains("127.0.0.1"),
        "{message}"
    );
}

#[test]
fn sample_ignores_the_users_insteadof() {
    let mut env = TestEnv::new();
    env.set("GIT_CONFIG_COUNT", "1");
    env.set("GIT_CONFIG_KEY_0", "url.http://127.0.0.1:1/.insteadOf");
    // The URL must be as long as the one in the sample's own setting, or git would take that one.
    env.set("GIT_CONFIG_VALUE_0", "https://github.com/rancher/plugins");
    let message = env.succeeds(["build", "--sample", "--dry-run"]);
    assert!(message.contains("\ncni\n    plugins "), "{message}");
}

/// Returns every file and directory with all metadata that a write would change.
fn state(directory: &Path) -> BTreeMap<PathBuf, (u64, u32, i64, i64, i64)> {
    let entries = walkdir::WalkDir::new(directory).into_iter().map(Result::unwrap);
    let state = |entry: walkdir::DirEntry| {
        let found = entry.metadata().unwrap();
        (
            entry.into_path(),
            (found.size(), found.mode(), found.mtime(), found.mtime_nsec(), found.ctime_nsec()),
        )
    };
    entries.map(state).collect()
}

fn permit(directory: &Path, mode: impl Fn(u32) -> u32) {
    for entry in walkdir::WalkDir::new(directory).contents_first(true) {
        let entry = entry.unwrap();
        if !entry.file_type().is_symlink() {
            let permissions = entry.metadata().unwrap().permissions();
            std::fs::set_permissions(entry.path(), PermissionsExt::from_mode(mode(permissions.mode())))
                .unwrap();
        }
    }
}

#[test]
fn a_local_source_is_read_and_never_written_to() {
    let env = TestEnv::new();
    let source = env.path("source");
    make_repository(&source, &["k3s/base", "k3s/embed"]);
    permit(&source, |mode| mode & 0o555);
    let before = state(&source);
    // Root may write to everything, unless it is started without that capability.
    let words: &[&str] = match nix::unistd::geteuid().is_root() {
        true => &["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"],
        false => &[],
    };
    let source_text = source.to_str().unwrap();
    for arguments in
        [&["images", "--source", source_text][..], &["patch", "--check", "--source", source_text]]
    {
        let (listed, message) = succeeded(env.under(words, arguments).output().unwrap());
        assert!(listed.contains("pause"), "{listed}{message}");
    }
    assert_eq!(state(&source), before);
    permit(&source, |mode| mode | 0o200);
}

#[test]
fn release_that_is_not_k3s_is_refused() {
    let upstream = Upstream::new();
    let repository = upstream.repository();
    let author = git2::Signature::now("t", "t@localhost").unwrap();
    let empty = repository.treebuilder(None).unwrap().write().unwrap();
    let empty = repository.find_tree(empty).unwrap();
    let commit = repository.commit(None, &author, &author, "Empty", &empty, &[]).unwrap();
    upstream.tag("v0.36.0+k3s1", &commit.to_string());
    let message = upstream.test_env().fails(["build", "--k3s", "v0.36.0+k3s1"]);
    assert!(message.contains("is not k3s: its go.mod does not say"), "{message}");
}

#[test]
fn rejects_trees_that_are_not_k3s() {
    let env = TestEnv::new();
    let at = |name: &str| env.path(name).to_str().unwrap().to_owned();
    std::fs::create_dir(at("plain")).unwrap();
    git2::Repository::init(at("empty")).unwrap();
    make_repository(&env.path("plugins"), &["plugins"]);
    make_repository(&env.path("k3s"), &["k3s/base", "k3s/embed"]);
    let sources: [(&[&str], &str); 7] = [
        (&["--source", &at("nowhere")], "nowhere: there is no such directory"),
        (&["--source", &at("plain")], "git init, git add -A, git commit"),
        (&["--source", &at("empty")], "has no branch, tag or commit \"HEAD\""),
        (&["--source", &at("plugins")], "is not k3s: its go.mod does not say `module github.com/k3s-io/k3s`"),
        (&["--source", &at("k3s"), "--ref", "elsewhere"], "has no branch, tag or commit \"elsewhere\""),
        (
            &["--source", &at("k3s"), "--as", "v0.34.0+k3s1"],
            "does not fit: the tree builds Kubernetes v0.35.0",
        ),
        (&["--source", &format!("file://{}", at("nowhere"))], "cannot fetch file://"),
    ];
    for (source, why) in sources {
        let message = env.fails(["build"].iter().chain(source));
        assert!(message.contains(why), "{source:?}: {why:?} is missing: {message}");
    }
}
