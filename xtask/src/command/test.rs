//! `cargo xtask test`: everything that has to hold, one part after another, each with its time.

use crate::context::Context;
use crate::interruptions::{Cache, Campaign};
use crate::libtest::{Counts, Report};
use crate::process::Program;
use crate::target::{TARGETS, Target};
use crate::toolchain::{go, rust::Rust};
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use serde::Deserialize;
use std::ffi::OsString;
use std::time::{Duration, Instant};
use xshell::cmd;

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

/// No part takes nearly so long, however busy the machine: what is still running then hangs. Tests have no timeouts
/// of their own.
const TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);

/// One part, when it is over.
struct Part {
    name: String,
    took: Duration,
    counts: Counts,
}

impl Args {
    pub fn run(&self, context: &Context) -> Result<()> {
        if let Some(interruptions) = self.interruptions {
            let seed = self.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
            return Campaign { context, interruptions, seed, cache: Cache::Own }.run()?.sum_up();
        }
        let mut run = Run { context, path: search_path(context)?, parts: Vec::new(), left_out: Vec::new() };
        run.check("rustfmt", run.cargo("fmt --all --check")?)?;
        run.check("clippy", run.cargo("clippy --locked --workspace --all-targets -- -D warnings")?)?;
        for target in &TARGETS {
            run.check(&format!("clippy pause {}", target.go), lint_of_pause(context, target)?)?;
        }
        let compiled = run.check("compile tests", run.cargo("test --locked --workspace --no-run")?)?;
        if compiled.is_clean() {
            for (name, choice) in test_programs(context)? {
                run.test(&name, run.cargo(&format!("test --locked --workspace {choice}"))?)?;
            }
        }
        run.interrupt();
        run.sum_up()
    }
}

/// The parts so far.
struct Run<'a> {
    context: &'a Context,
    path: OsString,
    parts: Vec<Part>,
    left_out: Vec<String>,
}

impl<'a> Run<'a> {
    /// A cargo command in the user's own environment, in which a missing tool is a failure.
    fn cargo(&self, arguments: &str) -> Result<Program<'a>> {
        let shell = self.context.shell()?;
        let arguments = arguments.split(' ');
        // `cargo xtask` has told us about our own package; a build script that believed it to be its own
        // would be run anew, with all that depends on it.
        let ours = std::env::vars().map(|(name, _)| name).filter(|name| {
            name == "CARGO" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        let ours: Vec<String> = ours.collect();
        let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
        Ok(Program::new(self.context, cmd!(shell, "cargo {arguments...}"))
            .inherit("", &ours)
            .env("PATH", &self.path)
            .env("CI", "true")
            .env("CARGO_TERM_COLOR", "never"))
    }

    /// A part that either passes or fails.
    fn check(&mut self, name: &str, program: Program) -> Result<Counts> {
        self.part(name, program, |_| Report { counts: Counts::PASSED, ..Report::default() })
    }

    /// A part that is a test program with tests of its own.
    fn test(&mut self, name: &str, program: Program) -> Result<Counts> {
        self.part(name, program, Report::read)
    }

    /// A short campaign of interruptions.
    fn interrupt(&mut self) {
        let begun = Instant::now();
        let campaign =
            Campaign { context: self.context, interruptions: FEW, seed: FIXED_SEED, cache: Cache::Shared };
        let counts = match campaign.run() {
            Ok(results) => {
                Counts { passed: results.survived as usize, failed: results.lost.len(), skipped: 0 }
            }
            Err(error) => {
                self.context.progress.say(crate::error::story(&error));
                Counts::FAILED
            }
        };
        self.parts.push(Part { name: "interruptions".to_owned(), took: begun.elapsed(), counts });
    }

    fn part(&mut self, name: &str, program: Program, read: impl Fn(&str) -> Report) -> Result<Counts> {
        let log = format!("test-{}", name.replace([' ', '/'], "-"));
        let file = self.context.logs.join(format!("{log}.log"));
        if file.exists() {
            fs::remove_file(&file)?;
        }
        let running = self.context.progress.step(name);
        let begun = Instant::now();
        let ended = program.log(&log).run_within(TIMEOUT);
        let took = begun.elapsed();
        let mut report = read(&String::from_utf8_lossy(&fs::read(&file)?));
        match ended {
            Ok(_) => running.done(report.counts),
            Err(error) => {
                // A failure that the output does not count: what was to be tested did not compile.
                if report.counts.failed == 0 {
                    report.counts = Counts { passed: 0, failed: 1, ..report.counts };
                }
                drop(running);
                let told = if report.failures.is_empty() { format!("{error:#}") } else { report.failures };
                self.context.progress.say(format!("{}\n  full output: {}", told.trim_end(), file.display()));
            }
        }
        self.left_out.append(&mut report.left_out);
        self.parts.push(Part { name: name.to_owned(), took, counts: report.counts });
        Ok(report.counts)
    }

    /// Prints the table and, last of all, the sum.
    fn sum_up(self) -> Result<()> {
        let width = self.parts.iter().map(|part| part.name.len()).max().unwrap_or_default();
        for Part { name, took, counts } in &self.parts {
            println!("{name:<width$} {:>7.1} s  {counts}", took.as_secs_f64());
        }
        let total: Duration = self.parts.iter().map(|part| part.took).sum();
        println!("{:<width$} {:>7.1} s", "all", total.as_secs_f64());
        for line in &self.left_out {
            println!("{line}");
        }
        let counts: Counts = self.parts.iter().map(|part| part.counts).sum();
        if !counts.is_clean() {
            bail!("not everything has passed, and what is skipped counts as failed\n{counts}");
        }
        println!("{counts}");
        Ok(())
    }
}

/// The search path of the tests, with Go on it also where it comes from our cache.
fn search_path(context: &Context) -> Result<OsString> {
    let go = go::program(context)?;
    let folder = go.parent().context("a program lies in a folder")?.to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path)))?)
}

