//! Tests of what only the first process of a PID namespace meets: orphans, and a kernel that spares it most
//! signals.
//!
//! Each test gives a shell script that runs inside the namespace, beside the program. `go` waits until the
//! test signals that the program is ready; until then script and program run in a race, as they should.

use nix::sys::signal::Signal;

use crate::processes::start_in_namespace;
use crate::programs::{Program, bereaved, ours, reference};
use crate::{INTERRUPT, TERMINATED, assert_outcome};

/// Returns our programs and the reference: a test that the reference does not pass would test nothing.
fn all() -> impl Iterator<Item = &'static Program> {
    ours().iter().chain([reference()])
}

#[test]
fn it_ends_on_sigterm_and_sigint_from_outside_without_a_warning() {
    for program in all() {
        for (signal, message) in [(Signal::SIGTERM, TERMINATED), (Signal::SIGINT, INTERRUPT)] {
            let running = start_in_namespace(&program.argv, "");
            running.wait_until_settled(program);
            running.send(signal);
            assert_outcome(&program.name, &running.finish(), (0, "", message));
        }
    }
}

#[test]
fn it_ends_on_sigterm_and_sigint_from_inside() {
    for program in all() {
        for (signal, message) in [("TERM", TERMINATED), ("INT", INTERRUPT)] {
            let mut running = start_in_namespace(&program.argv, &format!("go; kill -s {signal} 1"));
            running.wait_until_settled(program);
            running.go();
            assert_outcome(&program.name, &running.finish(), (0, "", message));
        }
    }
}

#[test]
fn no_other_signal_ends_it() {
    let script = "go; for signal in HUP QUIT USR1 USR2 ALRM; do kill -s $signal 1; done; kill -s TERM 1";
    for program in all().filter(|program| program.argv.len() == 1) {
        let mut running = start_in_namespace(&program.argv, script);
        running.wait_until_settled(program);
        running.go();
        assert_outcome(&program.name, &running.finish(), (0, "", TERMINATED));
    }
}

#[test]
fn a_thousand_orphans_that_die_at_once_are_all_reaped() {
    let script = "for _ in $(seq 1000); do ( sleep 1000 & ); done; children
                  go; kill -s KILL -- -1; until_alone; children; kill -s TERM 1";
    for program in all() {
        let mut running = start_in_namespace(&program.argv, script);
        running.wait_until_settled(program);
        running.go();
        assert_outcome(&program.name, &running.finish(), (0, "1001\n1\n", TERMINATED));
    }
}

#[test]
fn children_that_die_while_it_starts_are_reaped() {
    // The reference reaps children that ended too early only when the next child ends, so there is one more.
    let script = "for _ in $(seq 1000); do ( : & ); done; go; ( : & ); until_alone; children; kill -s TERM 1";
    for program in all() {
        let mut running = start_in_namespace(&program.argv, script);
        running.wait_until_settled(program);
        running.go();
        assert_outcome(&program.name, &running.finish(), (0, "1\n", TERMINATED));
    }
}

#[test]
fn children_that_died_before_it_started_are_reaped() {
    for program in ours() {
        let argv: Vec<_> = [bereaved()].into_iter().chain(program.argv.clone()).collect();
        let mut running = start_in_namespace(&argv, "go; until_alone; children; kill -s TERM 1");
        running.wait_until_settled(program);
        running.go();
        assert_outcome(&program.name, &running.finish(), (0, "1\n", TERMINATED));
    }
}

#[test]
fn a_signal_during_reaping_loses_no_child() {
    let script = "go; for _ in $(seq 1000); do ( : & ); done; until_alone; children; go; kill -s TERM 1";
    for program in all() {
        let mut running = start_in_namespace(&program.argv, script);
        running.wait_until_settled(program);
        running.go();
        for _ in 0..300 {
            for signal in [Signal::SIGSTOP, Signal::SIGWINCH, Signal::SIGCHLD, Signal::SIGCONT] {
                running.send(signal);
                std::thread::yield_now();
            }
        }
        running.go();
        assert_outcome(&program.name, &running.finish(), (0, "1\n", TERMINATED));
    }
}

#[test]
fn sigterm_during_reaping_ends_it() {
    for program in all() {
        let mut running = start_in_namespace(&program.argv, "go; echo; while :; do ( : & ); done");
        running.wait_until_settled(program);
        running.go();
        running.line();
        running.send(Signal::SIGTERM);
        assert_outcome(&program.name, &running.finish(), (0, "", TERMINATED));
    }
}

#[test]
fn a_stopped_child_is_left_alone() {
    let script = "orphan=$(sleep 1000 >/dev/null & echo $!)
                  go; kill -s STOP $orphan; until [ $(state $orphan) = T ]; do :; done
                  ( : & ); until [ $(children) = 2 ]; do :; done; state $orphan
                  kill -s CONT $orphan; until [ $(state $orphan) = S ]; do :; done
                  kill -s KILL $orphan; until_alone; children; kill -s TERM 1";
    for program in all() {
        let mut running = start_in_namespace(&program.argv, script);
        running.wait_until_settled(program);
        running.go();
        assert_outcome(&program.name, &running.finish(), (0, "T\n1\n", TERMINATED));
    }
}
