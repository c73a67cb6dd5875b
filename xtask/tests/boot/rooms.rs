//! Tests of boots that run in parallel, and of boots that follow killed ones.

use crate::machine::{context, directory};
use fs_err as fs;
use xtask::boot::vm_run::Room;

#[test]
fn a_run_clears_away_what_killed_runs_have_left_and_nothing_of_those_that_go_on() {
    let directory = directory();
    let context = context(&directory);
    let first = Room::take(&context).unwrap();
    let dead = context.work.join("boot/run-dead");
    fs::create_dir(&dead).unwrap();
    // Its process has ended, and with it the lock on this file.
    fs::write(dead.join("lock"), "4194304\n").unwrap();

    let second = Room::take(&context).unwrap();
    assert!(!dead.exists());
    assert!(first.path().is_dir() && second.path().is_dir() && first.path() != second.path());

    let (left, stays) = (first.path().to_owned(), second.path().to_owned());
    drop(first);
    assert!(!left.exists() && stays.is_dir());
}
