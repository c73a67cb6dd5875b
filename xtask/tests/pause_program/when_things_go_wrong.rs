//! Tests with a parent that left its own signal settings behind, and with a kernel that refuses system calls.

use nix::sys::signal::Signal;

use crate::processes::start_by_script;
use crate::programs::{native, ours, reference, without};
use crate::{INTERRUPT, TERMINATED, WARNING, assert_outcome};

#[test]
fn what_its_parent_ignored_or_blocked_still_ends_it() {
    for program in ours() {
        for habit in ["--ignore-signal=INT,TERM", "--block-signal=INT,TERM"] {
            for (signal, message) in [(Signal::SIGTERM, TERMINATED), (Signal::SIGINT, INTERRUPT)] {
                let running = start_by_script(program, &format!(r#"exec env {habit} "$@""#));
                running.wait_until_settled(program);
                running.send(signal);
                assert_outcome(&program.name, &running.finish(), (0, "", &[WARNING, message].concat()));
            }
        }
    }
}

#[test]
fn the_rest_of_what_its_parent_ignored_or_blocked_is_left_as_it_was() {
    for program in ours().iter().chain([reference()]) {
        for habit in ["--ignore-signal=HUP", "--block-signal=HUP"] {
            let running = start_by_script(program, &format!(r#"exec env {habit} "$@""#));
            running.wait_until_settled(program);
            running.send(Signal::SIGHUP);
            running.send(Signal::SIGTERM);
            assert_outcome(&program.name, &running.finish(), (0, "", &[WARNING, TERMINATED].concat()));
        }
    }
}

#[test]
fn a_refused_system_call_ends_it_with_the_status_the_reference_has_for_that_step() {
    let refuse = |program, number: i64| {
        let without = without().display().to_string();
        start_by_script(program, &format!(r#"exec {without} {number} "$@""#)).finish()
    };
    // In the reference, SIGINT is the first of three steps, and SIGCHLD the third.
    assert_outcome("reference", &refuse(reference(), nix::libc::SYS_rt_sigaction), (1, "", WARNING));
    assert_outcome("pause", &refuse(native(), nix::libc::SYS_rt_sigprocmask), (1, "", WARNING));
    assert_outcome("pause", &refuse(native(), nix::libc::SYS_rt_sigaction), (3, "", WARNING));
}

#[test]
fn it_does_not_spin_where_it_cannot_wait() {
    let script = format!(r#"exec {} {} "$@""#, without().display(), nix::libc::SYS_rt_sigtimedwait);
    let output = start_by_script(native(), &script).finish();
    assert_outcome("pause", &output, (42, "", &[WARNING, "Error: infinite loop terminated\n"].concat()));
}
