//! Tests that give the same arguments and signals to our program and to the reference in C, and compare the results.

use std::os::unix::process::ExitStatusExt;
use std::process::{Output, Stdio};

use nix::sys::signal::{SigHandler, Signal, signal};

use crate::processes::{launch, start, start_by_script};
use crate::programs::{Program, ours, reference};
use crate::{INTERRUPT, TERMINATED, WARNING, assert_outcome};

/// Runs an action with every program, and returns the result, which has to be equal.
fn agree(what: &str, act: impl Fn(&Program) -> Output) -> Output {
    let expected = act(reference());
    for program in ours() {
        assert_eq!(act(program), expected, "{} differs from the reference: {what}", program.name);
    }
    expected
}

#[test]
fn prints_version_for_flag_at_any_position() {
    let version = concat!("pause.c ", env!("CARGO_PKG_VERSION"), "\n");
    for arguments in [&["-v"][..], &["-V"], &["-v", "x"], &["x", "-v"], &["", "-", "--", "-x", "-V", "x"]] {
        let output =
            agree(&format!("{arguments:?}"), |program| launch(program, arguments, Stdio::piped()).finish());
        assert_outcome("pause", &output, (0, version, ""));
    }
}

#[test]
fn ignores_other_arguments() {
    for arguments in [&[][..], &[""], &["-"], &["v"], &["-x"], &["-vv"], &["--v"], &["-v "], &["-", "v"]] {
        let output = agree(&format!("{arguments:?}"), |program| {
            let running = start(program, arguments);
            running.send(Signal::SIGTERM);
            running.finish()
        });
        assert_outcome("pause", &output, (0, "", &[WARNING, TERMINATED].concat()));
    }
}

#[test]
fn same_signals_end_it() {
    use Signal::*;
    for signal in [SIGHUP, SIGINT, SIGKILL, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGVTALRM, SIGPROF] {
        let output = agree(signal.as_str(), |program| {
            let running = start(program, &[]);
            running.send(signal);
            running.finish()
        });
        assert_eq!(output.status.success(), matches!(signal, SIGINT | SIGTERM), "{signal}");
    }
}

#[test]
fn signal_ignored_by_the_caller_ends_it() {
    // SAFETY: no other handler is set here, and an ignored signal runs no code.
    unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }.unwrap();
    let output = agree("SIGHUP, as under nohup", |program| {
        let running = start(program, &[]);
        running.send(Signal::SIGHUP);
        running.finish()
    });
    assert_eq!(output.status.signal(), Some(Signal::SIGHUP as i32));
}

#[test]
fn harmless_signals_do_not_end_it() {
    let output = agree("harmless signals", |program| {
        let running = start(program, &[]);
        for signal in [Signal::SIGCHLD, Signal::SIGURG, Signal::SIGWINCH, Signal::SIGCONT] {
            running.send(signal);
        }
        running.send(Signal::SIGINT);
        running.finish()
    });
    assert_outcome("pause", &output, (0, "", &[WARNING, INTERRUPT].concat()));
}

#[test]
fn ignores_write_errors() {
    for script in [r#"exec "$@" -v >&-"#, r#"exec "$@" -v >/dev/full"#, r#"exec "$@" -v </dev/null >&0"#] {
        let output = agree(script, |program| start_by_script(program, script).finish());
        assert_outcome("pause", &output, (0, "", ""));
    }
    for script in [r#"exec "$@" 2>&-"#, r#"exec "$@" 2>/dev/full"#] {
        let output = agree(script, |program| {
            let running = start_by_script(program, script);
            running.wait_until_ready(program);
            running.send(Signal::SIGTERM);
            running.finish()
        });
        assert_outcome("pause", &output, (0, "", ""));
    }
}

#[test]
fn broken_pipe_ends_it() {
    let output = agree("a broken pipe", |program| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        launch(program, &["-v"], writer).finish()
    });
    assert_eq!(output.status.signal(), Some(Signal::SIGPIPE as i32));
}
