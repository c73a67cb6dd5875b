//! Tests of `--source` with a directory: which files of it are built, and what stops the build.

use super::needs;
use super::test_env::{TestEnv, succeeded};
use super::upstream::{make_repository, printed};
use std::path::{Path, PathBuf};
use std::process::Command;

/// User ID that this machine does not have.
const OTHER: u32 = 54_321;

fn source(env: &TestEnv) -> PathBuf {
    let source = env.path("source");
    make_repository(&source, &["k3s/base", "k3s/embed"]);
    source
}

#[track_caller]
fn git(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(directory).env("GIT_CONFIG_GLOBAL", "/dev/null").args(arguments);
    succeeded(command.output().unwrap());
}

#[track_caller]
fn refused(env: &TestEnv, source: &Path) -> String {
    env.fails(["images", "--source", source.to_str().unwrap()])
}

#[test]
fn uncommitted_changes_stop_the_build() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("modified go.mod", |source| std::fs::write(source.join("go.mod"), "module x").unwrap()),
        ("untracked pkg/new.go", |source| std::fs::write(source.join("pkg/new.go"), "").unwrap()),
        ("added pkg/new.go", |source| {
            std::fs::write(source.join("pkg/new.go"), "").unwrap();
            git(source, &["add", "pkg/new.go"]);
        }),
        ("deleted go.sum", |source| std::fs::remove_file(source.join("go.sum")).unwrap()),
    ];
    for (change, make) in changes {
        let env = TestEnv::new();
        let source = source(&env);
        make(&source);
        let message = refused(&env, &source);
        let path = source.display().to_string();
        for part in [&path, change, "git stash --include-untracked", "--ref HEAD"] {
            assert!(message.contains(part), "{part:?} is missing: {message}");
        }
        let message = printed(&env, &["images", "--source", &path, "--ref", "HEAD"]);
        assert!(message.contains("--ref HEAD is built without") && message.contains(change), "{message}");
    }
}

#[test]
fn other_commits_and_ignored_files_do_not_matter() {
    let env = TestEnv::new();
    let source = source(&env);
    // Line ends that git converts are not changes.
    std::fs::write(source.join(".gitattributes"), "*.md text eol=crlf\n").unwrap();
    std::fs::write(source.join("crlf.md"), "one\r\n").unwrap();
    std::fs::write(source.join(".gitignore"), "/bin/\n").unwrap();
    git(&source, &["add", "--all"]);
    git(&source, &["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "-m", "Second"]);
    std::fs::create_dir(source.join("bin")).unwrap();
    std::fs::write(source.join("bin/k3s"), "").unwrap();
    let path = source.to_str().unwrap();
    printed(&env, &["images", "--source", path]);
    std::fs::write(source.join("go.mod"), "module x").unwrap();
    let message = printed(&env, &["images", "--source", path, "--ref", "HEAD~"]);
    assert!(!message.contains("is built without"), "{message}");
}

#[test]
fn bare_and_shallow_repositories_are_built() {
    let env = TestEnv::new();
    let source = source(&env);
    let url = format!("file://{}", source.display());
    for (name, options) in [("bare", "--bare"), ("shallow", "--depth=1")] {
        git(&env.path(""), &["clone", "--quiet", options, &url, name]);
        printed(&env, &["images", "--source", env.path(name).to_str().unwrap()]);
    }
}

#[test]
fn partial_clone_is_named_with_its_remedy() {
    let env = TestEnv::new();
    let source = source(&env);
    git(&source, &["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", source.display());
    let partial = env.path("partial");
    for filter in ["--filter=blob:none", "--filter=tree:0"] {
        git(&env.path(""), &["clone", "--quiet", "--bare", filter, &url, "partial"]);
        let message = refused(&env, &partial);
        assert!(message.contains(&format!("{} is a partial clone", partial.display())), "{message}");
        assert!(message.contains("Give the URL that it was cloned from"), "{message}");
        // Newer gits mark such a clone in a way that libgit2 refuses to read.
        git(&partial, &["config", "extensions.partialClone", "origin"]);
        let message = refused(&env, &partial);
        assert!(message.contains("is a partial clone"), "{message}");
        std::fs::remove_dir_all(&partial).unwrap();
    }
}

#[test]
fn unknown_repository_format_is_named_with_its_remedy() {
    let env = TestEnv::new();
    let source = source(&env);
    git(&source, &["config", "core.repositoryFormatVersion", "1"]);
    git(&source, &["config", "extensions.refStorage", "reftable"]);
    let message = refused(&env, &source);
    assert!(message.contains(&format!("git fetches from: file://{}", source.display())), "{message}");
}

#[test]
fn subdirectory_is_answered_with_the_root() {
    let env = TestEnv::new();
    let source = source(&env);
    let message = refused(&env, &source.join("pkg"));
    assert!(
        message.contains(&format!("The repository around it: --source {}", source.display())),
        "{message}"
    );
}

#[test]
fn repository_of_another_user_is_trusted_on_request() {
    if !nix::unistd::geteuid().is_root() {
        return needs::skip("a repository of another user", "root, to give files away");
    }
    let mut env = TestEnv::new();
    let source = source(&env);
    for entry in walkdir::WalkDir::new(&source) {
        std::os::unix::fs::lchown(entry.unwrap().path(), Some(OTHER), None).unwrap();
    }
    env.set("HOME", env.path(""));
    let message = refused(&env, &source);
    let remedy = format!("git config --global --add safe.directory {}", source.display());
    assert!(message.contains(&format!("uid {OTHER}")) && message.contains(&remedy), "{message}");
    assert!(!message.contains("git init"), "{message}");
    std::fs::write(env.path(".gitconfig"), format!("[safe]\n directory = {}\n", source.display())).unwrap();
    printed(&env, &["images", "--source", source.to_str().unwrap()]);
}

#[test]
fn releases_before_v1_30_are_refused() {
    let mut env = TestEnv::new();
    env.put_program("git", "echo no server is asked >&2; exit 1");
    let message = env.fails(["build", "--k3s", "v1.29.15+k3s1"]);
    assert!(message.contains("k3s v1.29.15 is too old: releases from v1.30 on can be built"), "{message}");
    let env = TestEnv::new();
    let source = source(&env);
    let path = source.to_str().unwrap();
    let gomod = std::fs::read_to_string(source.join("go.mod")).unwrap();
    let builds = |kubernetes: &str| {
        std::fs::write(source.join("go.mod"), gomod.replace("v0.35.0-k3s", kubernetes)).unwrap();
        git(
            &source,
            &["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "-am", "Other"],
        );
    };
    builds("v0.30.0-k3s");
    printed(&env, &["patch", "--check", "--source", path]);
    builds("v0.29.15-k3s");
    for arguments in [&["patch", "--check", "--source", path], &["build", "--dry-run", "--source", path]] {
        let message = env.fails(arguments);
        assert!(message.contains("k3s v0.29.15 is too old: releases from v1.30 on"), "{message}");
    }
}
