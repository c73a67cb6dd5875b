//! Steps: pieces of work whose result is a directory, named by the hash of everything it depends on.
//!
//! A step's directory appears by rename once it is complete, so that its existence is the stamp: an
//! interrupted run finds what was finished, a changed input finds nothing and makes exactly what it
//! touches. It holds two of our names: `output/`, the result, which may be files of others under any
//! name, and `stamp.json` with the checksum of every file of the result, which is checked before the
//! result is used again; a damaged one is built again. Builds that share a step do not build it side by
//! side: one locks it, the others wait.

use crate::context::Context;
use crate::digest::Digest;
use crate::file_lock::FileLock;
use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::time::Instant;

/// A piece of work.
pub struct Step<'a> {
    /// Name of the step in the progress line, the log and the directory.
    pub name: &'static str,
    /// The source files that do it: a newer version of this program builds again what it would build
    /// otherwise, and keeps the rest.
    pub recipe: &'static [&'static str],
    /// Steps whose results are read.
    pub needs: Vec<&'static str>,
    /// Everything else that decides the result: versions, digests, command lines. `--dry-run` prints it.
    pub inputs: Vec<String>,
    /// Fills the given empty directory.
    pub run: Box<Work<'a>>,
}

/// The work of a step: fill a directory, given the results of the steps it needs.
pub type Work<'a> = dyn Fn(&Path, &Outputs) -> Result<()> + Send + Sync + 'a;

/// The results of the steps that are done, a directory each.
#[derive(Clone, Debug, Default)]
pub struct Outputs(BTreeMap<&'static str, PathBuf>);

impl Outputs {
    /// The result of a step that the asking step has named among its needs.
    pub fn of(&self, step: &str) -> Result<&Path> {
        self.0.get(step).map(PathBuf::as_path).ok_or_else(|| anyhow!("step {step:?} is read but not needed"))
    }
}

/// When a step ran, for the report's timeline.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Timing {
    pub step: &'static str,
    /// Seconds since the first step began.
    pub begin: f64,
    pub end: f64,
    /// Set if an earlier run's result was used.
    pub kept: bool,
}

/// A set of steps that need each other without circles.
pub struct Plan<'a> {
    steps: Vec<Step<'a>>,
    keys: BTreeMap<&'static str, Digest>,
}

