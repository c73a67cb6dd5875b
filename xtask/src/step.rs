//! Steps: units of work whose result is a directory, named by the hash of everything it depends on.
//!
//! A step's directory appears by rename once it is complete, so that its existence is the stamp: an interrupted
//! run finds what was finished. It contains two entries: `output/`, the result, in which any file name may occur, and
//! `stamp.json` with the checksum of every file of the result, which is verified before the result is used again; a
//! damaged result is built again. A step depends on the checksums of the results it needs, not on how they were made:
//! where a step that runs again yields the same files, the steps after it do not run. Builds that share a step do not
//! build it twice: one locks it, the others wait.

use crate::code;
use crate::context::Context;
use crate::digest::Digest;
use crate::dir;
use crate::file_lock::FileLock;
use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;
use indicatif::HumanBytes;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::time::Instant;

/// A unit of work.
pub struct Step<'a> {
    /// Name in the progress line, the log and the directory.
    name: &'static str,
    /// Digest of the code that does the work.
    code: Digest,
    /// Steps whose results are read.
    needs: Vec<&'static str>,
    /// Everything else that decides the result: versions, digests, command lines. `--dry-run` prints it.
    inputs: Vec<String>,
    /// Fills the given empty directory.
    work: Box<Work<'a>>,
}

/// The work of a step: fill a directory, given the results of the steps it needs.
pub type Work<'a> = dyn Fn(&Path, &Results) -> Result<()> + Send + Sync + 'a;

