//! Tests of a boot that is ended early: no VM keeps running, however it is ended.

use crate::machine;
use crate::place::Place;
use crate::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn neither_ctrl_c_nor_being_killed_leaves_a_machine() {
    let Some(_turn) = machine::turn("a boot that is ended early") else { return };
    let mut place = Place::new();
    let elsewhere = machine::elsewhere(&mut place);
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        // Both signals have their default action, whatever shell started the tests.
        let mut command = place.under(["env", "--default-signal"], ["boot", "--sample"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            said.push_str(&line.unwrap());
            said.push('\n');
            if said.contains("boot: kernel") {
                break;
            }
        }
        let running = machine::running_below(&place.path("target"));
        assert_eq!(running.len(), 1, "one machine runs\n{said}");
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        child.wait().unwrap();
        wait::until(|| machine::running_below(&place.path("target")).is_empty().then_some(()));
        assert!(!place.dist().join("v0.35.0+k3s1.sample/boot").exists(), "no record was left");
        assert_eq!(machine::files_in(&elsewhere), [""; 0], "{signal} leaves something outside of target/");
    }
}
