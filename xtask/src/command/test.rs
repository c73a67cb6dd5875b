//! `cargo xtask test`: all tests, with their sum.

use crate::context::Context;
use crate::dir;
use crate::process::Command;
use crate::toolchain::go;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::ffi::OsString;
use std::fmt::{Display, Formatter};
use std::time::Duration;

/// Run all tests: formatting, lints, and every test program; skipped tests count as failed
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Instead of the tests: interrupt this many runs on the sample at random times, and compare the next runs' results
    #[arg(long, value_name = "N")]
    interruptions: Option<u32>,

    /// Repeat the times, signals and conditions of an earlier --interruptions
    #[arg(long, value_name = "SEED", requires = "interruptions")]
    seed: Option<u64>,

    /// Instead of the tests: check the crates against the database of advisories that deny.toml names, which changes daily
    #[arg(long, conflicts_with = "interruptions")]
    advisories: bool,
}

/// The rules for the crates, a file of this repository.
pub const DENY: &str = "deny.toml";

/// Timeout of all tests, longer than they take on a busy machine. They have no timeouts of their own.
const TIMEOUT: Duration = Duration::from_secs(4 * 60 * 60);

impl Args {
    pub fn run(&self, context: &Context) -> Result<()> {
        if self.advisories {
            return super::cargo_deny(context, &context.root.join(DENY), "check advisories")?.run_attached();
        }
        // In the environment of the tests, a missing tool is a failure.
        let cargo = |arguments: &str| -> Result<Command<'_>> {
            let command = super::cargo(context, arguments).env("PATH", search_path(context)?);
            Ok(command.env("CI", "true").env("CARGO_TERM_COLOR", "never"))
        };
        if let Some(number) = self.interruptions {
            return cargo("test --locked --package xtask --test interruptions campaign -- --nocapture")?
                .env("INTERRUPTIONS", number.to_string())
                .envs(self.seed.map(|seed| ("SEED", seed.to_string())))
                .run_attached();
        }
        let log = context.logs.join("test.log");
        dir::remove(&log)?;
        let running = context.progress.step("tests");
        running.doing(format!("log: {}", log.display()));
        let tests = cargo("test --locked --workspace --no-fail-fast")?.log("test").run_within(TIMEOUT);
        let output = fs::read(&log)?;
        let output = String::from_utf8_lossy(&output);
        let counts = Counts::of(&output, tests.is_ok());
        match tests {
            Ok(()) => running.done(counts),
            Err(error) => {
                drop(running);
                context.progress.print(format!("{}{}", failures(&output), crate::error::chain(&error)));
            }
        }
        counts.sum_up()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    /// Ignored by the harness. A test whose tool is missing fails instead, since CI is set.
    skipped: usize,
}

impl Counts {
    /// Adds up all results. No result, and a failure without a failed test, such as a crash, count as one failure.
    fn of(output: &str, succeeded: bool) -> Counts {
        let mut counts = Counts::default();
        output.lines().filter_map(result).for_each(|result| counts.add(result));
        if counts == Counts::default() || !succeeded && counts.failed == 0 {
            counts.failed = 1;
        }
        counts
    }

    fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Prints the totals as the last line of output.
    fn sum_up(self) -> Result<()> {
        if self.failed + self.skipped > 0 {
            bail!("some tests have failed; skipped tests count as failed\n{self}");
        }
        println!("{self}");
        Ok(())
    }
}

impl Display for Counts {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Parses `test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.50s`.
fn result(line: &str) -> Option<Counts> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number =
        |name: &str| numbers.split("; ").find_map(|part| part.strip_suffix(name)?.trim_end().parse().ok());
    Some(Counts { passed: number("passed")?, failed: number("failed")?, skipped: number("ignored")? })
}

/// Returns the output of failed tests.
fn failures(output: &str) -> String {
    let mut within = false;
    let lines = output.split_inclusive('\n').filter(|line| {
        within = *line == "failures:\n" || within && result(line.trim_end()).is_none();
        within
    });
    lines.collect()
}

/// Returns the search path of the tests, which contains Go even if it is in our cache.
fn search_path(context: &Context) -> Result<OsString> {
    let go = go::program(context)?;
    let directory = go.parent().context("an executable is in a directory")?.to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(directory).chain(std::env::split_paths(&path)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSING: &str = "
running 3 tests
test a::one ... ok
test a::two ... ok
test three ... ignored

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    const FAILING: &str = "
running 2 tests
test good ... ok
test bad ... FAILED

failures:

---- bad stdout ----

thread 'bad' (7) panicked at tests/x.rs:3:5:
NOT TESTED: running the image; it needs runc
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace


failures:
    bad

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

error: test failed, to rerun pass `-p xtask --test x`
";

    #[test]
    fn adds_results_and_counts_ignored_as_skipped() {
        let counts = Counts::of(&format!("{PASSING}{PASSING}"), true);
        assert_eq!(counts, Counts { passed: 4, failed: 0, skipped: 2 });
        assert_eq!(counts.to_string(), "4 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn skipped_tests_count_as_failed() {
        assert!(Counts { passed: 3, failed: 0, skipped: 0 }.sum_up().is_ok());
        let error = Counts { passed: 3, failed: 0, skipped: 1 }.sum_up().unwrap_err();
        assert_eq!(error.to_string().lines().last(), Some("3 passed, 0 failed, 1 skipped"));
        assert!(Counts { passed: 3, failed: 1, skipped: 0 }.sum_up().is_err());
    }

    #[test]
    fn counts_a_failure_once_and_prints_its_output() {
        let output = format!("{PASSING}{FAILING}{PASSING}");
        assert_eq!(Counts::of(&output, false), Counts { passed: 5, failed: 1, skipped: 2 });
        let printed = failures(&output);
        assert!(printed.contains("panicked at tests/x.rs:3:5"), "{printed}");
        assert!(!printed.contains("good") && !printed.contains("three"), "{printed}");
    }

    #[test]
    fn crash_is_a_failure() {
        let crashed = "running 2 tests\ntest a ... ok\nerror: test failed\n  (signal: 11, SIGSEGV)\n";
        assert_eq!(Counts::of(crashed, false), Counts { passed: 0, failed: 1, skipped: 0 });
        let both = Counts::of(&format!("{crashed}{PASSING}"), false);
        assert_eq!(both, Counts { passed: 2, failed: 1, skipped: 1 });
    }

    #[test]
    fn tests_without_results_are_a_failure() {
        let resembling =
            "running late tests\ntest result: unknown\ntest result: ok. many passed; 0 failed; 0 ignored\n";
        assert_eq!(Counts::of(resembling, true), Counts { passed: 0, failed: 1, skipped: 0 });
    }
}
