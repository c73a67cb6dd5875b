//! Interruptions: the sample is built and packaged, ended by a signal at a random moment, and run again. What the
//! next run leaves must have the checksums of a run that was not interrupted.
//!
//! Each round removes some of what the round before has left, so that its signal arrives at another stage. It
//! depends on its own seed only, with which `--interruptions 1 --seed` repeats it; the moment is a share of the
//! time that such runs have taken so far.

use crate::command::cache::remove;
use crate::context::Context;
use crate::digest::Digest;
use crate::process::{Command, cmd};
use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The cache that the interrupted runs use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// One of their own, which is empty at first, and is emptied again in some rounds.
    Own,
    /// The caller's, of which nothing is removed.
    Shared,
}

/// The rounds that are to be run.
pub struct Campaign<'a> {
    pub context: &'a Context,
    pub interruptions: u32,
    /// The first round's; each further round has the next number.
    pub seed: u64,
    pub cache: Cache,
}

/// The results of all rounds.
#[derive(Debug, Default)]
pub struct Results {
    pub survived: u32,
    /// A report of each round whose next run failed or left other checksums.
    pub lost: Vec<String>,
    /// The number of interruptions by the condition that the run had begun in.
    conditions: BTreeMap<Condition, u32>,
    /// The number of interruptions by the step that had been completed last.
    stages: BTreeMap<String, u32>,
}

/// The condition that a run begins in.
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
            Condition::MissingCacheDirectory => "in its cache a directory is missing, of",
            Condition::MissingResults => "results are missing, of",
        })
    }
}

/// One round begins with an empty cache, and one in so many lacks a directory of it.
const EMPTY_CACHE_IN: u32 = 20;
const MISSING_DIRECTORY_IN: u32 = 8;

/// The duration of the first run that lacks only results, before there is a measured one.
const FIRST_GUESS: Duration = Duration::from_secs(5);

/// Statuses of timeout(1) after it has sent its signal: 124, or 128 and the number of SIGKILL.
const TIMED_OUT: [i32; 2] = [124, 137];

