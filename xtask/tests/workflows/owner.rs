//! Tests of a checkout that belongs to another user, as where a container's root takes over a runner's checkout.

use crate::model::{self, Work};
use crate::needs;
use crate::test_env;
use std::os::unix::fs::chown;
use xtask::context::Context;
use xtask::workspace;

/// User ID that this machine does not have.
const ANOTHER_USER: u32 = 54_321;

#[test]
fn rejects_a_checkout_of_another_user() {
    let what = "a checkout of another user";
    if !nix::unistd::geteuid().is_root() {
        return needs::skip(what, "root, to give files away");
    }
    if git2::Config::open_default().unwrap().get_string("safe.directory").is_ok_and(|trusted| trusted == "*")
    {
        return needs::skip(what, "a git that does not trust every owner: here safe.directory is *");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("a checkout");
    git2::Repository::init(&root).unwrap();
    std::fs::write(root.join("README.md"), "k3s").unwrap();
    let context = Context { root: root.clone(), ..test_env::context() };
    workspace::digest(&context, None).unwrap();

    for entry in walkdir::WalkDir::new(&root) {
        chown(entry.unwrap().path(), Some(ANOTHER_USER), None).unwrap();
    }
    for error in [workspace::digest(&context, None).unwrap_err(), workspace::commit(&context).unwrap_err()] {
        let said = xtask::error::chain(&error);
        let remedy = format!("git config --global --add safe.directory '{}'", root.display());
        assert!(said.contains(&format!("uid {ANOTHER_USER}")) && said.contains(&remedy), "{said}");
        assert!(!said.contains("is not a git repository"), "{said}");
    }
}

#[test]
fn container_jobs_trust_their_checkout() {
    let trusts = r#"git config --system --add safe.directory "$GITHUB_WORKSPACE""#;
    for file in model::all() {
        for (name, job) in &file.workflow.jobs {
            let is_checkout = |work: &Work| matches!(work, Work::Uses { action, .. } if action.starts_with("actions/checkout@"));
            let work: Vec<Work> = job.steps.iter().map(|step| step.work()).collect();
            let checkout = work.iter().position(is_checkout);
            let next = checkout.and_then(|at| work.get(at + 1));
            let is_trusted = matches!(next, Some(Work::Run(line)) if *line == trusts);
            assert_eq!(is_trusted, job.container.is_some(), "{}: {name}", file.path.display());
        }
    }
}
