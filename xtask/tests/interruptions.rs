//! Campaign of interruptions: the sample is built and packaged, interrupted by a signal at a random time, and run again.
//! The checksums after the next run must equal those of a run that was not interrupted.
//!
//! Each round removes some results of the round before, so that its signal arrives in another stage. It depends only on
//! its own seed, with which `cargo xtask test --interruptions 1 --seed` repeats it, and on the duration of such runs so
//! far, of which the time of the signal is a fraction.

#[allow(dead_code, reason = "the campaign needs some of it")]
#[path = "support/test_env.rs"]
mod test_env;

use anyhow::{Context as _, Result, anyhow, ensure};
use fastrand::Rng;
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use xtask::command::cache::remove;
use xtask::context::Context;
use xtask::digest::Digest;
use xtask::process::{Command, cmd};

/// The cache of the interrupted runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cache {
    /// Their own, which is empty at first and in some rounds.
    Own,
    /// The user's, of which nothing is removed.
    Shared,
}

/// A number of rounds.
struct Campaign<'a> {
    context: &'a Context,
    interruptions: u64,
    /// Seed of the first round. Each further round has the next number.
    seed: u64,
    cache: Cache,
}

/// Results of all rounds.
#[derive(Debug, Default)]
struct Results {
    survived: u32,
    /// A report of each round whose next run failed or produced other checksums.
    lost: Vec<String>,
    /// Number of rounds by the condition at the beginning, and by the last step that had finished.
    counts: BTreeMap<String, u32>,
}

/// Condition at the beginning of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    EmptyCache,
    MissingCacheDirectory,
    MissingResults,
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Condition::EmptyCache => "a first build with an empty cache",
            Condition::MissingCacheDirectory => "with a directory of the cache removed",
            Condition::MissingResults => "with results removed",
        })
    }
}

/// One round in so many begins with an empty cache, or with a directory of the cache removed.
const EMPTY_CACHE_IN: u32 = 20;
const MISSING_DIRECTORY_IN: u32 = 8;

/// Assumed duration of a run before one under the same condition was measured.
const FIRST_GUESS: Duration = Duration::from_secs(5);

/// Exit statuses of timeout(1) after its signal: 124, or 128 plus the number of SIGKILL.
const TIMED_OUT: [i32; 2] = [124, 137];