impl Campaign<'_> {
    /// Runs all rounds, and prints one line of each.
    pub fn run(&self) -> Result<Results> {
        let Campaign { interruptions, seed, cache, .. } = self;
        println!(
            "{interruptions} interruptions, seed {seed}, {cache:?} cache, in {}",
            self.directory().display()
        );
        remove(&self.directory())?;
        let begun = Instant::now();
        let mut reference = self.complete()?;
        let mut expected = BTreeMap::from([(Condition::EmptyCache, begun.elapsed())]);
        let mut results = Results::default();
        for seed in *seed..seed + u64::from(*interruptions) {
            let round = self.round(seed, &reference, &mut expected)?;
            *results.conditions.entry(round.condition).or_default() += 1;
            *results.stages.entry(round.stage.clone()).or_default() += 1;
            let report = format!(
                "seed {seed}: SIG{} at {:.3} s, after {}: {} {}",
                round.signal,
                round.moment.as_secs_f64(),
                round.stage,
                round.condition,
                round.removed.join(", "),
            );
            match round.failure {
                None => {
                    results.survived += 1;
                    println!("survived  {report}");
                }
                Some(failure) => {
                    let kept = self.directory().with_file_name(format!("interruption-{seed}"));
                    remove(&kept)?;
                    fs::rename(self.directory(), &kept)?;
                    let report = format!("{report}\n  kept in {}\n  {failure:#}", kept.display());
                    println!("lost      {report}");
                    results.lost.push(report);
                    reference = self.complete()?;
                }
            }
        }
        if results.lost.is_empty() {
            remove(&self.directory())?;
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

    /// Interrupts one run, lets the next one run to its end, and compares its result with the reference.
    fn round(
        &self,
        seed: u64,
        reference: &BTreeMap<String, Digest>,
        expected: &mut BTreeMap<Condition, Duration>,
    ) -> Result<Round> {
        let (mut rng, mut removed) = (Rng::with_seed(seed), Vec::new());
        loop {
            let (condition, more) = self.remove_some(&mut rng)?;
            removed.extend(more);
            let signal = rng.choice(["INT", "TERM", "KILL"]).context("there are signals")?;
            let likely = expected.entry(condition).or_insert(FIRST_GUESS);
            let moment = likely.mul_f64(rng.f64());
            let run = self.interrupted(signal, moment)?;
            if run.ended_early {
                // It was faster than those before, and nothing was interrupted.
                *likely = moment;
                continue;
            }
            let resumed = Instant::now();
            let failure = match run.failure {
                Some(failure) => Some(failure),
                None => self.complete().and_then(|found| compare(&found, reference)).err(),
            };
            *likely = moment + resumed.elapsed();
            return Ok(Round { condition, removed, signal, moment, stage: run.stage, failure });
        }
    }

    /// Removes what the next run has to create again.
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

    /// Starts a run and sends it a signal after a while.
    fn interrupted(&self, signal: &str, moment: Duration) -> Result<Interrupted> {
        let seconds = format!("{:.3}", moment.as_secs_f64().max(0.001));
        let words = ["--default-signal", "timeout", "--foreground", "--signal", signal, &seconds];
        let (status, _, messages) = self.sample(&words)?.capture()?;
        let messages = String::from_utf8_lossy(&messages);
        let mut steps = messages.lines().filter_map(|line| line.strip_prefix("✓ ")?.split("  ").next());
        let interrupted = status.code().is_some_and(|code| TIMED_OUT.contains(&code));
        Ok(Interrupted {
            ended_early: status.success(),
            stage: steps.next_back().unwrap_or("its start").to_owned(),
            failure: (!status.success() && !interrupted)
                .then(|| anyhow::anyhow!("the run failed before its signal: {status}\n{messages}")),
        })
    }

    /// Runs to the end and returns the checksums of what it leaves.
    fn complete(&self) -> Result<BTreeMap<String, Digest>> {
        let (status, _, messages) = self.sample(&[])?.capture()?;
        ensure!(
            status.success(),
            "a run that was not interrupted failed\n{}",
            String::from_utf8_lossy(&messages)
        );
        checksums(&self.target().join("dist"))
    }

    /// This executable on the sample, up to its packages, started by env(1) with these words.
    fn sample(&self, words: &[&str]) -> Result<Command<'_>> {
        let this = &self.context.guard;
        Ok(cmd!(self.context, "env {words...} {this} rpm --sample")
            .inherit("", &["GITHUB_ACTIONS"])
            .env("CARGO_TARGET_DIR", self.target())
            .env("K3S_XTASK_CACHE", self.cache()))
    }
}

/// One interruption and what came after it.
struct Round {
    condition: Condition,
    removed: Vec<String>,
    signal: &'static str,
    moment: Duration,
    stage: String,
    failure: Option<anyhow::Error>,
}

/// A run that was sent a signal, unless it had ended before.
struct Interrupted {
    ended_early: bool,
    stage: String,
    failure: Option<anyhow::Error>,
}

impl Results {
    /// Prints the numbers, and fails if a run was lost.
    pub fn sum_up(self) -> Result<()> {
        for (condition, count) in &self.conditions {
            println!("{count:>5}  {condition} …");
        }
        for (stage, count) in &self.stages {
            println!("{count:>5}  interrupted after {stage}");
        }
        let tried = self.survived as usize + self.lost.len();
        println!("{tried} tried, {} survived, {} lost", self.survived, self.lost.len());
        if !self.lost.is_empty() {
            bail!("not every run went on after an interruption\n{}", self.lost.join("\n"));
        }
        Ok(())
    }
}

/// The directories in a directory, in order.
fn directories(of: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(of).min_depth(1).max_depth(1).sort_by_file_name() {
        let entry = entry?;
        found.extend(entry.file_type().is_dir().then(|| entry.into_path()));
    }
    Ok(found)
}

/// The checksum of every file below a directory, but of the report, which names the time that each step took.
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

fn compare(found: &BTreeMap<String, Digest>, expected: &BTreeMap<String, Digest>) -> Result<()> {
    let names = found.keys().chain(expected.keys());
    let different: Vec<&String> = names.filter(|name| found.get(*name) != expected.get(*name)).collect();
    ensure!(different.is_empty(), "these differ from an uninterrupted run's: {different:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_missing_or_new_file_is_a_difference() {
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
}