/// A step that another step has named among its needs, by which it reads the result.
#[derive(Clone, Copy, Debug)]
pub struct Need(&'static str);

impl<'a> Step<'a> {
    /// Composes a step that this program does by itself: every change of its code runs the step again, which takes
    /// seconds at most.
    pub fn in_process(name: &'static str, inputs: Vec<String>) -> Step<'a> {
        Step::new(name, code::all(), inputs)
    }

    /// Composes a step that runs commands which take long, and whose inputs name these commands in full. Of our
    /// code, only the caller's directory runs it again.
    #[track_caller]
    pub fn of_commands(name: &'static str, inputs: Vec<String>) -> Step<'a> {
        let (directory, _) = Location::caller().file().rsplit_once('/').unwrap_or_default();
        Step::new(name, code::below(directory), inputs)
    }

    fn new(name: &'static str, code: Digest, inputs: Vec<String>) -> Step<'a> {
        Step { name, code, needs: Vec::new(), inputs, work: Box::new(|_, _| Ok(())) }
    }

    /// Adds a step whose result is read.
    pub fn need(&mut self, name: &'static str) -> Need {
        self.needs.push(name);
        Need(name)
    }

    /// Sets the work.
    pub fn work(mut self, work: impl Fn(&Path, &Results) -> Result<()> + Send + Sync + 'a) -> Step<'a> {
        self.work = Box::new(work);
        self
    }

    fn has_same_inputs(&self, other: &Step) -> bool {
        self.code == other.code && self.needs == other.needs && self.inputs == other.inputs
    }

    /// Returns the hash of everything the result depends on.
    fn key(&self, results: &Results) -> Result<Digest> {
        let mut text = vec![self.name.to_owned(), self.code.to_string()];
        text.extend(self.inputs.iter().cloned());
        for need in &self.needs {
            text.push(results.result(need)?.digest.to_string());
        }
        Ok(Digest::of(text.join("\n")))
    }
}

/// The results of the steps that are done.
#[derive(Clone, Debug, Default)]
pub struct Results(BTreeMap<&'static str, StepResult>);

/// The result of a step.
#[derive(Clone, Debug)]
struct StepResult {
    directory: PathBuf,
    /// Digest of the stamp.
    digest: Digest,
}

impl Results {
    /// Returns the result of a step that is needed. A plan runs no step before those it needs.
    pub fn of(&self, need: Need) -> &Path {
        &self.0[need.0].directory
    }

    /// Returns the directory of a step of the plan that was run.
    pub fn directory(&self, step: &str) -> Result<&Path> {
        Ok(&self.result(step)?.directory)
    }

    /// Returns the digest of all files of a step's result.
    pub fn digest(&self, step: &str) -> Result<&Digest> {
        Ok(&self.result(step)?.digest)
    }

    fn result(&self, step: &str) -> Result<&StepResult> {
        self.0.get(step).ok_or_else(|| anyhow!("the plan has no step {step:?}"))
    }
}

/// The time in which a step ran, for the report.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Timing {
    pub step: &'static str,
    /// Seconds since the first step began.
    pub begin: f64,
    pub end: f64,
    /// Set if an earlier run's result was used.
    pub kept: bool,
}

/// Steps in an order in which each comes after those it needs.
pub struct Plan<'a>(Vec<Step<'a>>);

impl<'a> Plan<'a> {
    /// Checks the order of the steps and their names. A step that is given twice is run once.
    pub fn new(steps: Vec<Step<'a>>) -> Result<Plan<'a>> {
        let mut plan: Vec<Step> = Vec::new();
        for step in steps {
            let known = |name: &str| plan.iter().find(|known| known.name == name);
            if let Some(need) = step.needs.iter().find(|need| known(need).is_none()) {
                bail!("step {:?} needs {need:?}, which does not come before it", step.name);
            }
            match known(step.name) {
                None => plan.push(step),
                Some(same) if same.has_same_inputs(&step) => {}
                Some(_) => bail!("two steps are called {:?}", step.name),
            }
        }
        Ok(Plan(plan))
    }

    /// Returns the plan of one step and of all steps that it needs.
    pub fn up_to(self, step: &'static str) -> Plan<'a> {
        let mut needed = BTreeSet::from([step]);
        let mut steps = Vec::new();
        for step in self.0.into_iter().rev() {
            if needed.contains(step.name) {
                needed.extend(&step.needs);
                steps.insert(0, step);
            }
        }
        Plan(steps)
    }

    /// Returns the plan as lines: each step, the steps it waits for, and its inputs.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for step in &self.0 {
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

    /// Runs all steps, in parallel where they allow it, and returns their results.
    ///
    /// After a failure the running steps finish, and no other one is started.
    pub fn run(&self, context: &Context, directory: &Path) -> Result<(Results, Vec<Timing>)> {
        let start = Instant::now();
        let state = Mutex::new(State::default());
        let changed = Condvar::new();
        std::thread::scope(|scope| {
            for _ in 0..context.jobs.min(self.0.len()).max(1) {
                scope.spawn(|| {
                    while let Some((step, results)) = self.next(&state, &changed) {
                        let begin = start.elapsed().as_secs_f64();
                        // A step that panics has failed; the others would wait for it for ever.
                        let run = AssertUnwindSafe(|| step.run(context, directory, &results));
                        let result = catch_unwind(run).unwrap_or_else(|_| {
                            Err(anyhow!("it panicked (see above); please report this bug"))
                        });
                        let mut state = state.lock().expect("no step panics while it holds the state");
                        match result {
                            Ok((result, kept)) => {
                                let end = start.elapsed().as_secs_f64();
                                state.results.0.insert(step.name, result);
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
            None => Ok((state.results, state.timings)),
            Some(first) => {
                for other in failures {
                    context.progress.print(format!("also failed: {other:#}"));
                }
                Err(first)
            }
        }
    }

    /// Waits for a step that can begin. Returns none once all have begun or one has failed.
    fn next(&self, state: &Mutex<State>, changed: &Condvar) -> Option<(&Step<'a>, Results)> {
        let mut state = state.lock().expect("no step panics while it holds the state");
        loop {
            if !state.failures.is_empty() || state.begun.len() == self.0.len() {
                return None;
            }
            let ready = |step: &&Step| {
                !state.begun.contains(step.name)
                    && step.needs.iter().all(|need| state.results.0.contains_key(need))
            };
            if let Some(step) = self.0.iter().find(ready) {
                state.begun.insert(step.name);
                return Some((step, state.results.clone()));
            }
            state = changed.wait(state).expect("no step panics while it holds the state");
        }
    }
}

#[derive(Default)]
struct State {
    begun: BTreeSet<&'static str>,
    results: Results,
    timings: Vec<Timing>,
    failures: Vec<anyhow::Error>,
}

impl Step<'_> {
    /// Returns the result, built now or by an earlier run, and whether it was kept from an earlier run.
    fn run(&self, context: &Context, directory: &Path, results: &Results) -> Result<(StepResult, bool)> {
        let key = self.key(results)?;
        let parent = directory.join(self.name);
        let done = parent.join(key.short());
        if let Some(result) = verified(&done) {
            return Ok((result, true));
        }
        let _lock = FileLock::acquire(context, &parent.join(format!("{}.lock", key.short())))?;
        if let Some(result) = verified(&done) {
            return Ok((result, true));
        }
        let log = context.logs.join(format!("{}.log", self.name));
        dir::remove(&log)?;
        let running = context.progress.step(self.name).with_log(log);
        let building = parent.join(format!("{}.building", key.short()));
        for stale in [&building, &done] {
            dir::remove(stale)
                .with_context(|| format!("removing an incomplete result of {:?}", self.name))?;
        }
        let output = building.join(OUTPUT);
        fs::create_dir_all(&output)?;
        (self.work)(&output, results).map_err(|error| with_scarce_space(error, &output))?;
        let stamp = serde_json::to_vec_pretty(&contents(&output)?)?;
        fs::write(building.join(STAMP), &stamp)?;
        fs::rename(&building, &done)?;
        running.done("");
        Ok((StepResult { directory: done.join(OUTPUT), digest: Digest::of(stamp) }, false))
    }
}

/// Space below which an error names what is left, in bytes: a linker that gets no more of it is killed by a signal and
/// does not say why, and its temporary files are gone by then.
const SCARCE: u64 = 512 << 20;

/// Adds the free space of a file system to an error, if it is scarce.
fn with_scarce_space(error: anyhow::Error, directory: &Path) -> anyhow::Error {
    match nix::sys::statvfs::statvfs(directory) {
        Ok(system) if system.blocks_available() * system.fragment_size() < SCARCE => {
            let free = HumanBytes(system.blocks_available() * system.fragment_size());
            error.context(format!("only {free} are free in {}, which may be the cause", directory.display()))
        }
        Ok(_) | Err(_) => error,
    }
}

/// The directory in every step's directory that contains its result.
const OUTPUT: &str = "output";

/// The file beside the result that lists its files.
const STAMP: &str = "stamp.json";

/// Returns a step's result if it contains exactly the files of its stamp.
fn verified(directory: &Path) -> Option<StepResult> {
    let stamp = fs::read(directory.join(STAMP)).ok()?;
    let output = directory.join(OUTPUT);
    let expected: BTreeMap<String, String> = serde_json::from_slice(&stamp).ok()?;
    let same = contents(&output).is_ok_and(|found| found == expected);
    same.then(|| StepResult { directory: output, digest: Digest::of(stamp) })
}

/// Returns the content of every file and link below a directory.
fn contents(directory: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(directory).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        let name = entry.path().strip_prefix(directory)?.to_string_lossy().into_owned();
        if !entry.file_type().is_dir() {
            found.insert(name, dir::content(entry.path())?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the key of a step that needs another one, whose result has this digest.
    fn key(name: &'static str, code: &str, input: &str, needed: &str) -> Digest {
        let mut step = Step::new(name, Digest::of(code), vec![input.to_owned()]);
        step.need("first");
        let result = StepResult { directory: PathBuf::new(), digest: Digest::of(needed) };
        step.key(&Results(BTreeMap::from([("first", result)]))).unwrap()
    }

    #[test]
    fn key_depends_on_name_code_inputs_and_results() {
        let keys = [
            key("second", "code", "input", "result"),
            key("other", "code", "input", "result"),
            key("second", "newer code", "input", "result"),
            key("second", "code", "other input", "result"),
            key("second", "code", "input", "other result"),
        ];
        assert_eq!(BTreeSet::from_iter(&keys).len(), keys.len());
        assert_eq!(keys[0], key("second", "code", "input", "result"));
    }

    #[test]
    fn commands_depend_on_the_code_of_their_directory() {
        let code = |step: Step| step.code;
        assert_eq!(code(Step::of_commands("a", vec![])), code::below("xtask/src"));
        assert_eq!(code(Step::in_process("a", vec![])), code::all());
    }

    #[test]
    fn plan_up_to_a_step_has_what_it_needs() {
        let step = |name, needs: &[&'static str]| {
            let mut step = Step::in_process(name, vec![]);
            for need in needs {
                step.need(need);
            }
            step
        };
        let steps = vec![step("a", &[]), step("b", &[]), step("c", &["a"]), step("d", &["c"])];
        let plan = Plan::new(steps).unwrap().up_to("c");
        assert_eq!(plan.0.iter().map(|step| step.name).collect::<Vec<_>>(), ["a", "c"]);
    }
}
