//! A run: one machine followed from milestone to milestone.

use super::milestone::{BOOT, GRACE, Milestone};
use crate::boot::protocol::{self, Said};
use crate::process::{Child, Event};
use crate::progress::Progress;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Result of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    pub reached: Vec<Reached>,
    /// Measurements and observations, in the order in which the guest reported them.
    pub facts: Vec<(String, String)>,
    /// Memory in use over time: seconds since power-on, and KiB.
    pub memory: Vec<(f64, u64)>,
    /// The memory the guest's kernel has to give, in KiB.
    pub memory_total: u64,
    pub failure: Option<Failure>,
}

/// A milestone, and when it was reached.
#[derive(Clone, Debug, Serialize)]
pub struct Reached {
    pub name: &'static str,
    pub what: &'static str,
    /// Seconds since power-on, by the host's clock.
    pub at: f64,
}

/// The milestone that was not reached, and all that is known of why.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Failure {
    pub milestone: String,
    pub what: String,
    pub reason: String,
    /// Last lines of the journal and the like, by their names.
    pub evidence: BTreeMap<String, Vec<String>>,
}

/// State machine of a run: takes the lines of the console, and knows what has been reached.
pub struct Course<'a> {
    milestones: &'a [Milestone],
    outcome: Outcome,
    /// Nothing more is to come.
    over: bool,
}

impl<'a> Course<'a> {
    pub fn new(milestones: &'a [Milestone]) -> Course<'a> {
        Course { milestones, outcome: Outcome::default(), over: false }
    }

    /// The milestone that comes next.
    pub fn next(&self) -> Option<&'a Milestone> {
        self.milestones.get(self.outcome.reached.len())
    }

    /// Takes in what the guest has said, so many seconds after power-on.
    pub fn hear(&mut self, said: Said, at: f64) {
        match said {
            Said::Mark(name) => match self.next() {
                Some(Milestone { name: next, what, .. }) if *next == name => {
                    self.outcome.reached.push(Reached { name: next, what, at });
                }
                _ => self.fail(format!("the guest tells of {name:?}, which is not what comes next")),
            },
            Said::Fact(name, value) => self.outcome.facts.push((name, value)),
            Said::Memory { total, available } => {
                self.outcome.memory_total = total;
                self.outcome.memory.push((at, total.saturating_sub(available)));
            }
            Said::Fail(reason) => self.fail(reason),
            Said::Evidence(name, text) => {
                if let Some(failure) = &mut self.outcome.failure {
                    failure.evidence.entry(name).or_default().push(text);
                }
            }
            Said::Done => {
                if self.next().is_some() {
                    self.fail("the guest says that it is done".to_owned());
                }
                self.over = true;
            }
            Said::Other(_) => {}
        }
    }

    /// Notes why the next milestone is not reached; what is said first, holds.
    pub fn fail(&mut self, reason: String) {
        let next = self.next();
        self.outcome.failure.get_or_insert_with(|| Failure {
            milestone: next.map_or("end", |milestone| milestone.name).to_owned(),
            what: next.map_or("the guest says that it is done", |milestone| milestone.what).to_owned(),
            reason,
            evidence: BTreeMap::new(),
        });
    }

    /// Takes in the next that the machine says; one that is silent for so long, or has ended, says no more.
    fn listen(
        &mut self,
        machine: &Child,
        patience: Duration,
        begun: Instant,
        silent: impl FnOnce() -> String,
    ) {
        match machine.next(patience) {
            Event::Line(line) => return self.hear(protocol::parse(&line), begun.elapsed().as_secs_f64()),
            Event::Timeout => self.fail(silent()),
            Event::End => self.fail_for_good(machine),
        }
        self.over = true;
    }

    /// Notes that the machine has ended, and what qemu has said of it.
    fn fail_for_good(&mut self, machine: &Child) {
        self.fail("the machine has ended".to_owned());
        let words = machine.stderr().unwrap_or_else(|error| format!("{error:#}"));
        if let Some(failure) = self.outcome.failure.as_mut().filter(|_| !words.is_empty()) {
            failure.evidence.insert("qemu".to_owned(), words.lines().map(str::to_owned).collect());
        }
    }
}

