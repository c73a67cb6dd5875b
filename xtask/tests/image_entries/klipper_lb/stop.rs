//! The end of a container.

use super::container::Container;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Longer than a shell needs to react, shorter than the stub sleeps.
const DEADLINE: Duration = Duration::from_secs(10);

/// Stub that has no child and reports that it was left running.
const SLEEP: &str = r#"#!/bin/sh
echo "asleep $1"
busybox mkfifo /tmp/pause
read -r -t 20 line <>/tmp/pause
echo awake
"#;

#[test]
fn signal_ends_it_and_its_child_at_once() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let Some(container) = Container::new() else { return };
        container.root.program("usr/bin/sleep", SLEEP);
        let mut child = container.command().stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line == "asleep infinity"), "{:?}", child.wait());

        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > DEADLINE {
                child.kill().unwrap();
                panic!("{signal} did not end it");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(status.code(), Some(0), "{signal}");
        assert_eq!(lines.next(), None);
    }
}
