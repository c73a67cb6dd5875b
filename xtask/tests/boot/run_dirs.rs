//! Test of the run directories of boots that run in parallel or were killed.

use crate::vm::{context, directory};
use fs_err as fs;
use xtask::run_directory::RunDirectory;

#[test]
fn removes_directories_of_killed_runs_only() {
    let directory = directory();
    let context = context(&directory);
    let all = context.work.join("boot");
    let first = RunDirectory::create(&context, &all).unwrap();
    let dead = all.join("run-dead");
    fs::create_dir(&dead).unwrap();
    // The process that held this lock has ended.
    fs::write(dead.join("lock"), "4194304\n").unwrap();

    let second = RunDirectory::create(&context, &all).unwrap();
    assert!(!dead.exists());
    assert!(first.path().is_dir() && second.path().is_dir() && first.path() != second.path());

    let (removed, kept) = (first.path().to_owned(), second.path().to_owned());
    drop(first);
    assert!(!removed.exists() && kept.is_dir());
}
