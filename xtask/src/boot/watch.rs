//! Watches a VM on its way from milestone to milestone. The timeouts are in `milestone.rs` and, for the scenarios, in the
//! `step` lines of `scenario/*.sh`.

use super::milestone::{BOOT, GRACE, Milestone};
use super::protocol::{GuestEvent, Restart};
use super::vm::Vm;
use crate::process::Event;
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
    /// The restart that the guest has asked for, and when.
    restart: Option<(Restart, Instant)>,
    /// Values of the guest for its following boots.
    kept: BTreeMap<String, String>,
    /// Power-on, the last restart, or the last milestone.
    since: Instant,
    restarts: u32,
    /// Bytes that each power cut has lost.
    lost: Vec<u64>,
    /// Set if no event follows.
    is_over: bool,
}

impl<'a> Watch<'a> {
    fn new(milestones: &'a [Milestone], since: Instant) -> Watch<'a> {
        Watch {
            milestones,
            outcome: Outcome::default(),
            restart: None,
            kept: BTreeMap::new(),
            since,
            restarts: 0,
            lost: Vec::new(),
            is_over: false,
        }
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
                    self.since = Instant::now();
                }
                // A restarted guest boots again.
                _ if self.restarts > 0 && BOOT.iter().any(|milestone| milestone.name == name) => {}
                _ => self.fail(format!("the guest reported {name:?}, which is not the next milestone")),
            },
            GuestEvent::Fact(name, value) => self.outcome.facts.push((name, value)),
            GuestEvent::Memory { total, available } => {
                self.outcome.memory_total = total;
                self.outcome.memory.push((at, total.saturating_sub(available)));
            }
            GuestEvent::Keep(name, value) => {
                self.kept.insert(name, value);
            }
            GuestEvent::Restart(restart) => self.restart = Some((restart, Instant::now())),
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

    /// Returns when the power is to be cut.
    fn cut(&self) -> Option<Instant> {
        match self.restart {
            Some((Restart::PowerCut(delay), begin)) => Some(begin + delay),
            _ => None,
        }
    }

    /// Waits for the next event. It is over if there is none before the deadline, or if qemu has ended, unless it was to
    /// be restarted.
    fn wait(&mut self, vm: &mut Vm, begin: Instant, timeout: Duration, deadline: Instant) {
        let next = self.cut().map_or(deadline, |cut| cut.min(deadline));
        match vm.process.next(next.saturating_duration_since(Instant::now())) {
            Event::Line(line) => {
                return self.on_event(GuestEvent::parse(&line), begin.elapsed().as_secs_f64());
            }
            Event::Timeout if self.cut() == Some(next) => return self.cut_power(vm, begin),
            Event::Timeout => self.fail(format!("not reached within {} s", timeout.as_secs())),
            Event::End if matches!(self.restart, Some((Restart::Reboot, _))) => {
                // An orderly reboot has flushed all of its disk.
                self.start_again(vm);
                return;
            }
            Event::End => {
                self.fail("the VM has ended".to_owned());
                let stderr = vm.process.stderr().unwrap_or_else(|error| format!("{error:#}"));
                if let Some(failure) = self.outcome.failure.as_mut().filter(|_| !stderr.is_empty()) {
                    failure.evidence.insert("qemu".to_owned(), stderr.lines().map(str::to_owned).collect());
                }
            }
        }
        self.is_over = true;
    }

    /// Kills the VM, handles what it has reported before, and starts it again.
    fn cut_power(&mut self, vm: &mut Vm, begin: Instant) {
        vm.process.kill();
        while let Event::Line(line) = vm.process.next(GRACE) {
            self.on_event(GuestEvent::parse(&line), begin.elapsed().as_secs_f64());
        }
        if self.outcome.failure.is_some() {
            self.is_over = true;
        } else if let Some(lost) = self.start_again(vm) {
            self.lost.push(lost);
        }
    }

    /// Starts the VM again, and returns the number of bytes that its disk has lost.
    fn start_again(&mut self, vm: &mut Vm) -> Option<u64> {
        self.restart = None;
        self.restarts += 1;
        self.since = Instant::now();
        let reached = self.outcome.reached.get(BOOT.len()..).and_then(<[Reached]>::last);
        let mut arguments: Vec<String> =
            self.kept.iter().map(|(name, value)| format!("boot-test.{name}={value}")).collect();
        arguments.extend(reached.map(|reached| format!("boot-test.reached={}", reached.name)));
        let lost = vm.restart(&arguments);
        lost.map_err(|error| {
            self.fail(format!("the VM cannot be started again: {error:#}"));
            self.is_over = true;
        })
        .ok()
    }

    /// Returns the result, with what the power cuts have lost.
    fn finish(mut self) -> Outcome {
        if !self.lost.is_empty() {
            let kib = self.lost.iter().sum::<u64>() / 1024;
            self.outcome.facts.push(("power-cuts".to_owned(), self.lost.len().to_string()));
            self.outcome.facts.push(("unflushed".to_owned(), format!("{kib} KiB, which the disk has lost")));
        }
        self.outcome
    }
}

/// Watches a VM until its scenario has ended or a milestone times out, with a progress line for each milestone.
pub fn watch(vm: &mut Vm, milestones: &[Milestone], progress: &Progress) -> Outcome {
    let begin = Instant::now();
    let mut watch = Watch::new(milestones, begin);
    while let Some(milestone) = watch.next().filter(|_| watch.outcome.failure.is_none()) {
        let running = progress.step(format!("boot: {}", milestone.name));
        running.doing(milestone.description);
        let reached = watch.outcome.reached.len();
        // While the scenario runs, the guest enforces the timeouts itself, since it has the evidence.
        let grace = if reached < BOOT.len() { Duration::ZERO } else { GRACE };
        let timeout = milestone.timeout + grace;
        while watch.outcome.reached.len() == reached && watch.outcome.failure.is_none() {
            let deadline = watch.since + timeout;
            watch.wait(vm, begin, timeout, deadline);
        }
        if watch.outcome.failure.is_none() {
            let seconds = begin.elapsed().as_secs_f64();
            running.done(format!("{} ({seconds:.0} s after power-on)", milestone.description));
        }
    }
    // Facts and evidence may follow the last milestone or a failure.
    let deadline = Instant::now() + GRACE;
    while !watch.is_over {
        watch.wait(vm, begin, GRACE, deadline);
    }
    watch.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::milestone::milestone;

    const TWO: [Milestone; 2] = [milestone("one", 1, "the first"), milestone("two", 1, "the second")];

    fn after(lines: &[&str]) -> (Outcome, bool) {
        let mut watch = Watch::new(&TWO, Instant::now());
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
