//! Upstream's repository on this machine: the sample, served by git's smart HTTP.

use super::git_server;
use super::http::Server;
use super::test_env::{TestEnv, succeeded};
use std::path::{Path, PathBuf};
use xtask::upstream::release::UPSTREAM;

/// The tag whose version the sample's tree builds.
pub const TAG: &str = "v0.35.0+k3s1";

/// Upstream's repository, made from the sample.
pub struct Upstream {
    pub directory: tempfile::TempDir,
    pub server: Server,
}

impl Upstream {
    pub fn new() -> Upstream {
        let directory = tempfile::tempdir().unwrap();
        make_repository(&directory.path().join("k3s"), &["k3s/base", "k3s/embed"]);
        let upstream = Upstream { server: git_server::serve(directory.path()), directory };
        for tag in ["v0.34.9+k3s1", TAG, "v0.35.1-rc1+k3s1"] {
            upstream.tag(tag, "HEAD");
        }
        upstream
    }

    pub fn repository(&self) -> git2::Repository {
        git2::Repository::open(self.directory.path().join("k3s")).unwrap()
    }

    pub fn commit(&self, name: &str) -> String {
        self.repository().revparse_single(name).unwrap().peel_to_commit().unwrap().id().to_string()
    }

    /// Points a tag at a commit, replacing any earlier target.
    pub fn tag(&self, tag: &str, name: &str) {
        let repository = self.repository();
        let object = repository.revparse_single(name).unwrap();
        repository.tag_lightweight(tag, &object, true).unwrap();
    }

    /// Makes a commit with a text in a file replaced, and points a tag at it.
    #[allow(dead_code, reason = "not every test program changes a tree")]
    pub fn change(&self, tag: &str, file: &str, from: &str, to: &str) {
        let path = self.directory.path().join("k3s").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: {from}");
        std::fs::write(path, text.replace(from, to)).unwrap();
        self.move_tag(tag);
    }

    /// Makes a commit of the tree as it is, and points a tag at it.
    pub fn move_tag(&self, tag: &str) {
        commit(&self.repository(), "Another");
        self.tag(tag, "HEAD");
    }

    /// Returns a place whose git finds upstream here, and whose caches are empty.
    pub fn test_env(&self) -> TestEnv {
        let mut env = TestEnv::new();
        env.set("K3S_XTASK_CACHE", env.path("cache"));
        self.lead(&mut env, &[(UPSTREAM, "k3s")]);
        env
    }

    pub fn lead(&self, env: &mut TestEnv, repositories: &[(&str, &str)]) {
        for (index, (url, name)) in repositories.iter().enumerate() {
            let here = format!("{}/{name}/.git", self.server.url);
            env.set(format!("GIT_CONFIG_KEY_{index}"), format!("url.{here}.insteadOf"));
            env.set(format!("GIT_CONFIG_VALUE_{index}"), *url);
        }
        env.set("GIT_CONFIG_COUNT", repositories.len().to_string());
    }
}

pub fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample")
}

/// Makes a repository with one commit, of these directories of the sample copied one over the other.
pub fn make_repository(directory: &Path, parts: &[&str]) {
    for part in parts {
        xtask::dir::copy(&sample().join(part), directory).unwrap();
    }
    let repository = git2::Repository::init(directory).unwrap();
    commit(&repository, "First");
}

fn commit(repository: &git2::Repository, message: &str) {
    let mut index = repository.index().unwrap();
    index.add_all(["*"], git2::IndexAddOption::FORCE, None).unwrap();
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let parent = repository.head().ok().map(|head| head.peel_to_commit().unwrap());
    let parents: Vec<_> = parent.iter().collect();
    let author = git2::Signature::new("t", "t@localhost", &git2::Time::new(1_700_000_000, 0)).unwrap();
    repository.commit(Some("HEAD"), &author, &author, message, &tree, &parents).unwrap();
}
/// Returns the messages of a command besides its result, and fails unless it succeeds.
#[track_caller]
pub fn printed(env: &TestEnv, arguments: &[&str]) -> String {
    succeeded(env.xtask(arguments).output().unwrap()).1
}