/// clippy on the pause program, for a target, by the very toolchain that compiles it for that.
fn lint_of_pause<'a>(context: &'a Context, target: &Target) -> Result<Program<'a>> {
    let rust = Rust::for_target(context, target)?;
    let source = context.root.join("pause/src/main.rs").display().to_string();
    let words = "--edition=2024 --crate-name=pause --crate-type=bin --emit=metadata -Cpanic=abort -Dwarnings";
    let mut arguments: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let output = context.work.join("lint").display().to_string();
    arguments.extend([format!("--target={}", rust.triple), format!("--out-dir={output}"), source]);
    Ok(rust.clippy(context, &arguments)?.env("CARGO_PKG_VERSION", env!("CARGO_PKG_VERSION")))
}

/// The test programs of the workspace: what each is called, and how `cargo test` is told to run only it.
fn test_programs(context: &Context) -> Result<Vec<(String, String)>> {
    let shell = context.shell()?;
    let command = cmd!(shell, "cargo metadata --locked --no-deps --format-version=1");
    let metadata = Program::new(context, command).read().context("asking cargo for the test programs")?;
    let programs = chosen_by_metadata(&metadata)?;
    if programs.is_empty() {
        bail!("cargo knows of no test program");
    }
    Ok(programs)
}

/// Reads `cargo metadata` (doc.rust-lang.org/cargo/commands/cargo-metadata.html).
fn chosen_by_metadata(metadata: &str) -> Result<Vec<(String, String)>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        targets: Vec<CargoTarget>,
    }
    #[derive(Deserialize)]
    struct CargoTarget {
        name: String,
        kind: Vec<String>,
        test: bool,
        doctest: bool,
    }
    let metadata: Metadata = serde_json::from_str(metadata).context("reading cargo metadata")?;
    let mut programs = Vec::new();
    for package in metadata.packages {
        for target in package.targets {
            let (of, name) = (&package.name, &target.name);
            if target.test {
                programs.push(match target.kind.first().map(String::as_str) {
                    Some("test") => (name.clone(), format!("--test {name}")),
                    Some("bin") => (format!("{of} bin"), format!("--bin {name}")),
                    Some("lib") => (format!("{of} lib"), format!("--package {of} --lib")),
                    kind => bail!("cargo tests {name}, which is of a kind not known here: {kind:?}"),
                });
            }
            if target.doctest {
                programs.push((format!("{of} docs"), format!("--package {of} --doc")));
            }
        }
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_that_cargo_tests_is_a_part() {
        let metadata = r#"{"packages": [
            {"name": "xtask", "targets": [
                {"name": "xtask", "kind": ["lib"], "test": true, "doctest": true},
                {"name": "xtask", "kind": ["bin"], "test": true, "doctest": false},
                {"name": "doctor", "kind": ["test"], "test": true, "doctest": false}]},
            {"name": "pause", "targets": [
                {"name": "pause", "kind": ["bin"], "test": false, "doctest": false}]}]}"#;
        let choices: Vec<String> =
            chosen_by_metadata(metadata).unwrap().into_iter().map(|(_, choice)| choice).collect();
        assert_eq!(
            choices,
            ["--package xtask --lib", "--package xtask --doc", "--bin xtask", "--test doctor"]
        );
    }

    #[test]
    fn a_kind_of_target_that_is_not_known_is_not_passed_over() {
        let metadata = r#"{"packages": [{"name": "x", "targets": [
            {"name": "x", "kind": ["example"], "test": true, "doctest": false}]}]}"#;
        assert!(chosen_by_metadata(metadata).unwrap_err().to_string().contains("example"));
    }
}
