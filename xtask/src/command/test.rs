//! `cargo xtask test`: all checks, one part after another, each with its time.

pub mod interruptions;

use crate::command::test::interruptions::{Cache, Campaign};
use crate::context::Context;
use crate::process::{Command, cmd};
use crate::target::{TARGETS, Target};
use crate::toolchain::{go, rust::Rust};
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::ffi::OsString;
use std::fmt::{Display, Formatter};
use std::path::Path;
use std::time::Duration;

/// Run all tests: formatting, lints, and every test program; what is skipped counts as failed
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Instead: interrupt this many runs on the sample at random moments, and compare what the next runs leave
    #[arg(long, value_name = "N")]
    interruptions: Option<u32>,

    /// Repeat the moments, signals and conditions of an earlier --interruptions
    #[arg(long, value_name = "SEED", requires = "interruptions")]
    seed: Option<u64>,
}

/// The interruptions among the other tests: few, always the same, and with the cache that is there.
const FEW: u32 = 6;
const FIXED_SEED: u64 = 1;

/// Timeout of a part, longer than any takes on a busy machine. Tests have no timeouts of their own.
const TIMEOUT: Duration = Duration::from_secs(4 * 60 * 60);

impl Args {
    pub fn run(&self, context: &Context) -> Result<()> {
        if let Some(interruptions) = self.interruptions {
            let seed = self.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
            return Campaign { context, interruptions, seed, cache: Cache::Own }.run()?.sum_up();
        }
        let mut run = Run { context, path: search_path(context)?, counts: Counts::default() };
        run.part("rustfmt", Part::Lint, run.cargo("fmt --all --check")?)?;
        let clippy = run.cargo("clippy --locked --workspace --all-targets -- -D warnings")?;
        run.part("clippy", Part::Lint, clippy)?;
        for target in &TARGETS {
            run.part(&format!("clippy pause {}", target.go), Part::Lint, lint_of_pause(context, target)?)?;
        }
        run.part("unit tests", Part::Tests, run.cargo("test --locked --workspace --lib --bins")?)?;
        for name in test_programs(&context.root.join("xtask/tests"))? {
            let tests = run.cargo(&format!("test --locked --package xtask --test {name}"))?;
            run.part(&name, Part::Tests, tests)?;
        }
        run.interrupt();
        run.counts.sum_up()
    }
}

/// The kinds of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Counts as one test.
    Lint,
    /// Reports how many tests passed and failed.
    Tests,
}

/// The parts so far.
struct Run<'a> {
    context: &'a Context,
    path: OsString,
    counts: Counts,
}

