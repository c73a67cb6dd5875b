//! Tests with signal settings inherited from the parent, and with a kernel that refuses system calls.

use nix::sys::signal::Signal;

use crate::processes::start_by_script;
use crate::programs::{native, ours, reference, refuse_syscall};
use crate::{INTERRUPT, TERMINATED, WARNING, assert_outcome};

#[test]
fn inherited_settings_do_not_keep_it_running() {
    for program in ours() {
        for setting in ["--ignore-signal=INT,TERM", "--block-signal=INT,TERM"] {
            for (signal, message) in [(Signal::SIGTERM, TERMINATED), (Signal::SIGINT, INTERRUPT)] {
                let running = start_by_script(program, &format!(r#"exec env {setting} "$@""#));
                running.wait_until_ready(program);
                running.send(signal);
                assert_outcome(&program.name, &running.finish(), (0, "", &[WARNING, message].concat()));
            }
        }
    }
}

#[test]
fn keeps_inherited_settings_of_other_signals() {
    for program in ours().iter().chain([reference()]) {
        for setting in ["--ignore-signal=HUP", "--block-signal=HUP"] {
            let running = start_by_script(program, &format!(r#"exec env {setting} "$@""#));
            running.wait_until_ready(program);
            running.send(Signal::SIGHUP);
            running.send(Signal::SIGTERM);
            assert_outcome(&program.name, &running.finish(), (0, "", &[WARNING, TERMINATED].concat()));
        }
    }
}

#[test]
fn refused_system_call_ends_it() {
    let refuse = |program, number: i64| {
        let script = format!(r#"exec {} {number} "$@""#, refuse_syscall().display());
        start_by_script(program, &script).finish()
    };
    // The status is the number of the step. In the reference, SIGINT is the first of three, and SIGCHLD the third.
    assert_outcome("reference", &refuse(reference(), nix::libc::SYS_rt_sigaction), (1, "", WARNING));
    assert_outcome("pause", &refuse(native(), nix::libc::SYS_rt_sigprocmask), (1, "", WARNING));
    assert_outcome("pause", &refuse(native(), nix::libc::SYS_rt_sigaction), (3, "", WARNING));
}

#[test]
fn exits_if_it_cannot_wait() {
    let script = format!(r#"exec {} {} "$@""#, refuse_syscall().display(), nix::libc::SYS_rt_sigtimedwait);
    let output = start_by_script(native(), &script).finish();
    assert_outcome("pause", &output, (42, "", &[WARNING, "Error: infinite loop terminated\n"].concat()));
}
