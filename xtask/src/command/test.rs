//! `cargo xtask test`: all checks in sequence, each with its time.

use crate::context::Context;
use crate::process::Command;
use crate::target::{TARGETS, Target};
use crate::toolchain::{go, rust::Rust};
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::ffi::OsString;
use std::fmt::{Display, Formatter};
use std::path::Path;
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
}

/// Timeout of a check, longer than any takes on a busy machine. The tests have no timeouts of their own.
const TIMEOUT: Duration = Duration::from_secs(4 * 60 * 60);

impl Args {
    pub fn run(&self, context: &Context) -> Result<()> {
        let mut run = Run { context, path: search_path(context)?, counts: Counts::default() };
        if let Some(number) = self.interruptions {
            return run.interrupt(number, self.seed);
        }
        run.check("rustfmt", Kind::Lint, run.cargo("fmt --all --check"))?;
        let clippy = run.cargo("clippy --locked --workspace --all-targets -- -D warnings");
        run.check("clippy", Kind::Lint, clippy)?;
        for target in &TARGETS {
            run.check(&format!("clippy pause {}", target.go), Kind::Lint, lint_pause(context, target)?)?;
        }
        run.check("unit tests", Kind::Tests, run.cargo("test --locked --workspace --lib --bins"))?;
        for name in test_programs(&context.root.join("xtask/tests"))? {
            let tests = run.cargo(&format!("test --locked --package xtask --test {name}"));
            run.check(&name, Kind::Tests, tests)?;
        }
        run.counts.sum_up()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Counts as one test.
    Lint,
    /// Reports how many tests passed and failed.
    Tests,
}

/// The checks so far.
struct Run<'a> {
    context: &'a Context,
    path: OsString,
    counts: Counts,
}

impl<'a> Run<'a> {
    /// Returns a cargo command in which a missing tool is a failure.
    fn cargo(&self, arguments: &str) -> Command<'a> {
        super::cargo(self.context, arguments)
            .env("PATH", &self.path)
            .env("CI", "true")
            .env("CARGO_TERM_COLOR", "never")
    }

    /// Runs a check, and prints the output of a failure.
    fn check(&mut self, name: &str, kind: Kind, command: Command) -> Result<()> {
        let log = format!("test-{}", name.replace(' ', "-"));
        let file = self.context.logs.join(format!("{log}.log"));
        if file.exists() {
            fs::remove_file(&file)?;
        }
        let running = self.context.progress.step(name);
        running.doing(format!("log: {}", file.display()));
        let ended = command.log(&log).run_within(TIMEOUT);
        let output = fs::read(&file)?;
        let output = String::from_utf8_lossy(&output);
        let counts = Counts::of(kind, &output, ended.is_ok());
        match ended {
            Ok(_) => running.done(counts),
            Err(error) => {
                drop(running);
                self.context.progress.print(format!("{}{}", failures(&output), crate::error::chain(&error)));
            }
        }
        self.counts.add(counts);
        Ok(())
    }

    /// Runs a campaign of interruptions by itself.
    fn interrupt(&self, number: u32, seed: Option<u64>) -> Result<()> {
        self.cargo("test --locked --package xtask --test interruptions campaign -- --nocapture")
            .env("INTERRUPTIONS", number.to_string())
            .envs(seed.map(|seed| ("SEED", seed.to_string())))
            .run_attached()
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
    /// Adds up the results of a check. Tests without any result, and a failure without a failed test, such as a crash,
    /// count as one failure.
    fn of(kind: Kind, output: &str, succeeded: bool) -> Counts {
        let mut counts = Counts::default();
        match kind {
            Kind::Lint if succeeded => counts.passed = 1,
            Kind::Lint => {}
            Kind::Tests => output.lines().filter_map(result).for_each(|result| counts.add(result)),
        }
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

/// Returns the names of the test programs, which are files or directories.
fn test_programs(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let source = path.extension().is_some_and(|extension| extension == "rs");
        if source || path.join("main.rs").is_file() {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Returns the search path of the tests, which contains Go even if it is in our cache.
fn search_path(context: &Context) -> Result<OsString> {
    let go = go::program(context)?;
    let directory = go.parent().context("an executable is in a directory")?.to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(directory).chain(std::env::split_paths(&path)))?)
}

/// Returns the clippy command for pause, with the toolchain that compiles it for this target.
fn lint_pause<'a>(context: &'a Context, target: &Target) -> Result<Command<'a>> {
    let rust = Rust::for_target(context, target)?;
    let source = context.root.join("pause/src/main.rs").display().to_string();
    let words = "--edition=2024 --crate-name=pause --crate-type=bin --emit=metadata -Cpanic=abort -Dwarnings";
    let mut arguments: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let output = context.work.join("lint").display().to_string();
    arguments.extend([format!("--target={}", rust.triple), format!("--out-dir={output}"), source]);
    Ok(rust.clippy(context, &arguments).env("CARGO_PKG_VERSION", env!("CARGO_PKG_VERSION")))
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
        let counts = Counts::of(Kind::Tests, &format!("{PASSING}{PASSING}"), true);
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
        assert_eq!(Counts::of(Kind::Tests, &output, false), Counts { passed: 5, failed: 1, skipped: 2 });
        let printed = failures(&output);
        assert!(printed.contains("panicked at tests/x.rs:3:5"), "{printed}");
        assert!(!printed.contains("good") && !printed.contains("three"), "{printed}");
    }

    #[test]
    fn crash_is_a_failure() {
        let crashed = "running 2 tests\ntest a ... ok\nerror: test failed\n  (signal: 11, SIGSEGV)\n";
        assert_eq!(Counts::of(Kind::Tests, crashed, false), Counts { passed: 0, failed: 1, skipped: 0 });
        let both = Counts::of(Kind::Tests, &format!("{crashed}{PASSING}"), false);
        assert_eq!(both, Counts { passed: 2, failed: 1, skipped: 1 });
    }

    #[test]
    fn lint_counts_as_one_test() {
        let passed = Counts { passed: 1, failed: 0, skipped: 0 };
        assert_eq!(Counts::of(Kind::Lint, PASSING, true), passed);
        assert_eq!(Counts::of(Kind::Lint, "", false), Counts { passed: 0, failed: 1, skipped: 0 });
    }

    #[test]
    fn tests_without_results_are_a_failure() {
        let resembling =
            "running late tests\ntest result: unknown\ntest result: ok. many passed; 0 failed; 0 ignored\n";
        assert_eq!(Counts::of(Kind::Tests, resembling, true), Counts { passed: 0, failed: 1, skipped: 0 });
    }

    #[test]
    fn finds_files_and_directories_of_tests() {
        let names = test_programs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")).unwrap();
        assert!(["doctor", "pipeline"].iter().all(|name| names.contains(&(*name).to_owned())), "{names:?}");
        assert!(!names.contains(&"support".to_owned()), "not a test program: {names:?}");
    }
}