impl<'a> Run<'a> {
    /// A cargo command in the user's own environment, in which a missing tool is a failure.
    fn cargo(&self, arguments: &str) -> Result<Command<'a>> {
        let arguments = arguments.split(' ');
        // `cargo xtask` has set variables of our own package; a build script that took them for its own
        // would run again, with all that depends on it.
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let ours = names.filter(|name| {
            name == "CARGO" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        let ours: Vec<String> = ours.collect();
        let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
        Ok(cmd!(self.context, "cargo {arguments...}")
            .inherit("", &ours)
            .env("PATH", &self.path)
            .env("CI", "true")
            .env("CARGO_TERM_COLOR", "never"))
    }

    /// Runs one part, and prints the reason of a failure.
    fn part(&mut self, name: &str, part: Part, program: Command) -> Result<()> {
        let log = format!("test-{}", name.replace(' ', "-"));
        let file = self.context.logs.join(format!("{log}.log"));
        if file.exists() {
            fs::remove_file(&file)?;
        }
        let running = self.context.progress.step(name);
        running.doing(format!("into {}", file.display()));
        let ended = program.log(&log).run_within(TIMEOUT);
        let output = fs::read(&file)?;
        let output = String::from_utf8_lossy(&output);
        let counts = Counts::of(part, &output, ended.is_ok());
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

    /// A short campaign of interruptions.
    fn interrupt(&mut self) {
        let campaign =
            Campaign { context: self.context, interruptions: FEW, seed: FIXED_SEED, cache: Cache::Shared };
        match campaign.run() {
            Ok(results) => {
                self.counts.passed += results.survived as usize;
                self.counts.failed += results.lost.len();
            }
            Err(error) => {
                self.context.progress.print(crate::error::chain(&error));
                self.counts.failed += 1;
            }
        }
    }
}

/// Numbers of tests by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    /// Ignored by the harness. A test whose tool is missing fails, since CI is set.
    skipped: usize,
}

impl Counts {
    /// Sums what a part reports. Tests that report nothing, and a failure that no test reports, such as a crash, are
    /// one failure.
    fn of(part: Part, output: &str, succeeded: bool) -> Counts {
        let mut counts = Counts::default();
        match part {
            Part::Lint if succeeded => counts.passed = 1,
            Part::Lint => {}
            Part::Tests => output.lines().filter_map(result).for_each(|result| counts.add(result)),
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
            bail!("not everything has passed, and what is skipped counts as failed\n{self}");
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

/// The search path of the tests, with Go on it also where it comes from our cache.
fn search_path(context: &Context) -> Result<OsString> {
    let go = go::program(context)?;
    let directory = go.parent().context("a program lies in a directory")?.to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(directory).chain(std::env::split_paths(&path)))?)
}

/// Returns the clippy command for the pause program, with the toolchain that compiles it for this target.
fn lint_of_pause<'a>(context: &'a Context, target: &Target) -> Result<Command<'a>> {
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
    fn results_are_added_and_ignored_tests_skipped() {
        let counts = Counts::of(Part::Tests, &format!("{PASSING}{PASSING}"), true);
        assert_eq!(counts, Counts { passed: 4, failed: 0, skipped: 2 });
        assert_eq!(counts.to_string(), "4 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn skipped_counts_as_failed_in_the_last_line() {
        assert!(Counts { passed: 3, failed: 0, skipped: 0 }.sum_up().is_ok());
        let error = Counts { passed: 3, failed: 0, skipped: 1 }.sum_up().unwrap_err();
        assert_eq!(error.to_string().lines().last(), Some("3 passed, 0 failed, 1 skipped"));
        assert!(Counts { passed: 3, failed: 1, skipped: 0 }.sum_up().is_err());
    }

    #[test]
    fn a_failure_is_counted_once_and_shown_in_full() {
        let output = format!("{PASSING}{FAILING}{PASSING}");
        assert_eq!(Counts::of(Part::Tests, &output, false), Counts { passed: 5, failed: 1, skipped: 2 });
        let printed = failures(&output);
        assert!(printed.contains("panicked at tests/x.rs:3:5"), "{printed}");
        assert!(!printed.contains("good") && !printed.contains("three"), "{printed}");
    }

    #[test]
    fn a_crash_before_the_result_is_a_failure() {
        let crashed = "running 2 tests\ntest a ... ok\nerror: test failed\n  (signal: 11, SIGSEGV)\n";
        assert_eq!(Counts::of(Part::Tests, crashed, false), Counts { passed: 0, failed: 1, skipped: 0 });
        let both = Counts::of(Part::Tests, &format!("{crashed}{PASSING}"), false);
        assert_eq!(both, Counts { passed: 2, failed: 1, skipped: 1 });
    }

    #[test]
    fn lint_counts_as_one() {
        let passed = Counts { passed: 1, failed: 0, skipped: 0 };
        assert_eq!(Counts::of(Part::Lint, PASSING, true), passed);
        assert_eq!(Counts::of(Part::Lint, "", false), Counts { passed: 0, failed: 1, skipped: 0 });
    }

    #[test]
    fn tests_that_report_nothing_are_a_failure() {
        let resembling =
            "running late tests\ntest result: unknown\ntest result: ok. many passed; 0 failed; 0 ignored\n";
        assert_eq!(Counts::of(Part::Tests, resembling, true), Counts { passed: 0, failed: 1, skipped: 0 });
    }

    #[test]
    fn programs_are_files_and_directories_of_tests() {
        let names = test_programs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")).unwrap();
        assert!(["doctor", "pipeline"].iter().all(|name| names.contains(&(*name).to_owned())), "{names:?}");
        assert!(!names.contains(&"support".to_owned()), "no program: {names:?}");
    }
}
