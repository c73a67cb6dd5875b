//! Test of a boot that is interrupted or killed: no VM keeps running.

use crate::test_env::TestEnv;
use crate::{vm, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn interrupt_and_kill_leave_no_vm() {
    let Some(_turn) = vm::turn("a boot that is ended early") else { return };
    let mut env = TestEnv::new();
    let tmpdir = vm::set_tmpdir(&mut env);
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        // A shell may have started the tests with SIGINT ignored.
        let mut command = env.under(["env", "--default-signal"], ["boot", "--sample"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = String::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            stderr.push_str(&line.unwrap());
            stderr.push('\n');
            if stderr.contains("boot: kernel") {
                break;
            }
        }
        let running = vm::running_below(&env.path("target"));
        assert_eq!(running.len(), 1, "one VM runs\n{stderr}");
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        child.wait().unwrap();
        wait::until(|| vm::running_below(&env.path("target")).is_empty().then_some(()));
        assert!(!env.dist().join("v0.35.0+k3s1.sample/boot").exists(), "there are results");
        assert_eq!(vm::files_in(&tmpdir), [""; 0], "{signal} leaves files outside of target/");
    }
}