impl<'a> Plan<'a> {
    /// Puts steps in order, given that each comes after those it needs.
    pub fn new(steps: Vec<Step<'a>>) -> Result<Plan<'a>> {
        let mut keys = BTreeMap::new();
        for step in &steps {
            let mut text = vec![step.name.to_owned()];
            text.extend(step.recipe.iter().map(|source| Digest::of(source).to_string()));
            text.extend(step.inputs.iter().cloned());
            for need in &step.needs {
                let key: &Digest = keys.get(need).ok_or_else(|| {
                    anyhow!("step {:?} needs {need:?}, which does not come before it", step.name)
                })?;
                text.push(key.to_string());
            }
            if keys.insert(step.name, Digest::of(text.join("\n"))).is_some() {
                bail!("two steps are called {:?}", step.name);
            }
        }
        Ok(Plan { steps, keys })
    }

    /// The plan as lines: each step, what it waits for, and what it depends on.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for step in &self.steps {
            let after = if step.needs.is_empty() {
                String::new()
            } else {
                format!("  after {}", step.needs.join(", "))
            };
            lines.push(format!("{}{after}", step.name));
            lines.extend(step.inputs.iter().map(|input| format!("    {}", input.replace('\n', "\n    "))));
        }
        lines
    }

    /// The hash of everything a step depends on.
    pub fn key(&self, step: &str) -> Result<&Digest> {
        self.keys.get(step).ok_or_else(|| anyhow!("the plan has no step {step:?}"))
    }

    /// Runs all steps, in parallel where they allow it, and returns their directories.
    ///
    /// The first failure lets the running steps finish and starts no further one.
    pub fn run(&self, context: &Context, directory: &Path) -> Result<(Outputs, Vec<Timing>)> {
        let began = Instant::now();
        let state = Mutex::new(State::default());
        let changed = Condvar::new();
        std::thread::scope(|scope| {
            for _ in 0..context.jobs.min(self.steps.len()).max(1) {
                scope.spawn(|| {
                    while let Some((index, outputs)) = self.next(&state, &changed) {
                        let step = &self.steps[index];
                        let begin = began.elapsed().as_secs_f64();
                        // A step that panics has failed; the others would wait for it for ever.
                        let produce = AssertUnwindSafe(|| self.produce(context, directory, step, &outputs));
                        let result = catch_unwind(produce)
                            .unwrap_or_else(|_| Err(anyhow!("it panicked, as told above; please report it")));
                        let mut state = state.lock().expect("no step panics while it holds the state");
                        match result {
                            Ok((path, kept)) => {
                                let end = began.elapsed().as_secs_f64();
                                state.outputs.0.insert(step.name, path);
                                state.timings.push(Timing { step: step.name, begin, end, kept });
                            }
                            Err(error) => state.failures.push(error.context(format!("step {:?}", step.name))),
                        }
                        changed.notify_all();
                    }
                });
            }
        });
        let state = state.into_inner().expect("all threads have ended");
        let mut failures = state.failures.into_iter();
        match failures.next() {
            None => Ok((state.outputs, state.timings)),
            Some(first) => {
                for other in failures {
                    context.progress.print(format!("also failed: {other:#}"));
                }
                Err(first)
            }
        }
    }

    /// Waits for a step that can begin; nothing is left once all have begun or one has failed.
    fn next(&self, state: &Mutex<State>, changed: &Condvar) -> Option<(usize, Outputs)> {
        let mut state = state.lock().expect("no step panics while it holds the state");
        loop {
            if !state.failures.is_empty() || state.begun.len() == self.steps.len() {
                return None;
            }
            let ready = |step: &Step| step.needs.iter().all(|need| state.outputs.0.contains_key(need));
            let found = (0..self.steps.len()).find(|i| !state.begun.contains(i) && ready(&self.steps[*i]));
            if let Some(index) = found {
                state.begun.insert(index);
                return Some((index, state.outputs.clone()));
            }
            state = changed.wait(state).expect("no step panics while it holds the state");
        }
    }

    /// The step's result, built now or found complete, and whether it was found.
    fn produce(
        &self,
        context: &Context,
        directory: &Path,
        step: &Step,
        outputs: &Outputs,
    ) -> Result<(PathBuf, bool)> {
        let key = self.key(step.name)?;
        let parent = directory.join(step.name);
        let done = parent.join(key.short());
        if is_whole(&done) {
            return Ok((done.join(OUTPUT), true));
        }
        let _lock = FileLock::acquire(context, &parent.join(format!("{}.lock", key.short())))?;
        if is_whole(&done) {
            return Ok((done.join(OUTPUT), true));
        }
        let log = context.logs.join(format!("{}.log", step.name));
        if log.exists() {
            fs::remove_file(&log)?;
        }
        let running = context.progress.step(step.name).with_log(log);
        let making = parent.join(format!("{}.making", key.short()));
        for stale in [&making, &done] {
            if stale.exists() {
                fs::remove_dir_all(stale)
                    .with_context(|| format!("clearing what an earlier run left of {:?}", step.name))?;
            }
        }
        let output = making.join(OUTPUT);
        fs::create_dir_all(&output)?;
        (step.run)(&output, outputs)?;
        fs::write(making.join(STAMP), serde_json::to_vec_pretty(&digests(&output)?)?)?;
        fs::rename(&making, &done)?;
        running.done("");
        Ok((done.join(OUTPUT), false))
    }
}

#[derive(Default)]
struct State {
    begun: std::collections::BTreeSet<usize>,
    outputs: Outputs,
    timings: Vec<Timing>,
    failures: Vec<anyhow::Error>,
}

/// The directory in every step's directory that holds its result.
const OUTPUT: &str = "output";

/// The file beside the result that says what is in it.
const STAMP: &str = "stamp.json";

/// Returns whether a step's result holds exactly the files of its stamp.
fn is_whole(directory: &Path) -> bool {
    let stamped = || -> Result<bool> {
        let stamp: BTreeMap<String, String> = serde_json::from_slice(&fs::read(directory.join(STAMP))?)?;
        Ok(stamp == digests(&directory.join(OUTPUT))?)
    };
    stamped().unwrap_or(false)
}

/// Returns the digest or target of every file and link below a directory.
fn digests(directory: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(directory).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        let name = entry.path().strip_prefix(directory)?.to_string_lossy().into_owned();
        if entry.file_type().is_dir() {
            continue;
        }
        let holds = if entry.file_type().is_symlink() {
            format!("-> {}", fs::read_link(entry.path())?.display())
        } else {
            Digest::of_file(entry.path())?.to_string()
        };
        found.insert(name, holds);
    }
    Ok(found)
}