impl Campaign<'_> {
    /// Runs all rounds, and prints a line for each.
    fn run(&self) -> Result<Results> {
        let Campaign { interruptions, seed, cache, .. } = self;
        let directory = self.directory();
        println!("{interruptions} interruptions, seed {seed}, {cache:?} cache, in {}", directory.display());
        remove(&directory)?;
        let begin = Instant::now();
        let mut reference = self.complete()?;
        let mut durations = BTreeMap::from([(Condition::EmptyCache, begin.elapsed())]);
        let mut results = Results::default();
        for seed in *seed..seed + interruptions {
            let Round { condition, stage, report, failure } = self.round(seed, &reference, &mut durations)?;
            *results.counts.entry(condition.to_string()).or_default() += 1;
            *results.counts.entry(format!("interrupted after {stage}")).or_default() += 1;
            let Some(failure) = failure else {
                results.survived += 1;
                println!("survived  {report}");
                continue;
            };
            let kept = directory.with_file_name(format!("interruption-{seed}"));
            remove(&kept)?;
            fs::rename(&directory, &kept)?;
            let report = format!("{report}\n  kept in {}\n  {failure:#}", kept.display());
            println!("lost      {report}");
            results.lost.push(report);
            reference = self.complete()?;
        }
        if results.lost.is_empty() {
            remove(&directory)?;
        }
        Ok(results)
    }

    fn directory(&self) -> PathBuf {
        self.context.work.join("interruptions")
    }

    fn target(&self) -> PathBuf {
        self.directory().join("target")
    }

    fn cache(&self) -> PathBuf {
        match self.cache {
            Cache::Own => self.directory().join("cache"),
            Cache::Shared => self.context.cache.clone(),
        }
    }

    /// Interrupts one run, completes the next one, and compares its results with the reference.
    fn round(
        &self,
        seed: u64,
        reference: &BTreeMap<String, Digest>,
        durations: &mut BTreeMap<Condition, Duration>,
    ) -> Result<Round> {
        let (mut rng, mut removed) = (Rng::with_seed(seed), Vec::new());
        loop {
            let (condition, more) = self.remove_some(&mut rng)?;
            removed.extend(more);
            let signal = rng.choice(["INT", "TERM", "KILL"]).context("there are signals")?;
            let duration = durations.entry(condition).or_insert(FIRST_GUESS);
            let time = duration.mul_f64(rng.f64());
            let Some((stage, interrupted)) = self.interrupt(signal, time)? else {
                // This run was faster than those before.
                *duration = time;
                continue;
            };
            let resumed = Instant::now();
            let failure = interrupted.and_then(|()| compare(&self.complete()?, reference)).err();
            *duration = time + resumed.elapsed();
            let report = format!(
                "seed {seed}: SIG{signal} at {:.3} s, after {stage}, {condition}: {}",
                time.as_secs_f64(),
                removed.join(", "),
            );
            return Ok(Round { condition, stage, report, failure });
        }
    }

    /// Removes files that the next run has to create again.
    fn remove_some(&self, rng: &mut Rng) -> Result<(Condition, Vec<String>)> {
        let chance = |rng: &mut Rng, one_in: u32| self.cache == Cache::Own && rng.u32(..one_in) == 0;
        if chance(rng, EMPTY_CACHE_IN) {
            remove(&self.directory())?;
            return Ok((Condition::EmptyCache, Vec::new()));
        }
        let mut removed = Vec::new();
        let condition = if chance(rng, MISSING_DIRECTORY_IN) {
            removed.extend(rng.choice(directories(&self.cache())?));
            Condition::MissingCacheDirectory
        } else {
            Condition::MissingResults
        };
        let work = self.target().join("work");
        let results = directories(&work)?.into_iter().chain(directories(&work.join("riscv64"))?);
        removed.extend(results.filter(|path| !path.ends_with("riscv64") && rng.u32(..3) == 0));
        removed.extend(rng.bool().then(|| self.target().join("dist")));
        let directory = self.directory();
        let name = |path: &PathBuf| path.strip_prefix(&directory).unwrap_or(path).display().to_string();
        for path in &removed {
            remove(path)?;
        }
        Ok((condition, removed.iter().map(name).collect()))
    }

    /// Starts a run and sends it a signal after some time. Returns the last step that had finished, with an error if
    /// the run failed before the signal, or `None` if it succeeded before.
    fn interrupt(&self, signal: &str, time: Duration) -> Result<Option<(String, Result<()>)>> {
        let seconds = format!("{:.3}", time.as_secs_f64().max(0.001));
        let words = ["--default-signal", "timeout", "--foreground", "--signal", signal, &seconds];
        let (status, _, messages) = self.sample(&words).capture()?;
        if status.success() {
            return Ok(None);
        }
        let messages = String::from_utf8_lossy(&messages);
        let mut steps = messages.lines().filter_map(|line| line.strip_prefix("✓ ")?.split("  ").next());
        let stage = steps.next_back().unwrap_or("its start").to_owned();
        let interrupted = match status.code() {
            Some(code) if TIMED_OUT.contains(&code) => Ok(()),
            _ => Err(anyhow!("the run failed before its signal: {status}\n{messages}")),
        };
        Ok(Some((stage, interrupted)))
    }

    /// Completes a run, and returns the checksums of its results.
    fn complete(&self) -> Result<BTreeMap<String, Digest>> {
        let (status, _, messages) = self.sample(&[]).capture()?;
        ensure!(
            status.success(),
            "a run that was not interrupted failed\n{}",
            String::from_utf8_lossy(&messages)
        );
        checksums(&self.target().join("dist"))
    }

    /// Returns a command that builds and packages the sample, started by env(1) with these words.
    fn sample(&self, words: &[&str]) -> Command<'_> {
        let xtask = &self.context.guard;
        cmd!(self.context, "env {words...} {xtask} rpm --sample")
            .inherit("", &["GITHUB_ACTIONS"])
            .env("CARGO_TARGET_DIR", self.target())
            .env("K3S_XTASK_CACHE", self.cache())
    }
}

