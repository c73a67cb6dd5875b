//! Tests of the resources that pause uses while it sleeps in every pod of a node.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::processes::{Running, start};
use crate::programs::{native, ours, reference};
use crate::wait;

/// Returns the program's processor time, in ticks, and its context switches.
fn activity(running: &Running) -> (Vec<String>, [Option<String>; 2]) {
    let stat = fs::read_to_string(format!("/proc/{}/stat", running.pid)).unwrap();
    // utime and stime are the fields 14 and 15 of proc_pid_stat(5); the second ends with the last parenthesis.
    let ticks = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2).map(String::from).collect();
    (ticks, ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"].map(|field| running.status(field)))
}

#[test]
fn uses_no_processor_time() {
    for program in ours() {
        let running = start(program, &[]);
        wait::until(|| {
            let before = activity(&running);
            std::thread::sleep(Duration::from_millis(300));
            (activity(&running) == before).then_some(())
        });
    }
}

#[test]
fn opens_no_files() {
    let open = |program| {
        let running = start(program, &[]);
        let descriptors = fs::read_dir(format!("/proc/{}/fd", running.pid)).unwrap();
        descriptors.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    // The reference opens no files either, so it has only what both inherit.
    assert_eq!(open(native()), open(reference()));
}

#[test]
fn maps_one_page_and_its_stack() {
    let running = start(native(), &[]);
    let maps = fs::read_to_string(format!("/proc/{}/maps", running.pid)).unwrap();
    let own: Vec<_> = maps
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        // The kernel's mappings are the same memory in every process.
        .filter(|fields| !fields.last().unwrap().starts_with("[v"))
        .map(|fields| (fields[1], fields.last().unwrap().rsplit('/').next().unwrap()))
        .collect();
    let name = native().argv[0].file_name().unwrap().to_str().unwrap();
    assert_eq!(own, [("r-xp", name), ("rw-p", "[stack]")]);
}

#[test]
fn stop_and_continue_do_not_end_it() {
    for program in ours() {
        let running = start(program, &[]);
        let becomes = |state| wait::until(|| running.status("State")?.starts_with(state).then_some(()));
        for _ in 0..20 {
            running.send(Signal::SIGSTOP);
            becomes('T');
            running.send(Signal::SIGCONT);
            becomes('S');
        }
        running.send(Signal::SIGTERM);
        assert!(running.finish().status.success(), "{}", program.name);
    }
}
