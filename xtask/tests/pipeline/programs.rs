//! Tests of the errors and logs of the commands that a build runs, and of the environment they are given.

use super::test_env::{self, TestEnv};
use std::collections::BTreeSet;
use xtask::context::Context;
use xtask::process::cmd;

fn context(env: &TestEnv) -> Context {
    Context { logs: env.path("logs"), ..test_env::context() }
}

#[test]
fn failure_prints_the_tail_of_the_log() {
    let env = TestEnv::new();
    let context = context(&env);
    let run = |script: &str| cmd!(&context, "sh -c {script}").log("tests").run();
    run("echo of an earlier one").unwrap();
    let message = format!("{:#}", run("seq 1 100; echo to both >&2; exit 3").unwrap_err());
    assert!(message.contains("ended with status 3"), "{message}");
    assert!(message.contains("\n    77\n") && message.contains("\n    to both"), "{message}");
    assert!(!message.contains("\n    76\n") && !message.contains("\n    of an earlier one"), "{message}");
    let log = std::fs::read_to_string(env.path("logs/tests.log")).unwrap();
    assert!(message.contains(&env.path("logs/tests.log").display().to_string()), "{message}");
    assert!(
        log.contains("\nof an earlier one\n") && log.contains("\n1\n") && log.contains("$ sh -c"),
        "{log}"
    );
}

#[test]
fn long_argument_is_complete_in_the_log_only() {
    let env = TestEnv::new();
    let context = context(&env);
    let page = "x".repeat(5000) + "end";
    let message = format!("{:#}", cmd!(&context, "false {page}").log("tests").run().unwrap_err());
    assert!(message.contains("xxx…") && message.len() < 1000, "{message}");
    assert!(std::fs::read_to_string(env.path("logs/tests.log")).unwrap().contains(&page));
}

#[test]
fn killed_or_missing_program_is_named() {
    let env = TestEnv::new();
    let context = context(&env);
    let message = format!("{:#}", cmd!(&context, "sh -c 'kill -9 $$'").run().unwrap_err());
    assert!(message.contains("was ended by signal 9"), "{message}");
    let message = format!("{:#}", cmd!(&context, "/nonexistent/program").run().unwrap_err());
    assert!(message.contains("cannot start /nonexistent/program: No such file"), "{message}");
}

#[test]
fn success_of_a_program_is_its_status() {
    let env = TestEnv::new();
    let context = context(&env);
    assert!(cmd!(&context, "true").succeeds());
    assert!(!cmd!(&context, "false").succeeds());
    assert!(!cmd!(&context, "/nonexistent/program").succeeds());
}

#[test]
fn credentials_in_arguments_are_not_printed() {
    let env = TestEnv::new();
    let context = context(&env);
    let program = cmd!(&context, "false https://me:secret@host/path").log("tests");
    let message = format!("{:#}", program.run().unwrap_err());
    let log = std::fs::read_to_string(env.path("logs/tests.log")).unwrap();
    for text in [message, log] {
        assert!(text.contains("host/path") && !text.contains("secret"), "{text}");
    }
}

#[test]
fn environment_is_composed_not_inherited() {
    let env = TestEnv::new();
    let context = context(&env);
    let message = cmd!(&context, "env").env("OURS", "1").read().unwrap();
    let names: BTreeSet<&str> = message.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    for name in ["OURS", "PATH", "LC_ALL", "TZ"] {
        assert!(names.contains(name), "{name} is missing: {names:?}");
    }
    // cargo sets this variable for every test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!names.contains("CARGO_MANIFEST_DIR") && !names.contains("CARGO_PKG_NAME"), "{names:?}");
    assert!(message.contains("LC_ALL=C.UTF-8\n") || message.ends_with("LC_ALL=C.UTF-8"), "{message}");
}