/// One interruption and its result.
struct Round {
    condition: Condition,
    /// The last step that had finished.
    stage: String,
    report: String,
    failure: Option<anyhow::Error>,
}

impl Results {
    /// Prints the numbers, and fails if a run was lost.
    fn sum_up(self) -> Result<()> {
        for (label, count) in &self.counts {
            println!("{count:>5}  {label}");
        }
        let rounds = self.survived as usize + self.lost.len();
        println!("{rounds} interruptions, {} survived, {} lost", self.survived, self.lost.len());
        ensure!(
            self.lost.is_empty(),
            "some runs did not continue correctly after an interruption\n{}",
            self.lost.join("\n")
        );
        Ok(())
    }
}

/// Returns the directories in a directory, sorted by name.
fn directories(of: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(of).min_depth(1).max_depth(1).sort_by_file_name() {
        let entry = entry?;
        found.extend(entry.file_type().is_dir().then(|| entry.into_path()));
    }
    Ok(found)
}

/// Returns the checksum of every file below a directory, except the report, which contains the durations of steps.
fn checksums(directory: &Path) -> Result<BTreeMap<String, Digest>> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(directory) {
        let entry = entry?;
        if entry.file_type().is_file() && entry.file_name() != "report.html" {
            let name = entry.path().strip_prefix(directory)?.to_string_lossy().into_owned();
            found.insert(name, Digest::of_file(entry.path())?);
        }
    }
    Ok(found)
}

/// Compares checksums with those of an uninterrupted run.
fn compare(found: &BTreeMap<String, Digest>, expected: &BTreeMap<String, Digest>) -> Result<()> {
    let names = found.keys().chain(expected.keys());
    let different: Vec<&String> = names.filter(|name| found.get(*name) != expected.get(*name)).collect();
    ensure!(different.is_empty(), "these differ from an uninterrupted run's: {different:?}");
    Ok(())
}

/// The variables of `cargo xtask test --interruptions N --seed SEED`.
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[test]
fn campaign_of_interruptions_loses_no_run() {
    let context = &test_env::context();
    let campaign = match variable("INTERRUPTIONS") {
        Some(interruptions) => {
            let seed = variable("SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
            Campaign { context, interruptions, seed, cache: Cache::Own }
        }
        // Among the other tests: few, always the same ones, and with the user's cache.
        None => Campaign { context, interruptions: 6, seed: 1, cache: Cache::Shared },
    };
    campaign.run().and_then(Results::sum_up).unwrap();
}

#[test]
fn compare_reports_changed_missing_and_new_files() {
    let files = |names: &[(&str, &str)]| -> BTreeMap<String, Digest> {
        names.iter().map(|(name, text)| ((*name).to_owned(), Digest::of(text))).collect()
    };
    let reference = files(&[("SHA256SUMS", "1"), ("k3s.rpm", "2")]);
    compare(&reference, &reference).unwrap();
    for found in [
        files(&[("SHA256SUMS", "1"), ("k3s.rpm", "3")]),
        files(&[("SHA256SUMS", "1")]),
        files(&[("SHA256SUMS", "1"), ("k3s.rpm", "2"), (".making-x/k3s.rpm", "2")]),
    ] {
        compare(&found, &reference).unwrap_err();
    }
}