/// Follows a machine to its end, or until it exceeds a limit, with a progress line for each milestone.
pub fn follow(machine: &Child, milestones: &[Milestone], progress: &Progress) -> Outcome {
    let begun = Instant::now();
    collect(machine, reach(machine, milestones, progress, begun), begun)
}

/// Waits for one milestone after the other, up to the last or to a failure.
fn reach<'m>(
    machine: &Child,
    milestones: &'m [Milestone],
    progress: &Progress,
    begun: Instant,
) -> Course<'m> {
    let mut course = Course::new(milestones);
    let mut since = begun;
    while let Some(milestone) = course.next() {
        let running = progress.step(format!("boot: {}", milestone.name));
        running.doing(milestone.what);
        let reached = course.outcome.reached.len();
        // Once the proof runs, the guest keeps the limits by itself, since it has the evidence.
        let grace = if reached < BOOT.len() { Duration::ZERO } else { GRACE };
        let limit = milestone.limit + grace;
        while course.outcome.reached.len() == reached && course.outcome.failure.is_none() {
            let silent = || format!("the machine has not come this far within {} s", limit.as_secs());
            course.listen(machine, limit.saturating_sub(since.elapsed()), begun, silent);
        }
        if course.outcome.failure.is_some() {
            break;
        }
        since = Instant::now();
        running.done(format!("{} ({:.0} s after power-on)", milestone.what, begun.elapsed().as_secs_f64()));
    }
    course
}

/// Hears the guest out: facts and evidence may follow the last milestone or a failure.
fn collect(machine: &Child, mut course: Course, begun: Instant) -> Outcome {
    let end = Instant::now() + GRACE;
    while !course.over {
        let silent = || format!("it has said nothing of it within {} s", GRACE.as_secs());
        course.listen(machine, end.saturating_duration_since(Instant::now()), begun, silent);
    }
    course.outcome
}

/// Waits for a machine that is kept to be switched off.
pub fn keep(machine: &Child) {
    while machine.next(Duration::from_secs(3600)) != Event::End {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::milestone::milestone;

    const TWO: [Milestone; 2] = [milestone("one", 1, "the first"), milestone("two", 1, "the second")];

    fn after(lines: &[&str]) -> (Outcome, bool) {
        let mut course = Course::new(&TWO);
        for (second, text) in lines.iter().enumerate() {
            course.hear(protocol::parse(text), second as f64);
        }
        (course.outcome.clone(), course.over)
    }

    #[test]
    fn a_run_that_reaches_everything_has_no_failure() {
        let (outcome, over) = after(&["mark one", "memory 100 60", "fact rss 12 KiB", "mark two", "done"]);
        assert!(over && outcome.failure.is_none());
        assert_eq!(outcome.reached.iter().map(|reached| reached.at).collect::<Vec<_>>(), [0.0, 3.0]);
        assert_eq!((outcome.memory, outcome.memory_total), (vec![(1.0, 40)], 100));
        assert_eq!(outcome.facts, [("rss".to_owned(), "12 KiB".to_owned())]);
    }

    #[test]
    fn what_failed_is_told_with_its_evidence() {
        let lines = ["mark one", "| journal before", "fail no node", "| journal a", "| journal b", "done"];
        let (outcome, over) = after(&lines);
        let failure = outcome.failure.unwrap();
        assert!(over);
        assert_eq!((failure.milestone.as_str(), failure.reason.as_str()), ("two", "no node"));
        assert_eq!(failure.evidence["journal"], ["a", "b"]);
    }

    #[test]
    fn a_guest_that_skips_a_milestone_or_ends_early_has_failed() {
        for lines in [&["mark two"][..], &["mark one", "done"], &["mark one", "mark one"], &["done"]] {
            assert!(after(lines).0.failure.is_some(), "{lines:?}");
        }
    }

    #[test]
    fn the_first_reason_holds() {
        let (outcome, _) = after(&["fail first", "fail second"]);
        assert_eq!(outcome.failure.unwrap().reason, "first");
    }
}
