//! Tests of pause as the first process of a PID namespace: it adopts orphans, and the kernel discards most signals
//! to it.
//!
//! Each test has a shell script that runs in the namespace, in parallel with the program. `go` waits until the test
//! has seen that the program is ready. Before that, script and program race on purpose.

use nix::sys::signal::Signal;

use crate::processes::start_in_namespace;
use crate::programs::{Program, orphan, ours, reference};
use crate::{INTERRUPT, TERMINATED, assert_outcome};

/// Returns our programs and the reference, which has to pass the same tests.
fn all() -> impl Iterator<Item = &'static Program> {
    ours().iter().chain([reference()])
}

#[test]
fn ends_on_signals_from_outside() {
    for program in all() {
        for (signal, message) in [(Signal::SIGTERM, TERMINATED), (Signal::SIGINT, INTERRUPT)] {
            let running = start_in_namespace(&program.argv, "");
            running.wait_until_ready(program);
            running.send(signal);
            assert_outcome(&program.name, &running.finish(), (0, "", message));
        }
    }
}

#[test]
fn ends_on_signals_from_inside() {
    for program in all() {
        for (signal, message) in [("TERM", TERMINATED), ("INT", INTERRUPT)] {
            let mut running = start_in_namespace(&program.argv, &format!("go; kill -s {signal} 1"));
            running.wait_until_ready(program);
            running.go();
            assert_outcome(&program.name, &running.finish(), (0, "", message));
        }
    }
}

#[test]
fn ignores_other_signals() {
    let script = "go; for signal in HUP QUIT USR1 USR2 ALRM; do kill -s $signal 1; done; kill -s TERM 1";
    for program in all().filter(|program| program.argv.len() == 1) {
        let mut running = start_in_namespace(&program.argv, script);
        running.wait_until_ready(program);
        running.go();
        assert_outcome(&program.name, &running.finish(), (0, "", TERMINATED));
    }
}

#[test]
fn reaps_a_thousand_orphans_at_once() {
    let script = "for _ in $(seq 1000); do ( sleep 1000 & ); done; children
                  go; kill -s KILL -- -1; until_alone; children; kill -s TERM 1";
    for program in all() {
        let mut running = start_in_namespace(&program.argv, script);
        running.wait_until_ready(program);
        running.go();
        assert_outcome(&program.name, &running.finish(), (0, "1001\n1\n", TERMINATED));
    }
}

#[test]
fn reaps_children_that_end_while_it_starts() {
    // The reference reaps children that ended too early only when the next child ends, so there is one more.
    let script = "for _ in $(seq 1000); do ( : & ); done; go; ( : & ); until_alone; children; kill -s TERM 1";
    for program in all() {
        let mut running = start_in_namespace(&program.argv, script);
        running.wait_until_ready(program);
        running.go();
        assert_outcome(&program.name, &running.finish(), (0, "1\n", TERMINATED));
    }
}

#[test]
fn reaps_children_that_ended_before_it_started() {
    for program in ours() {
        let argv: Vec<_> = [orphan()].into_iter().chain(program.argv.clone()).collect();
        let mut running = start_in_namespace(&argv, "go; until_alone; children; kill -s TERM 1");
        running.wait_until_ready(program);
        running.go();
        assert_outcome(&program.name, &running.finish(), (0, "1\n", TERMINATED));
    }
}

#[test]
fn signals_during_reaping_lose_no_child() {
    let script = "go; for _ in $(seq 1000); do ( : & ); done; until_alone; children; go; kill -s TERM 1";
    for program in all() {
        let mut running = start_in_namespace(&program.argv, script);
        running.wait_until_ready(program);
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
fn sigterm_ends_it_during_reaping() {
    for program in all() {
        let mut running = start_in_namespace(&program.argv, "go; echo; while :; do ( : & ); done");
        running.wait_until_ready(program);
        running.go();
        running.line();
        running.send(Signal::SIGTERM);
        assert_outcome(&program.name, &running.finish(), (0, "", TERMINATED));
    }
}

#[test]
fn keeps_stopped_children() {
    let script = "orphan=$(sleep 1000 >/dev/null & echo $!)
                  go; kill -s STOP $orphan; until [ $(state $orphan) = T ]; do :; done
                  ( : & ); until [ $(children) = 2 ]; do :; done; state $orphan
                  kill -s CONT $orphan; until [ $(state $orphan) = S ]; do :; done
                  kill -s KILL $orphan; until_alone; children; kill -s TERM 1";
    for program in all() {
        let mut running = start_in_namespace(&program.argv, script);
        running.wait_until_ready(program);
        running.go();
        assert_outcome(&program.name, &running.finish(), (0, "T\n1\n", TERMINATED));
    }
}
