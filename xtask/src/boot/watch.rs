//! Watches a VM on its way from milestone to milestone. The timeouts are in `milestone.rs` and, for the scenarios, in the
//! `step` lines of `scenario/*.sh`.

use super::milestone::{BOOT, GRACE, Milestone};
use super::protocol::GuestEvent;
use crate::process::{Child, Event};
use crate::progress::Progress;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Result of a VM run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    pub reached: Vec<Reached>,
    /// Measurements and observations, in the order in which the guest reported them.
    pub facts: Vec<(String, String)>,
    /// Memory in use over time: seconds since power-on, and KiB.
    pub memory: Vec<(f64, u64)>,
    /// Memory that is available to the guest's kernel, in KiB.
    pub memory_total: u64,
    pub failure: Option<Failure>,
}

/// A milestone, and when it was reached.
#[derive(Clone, Debug, Serialize)]
pub struct Reached {
    pub name: &'static str,
    pub description: &'static str,
    /// Seconds since power-on, by the host's clock.
    pub at: f64,
}

/// The milestone that was not reached, and why.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Failure {
    pub milestone: String,
    pub description: String,
    pub reason: String,
    /// Last lines of the journal and other sources, by name.
    pub evidence: BTreeMap<String, Vec<String>>,
}

/// State machine over the events of a guest.
struct Watch<'a> {
    milestones: &'a [Milestone],
    outcome: Outcome,
    /// Set if no event follows.
    is_over: bool,
}

impl<'a> Watch<'a> {
    fn new(milestones: &'a [Milestone]) -> Watch<'a> {
        Watch { milestones, outcome: Outcome::default(), is_over: false }
    }

    /// Returns the next milestone.
    fn next(&self) -> Option<&'a Milestone> {
        self.milestones.get(self.outcome.reached.len())
    }

    /// Handles an event that occurred `at` seconds after power-on.
    fn on_event(&mut self, event: GuestEvent, at: f64) {
        match event {
            GuestEvent::Mark(name) => match self.next() {
                Some(&Milestone { name: next, description, .. }) if next == name => {
                    self.outcome.reached.push(Reached { name: next, description, at });
                }
                _ => self.fail(format!("the guest reported {name:?}, which is not the next milestone")),
            },
            GuestEvent::Fact(name, value) => self.outcome.facts.push((name, value)),
            GuestEvent::Memory { total, available } => {
                self.outcome.memory_total = total;
                self.outcome.memory.push((at, total.saturating_sub(available)));
            }
            GuestEvent::Fail(reason) => self.fail(reason),
            GuestEvent::Evidence(name, text) => {
                if let Some(failure) = &mut self.outcome.failure {
                    failure.evidence.entry(name).or_default().push(text);
                }
            }
            GuestEvent::Done => {
                if self.next().is_some() {
                    self.fail("the scenario ended early".to_owned());
                }
                self.is_over = true;
            }
            GuestEvent::Other(_) => {}
        }
    }

    /// Records why the next milestone was not reached. Only the first reason counts.
    fn fail(&mut self, reason: String) {
        let (milestone, description) =
            self.next().map_or(("end", "the scenario ends"), |next| (next.name, next.description));
        self.outcome.failure.get_or_insert_with(|| Failure {
            milestone: milestone.to_owned(),
            description: description.to_owned(),
            reason,
            evidence: BTreeMap::new(),
        });
    }

    /// Waits for the next event. It is over if there is none before the deadline, or if qemu has ended.
    fn wait(&mut self, vm: &Child, begin: Instant, timeout: Duration, deadline: Instant) {
        match vm.next(deadline.saturating_duration_since(Instant::now())) {
            Event::Line(line) => {
                return self.on_event(GuestEvent::parse(&line), begin.elapsed().as_secs_f64());
            }
            Event::Timeout => self.fail(format!("not reached within {} s", timeout.as_secs())),
            Event::End => {
                self.fail("the VM has ended".to_owned());
                let stderr = vm.stderr().unwrap_or_else(|error| format!("{error:#}"));
                if let Some(failure) = self.outcome.failure.as_mut().filter(|_| !stderr.is_empty()) {
                    failure.evidence.insert("qemu".to_owned(), stderr.lines().map(str::to_owned).collect());
                }
            }
        }
        self.is_over = true;
    }
}

/// Watches a VM until its scenario has ended or a milestone times out, with a progress line for each milestone.
pub fn watch(vm: &Child, milestones: &[Milestone], progress: &Progress) -> Outcome {
    let begin = Instant::now();
    let mut watch = Watch::new(milestones);
    let mut since = begin;
    while let Some(milestone) = watch.next().filter(|_| watch.outcome.failure.is_none()) {
        let running = progress.step(format!("boot: {}", milestone.name));
        running.doing(milestone.description);
        let reached = watch.outcome.reached.len();
        // While the scenario runs, the guest enforces the timeouts itself, since it has the evidence.
        let grace = if reached < BOOT.len() { Duration::ZERO } else { GRACE };
        let timeout = milestone.timeout + grace;
        while watch.outcome.reached.len() == reached && watch.outcome.failure.is_none() {
            watch.wait(vm, begin, timeout, since + timeout);
        }
        if watch.outcome.failure.is_none() {
            since = Instant::now();
            let seconds = begin.elapsed().as_secs_f64();
            running.done(format!("{} ({seconds:.0} s after power-on)", milestone.description));
        }
    }
    // Facts and evidence may follow the last milestone or a failure.
    let deadline = Instant::now() + GRACE;
    while !watch.is_over {
        watch.wait(vm, begin, GRACE, deadline);
    }
    watch.outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::milestone::milestone;

    const TWO: [Milestone; 2] = [milestone("one", 1, "the first"), milestone("two", 1, "the second")];

    fn after(lines: &[&str]) -> (Outcome, bool) {
        let mut watch = Watch::new(&TWO);
        for (second, text) in lines.iter().enumerate() {
            watch.on_event(GuestEvent::parse(text), second as f64);
        }
        (watch.outcome, watch.is_over)
    }

    #[test]
    fn passes_if_all_milestones_are_reached() {
        let (outcome, is_over) = after(&["mark one", "memory 100 60", "fact rss 12 KiB", "mark two", "done"]);
        assert!(is_over && outcome.failure.is_none());
        assert_eq!(outcome.reached.iter().map(|reached| reached.at).collect::<Vec<_>>(), [0.0, 3.0]);
        assert_eq!((outcome.memory, outcome.memory_total), (vec![(1.0, 40)], 100));
        assert_eq!(outcome.facts, [("rss".to_owned(), "12 KiB".to_owned())]);
    }

    #[test]
    fn failure_has_its_evidence() {
        let lines = ["mark one", "| journal before", "fail no node", "| journal a", "| journal b", "done"];
        let (outcome, is_over) = after(&lines);
        let failure = outcome.failure.unwrap();
        assert!(is_over);
        assert_eq!((failure.milestone.as_str(), failure.reason.as_str()), ("two", "no node"));
        assert_eq!(failure.evidence["journal"], ["a", "b"]);
    }

    #[test]
    fn fails_if_a_milestone_is_skipped() {
        for lines in [&["mark two"][..], &["mark one", "done"], &["mark one", "mark one"], &["done"]] {
            assert!(after(lines).0.failure.is_some(), "{lines:?}");
        }
    }

    #[test]
    fn first_reason_counts() {
        let (outcome, _) = after(&["fail first", "fail second"]);
        assert_eq!(outcome.failure.unwrap().reason, "first");
    }
}
