//! Watches a VM on its way from milestone to milestone. The timeouts are in `milestone.rs` and, for the scenarios, in the
//! `step` lines of `scenario/*.sh`.

use super::milestone::{BOOT, GRACE, Milestone};
use super::protocol::{GuestEvent, Restart};
use super::role::Role;
use super::vm::Vm;
use crate::process::Event;
use crate::progress::Progress;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Time for which the events of one VM are waited for, if another one runs, too.
const TURN: Duration = Duration::from_millis(50);

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
    /// The VMs from which events may follow.
    running: BTreeSet<Role>,
}

impl<'a> Watch<'a> {
    fn new(milestones: &'a [Milestone], running: BTreeSet<Role>, since: Instant) -> Watch<'a> {
        Watch {
            milestones,
            outcome: Outcome::default(),
            restart: None,
            kept: BTreeMap::new(),
            since,
            restarts: 0,
            lost: Vec::new(),
            running,
        }
    }

    /// Returns the next milestone.
    fn next(&self) -> Option<&'a Milestone> {
        self.milestones.get(self.outcome.reached.len())
    }

    /// Handles an event that occurred `at` seconds after power-on.
    fn on_event(&mut self, role: Role, event: GuestEvent, at: f64) {
        match event {
            GuestEvent::Fact(name, value) => self.outcome.facts.push((role.named(&name), value)),
            GuestEvent::Evidence(name, text) => {
                if let Some(failure) = &mut self.outcome.failure {
                    failure.evidence.entry(role.named(&name)).or_default().push(text);
                }
            }
            GuestEvent::Done => self.on_done(role),
            GuestEvent::Fail(reason) if role == Role::Agent => {
                // The server does not learn of it, and would report nothing.
                if self.outcome.failure.is_none() {
                    self.running.remove(&Role::Server);
                }
                self.fail(format!("agent: {reason}"));
            }
            // The milestones and the memory are those of the first VM.
            _ if role == Role::Agent => {}
            GuestEvent::Mark(name) => match self.next() {
                Some(&Milestone { name: next, description, .. }) if next == name => {
                    self.outcome.reached.push(Reached { name: next, description, at });
                    self.since = Instant::now();
                }
                // A restarted guest boots again.
                _ if self.restarts > 0 && BOOT.iter().any(|milestone| milestone.name == name) => {}
                _ => self.fail(format!("the guest reported {name:?}, which is not the next milestone")),
            },
            GuestEvent::Memory { total, available } => {
                self.outcome.memory_total = total;
                self.outcome.memory.push((at, total.saturating_sub(available)));
            }
            GuestEvent::Keep(name, value) => {
                self.kept.insert(name, value);
            }
            GuestEvent::Restart(restart) => self.restart = Some((restart, Instant::now())),
            GuestEvent::Fail(reason) => self.fail(reason),
            GuestEvent::Other(_) => {}
        }
    }

    /// Handles the end of a VM's script.
    fn on_done(&mut self, role: Role) {
        self.running.remove(&role);
        if role != Role::Agent && self.next().is_some() {
            self.fail("the scenario ended early".to_owned());
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

    /// Returns the next event of a VM that runs.
    fn next_event(&self, vms: &[&Vm], until: Instant) -> (Role, Event) {
        loop {
            for vm in vms.iter().filter(|vm| self.running.contains(&vm.role())) {
                let left = until.saturating_duration_since(Instant::now());
                let turn = if self.running.len() > 1 { left.min(TURN) } else { left };
                match vm.process.next(turn) {
                    Event::Timeout if turn < left => {}
                    event => return (vm.role(), event),
                }
            }
        }
    }

    /// Waits for the next event. It is over if there is none before the deadline, or if a qemu has ended, unless it was to
    /// be restarted.
    fn wait(
        &mut self,
        vm: &mut Vm,
        agent: Option<&Vm>,
        begin: Instant,
        timeout: Duration,
        deadline: Instant,
    ) {
        let next = self.cut().map_or(deadline, |cut| cut.min(deadline));
        let vms: Vec<&Vm> = std::iter::once(&*vm).chain(agent).collect();
        match self.next_event(&vms, next) {
            (role, Event::Line(line)) => {
                return self.on_event(role, GuestEvent::parse(&line), begin.elapsed().as_secs_f64());
            }
            (_, Event::Timeout) if self.cut() == Some(next) => return self.cut_power(vm, begin),
            (_, Event::Timeout) => self.fail(format!("not reached within {} s", timeout.as_secs())),
            (_, Event::End) if matches!(self.restart, Some((Restart::Reboot, _))) => {
                // An orderly reboot has flushed all of its disk.
                self.start_again(vm);
                return;
            }
            (role, Event::End) => {
                let of_agent = if role == Role::Agent { " of the agent" } else { "" };
                self.fail(format!("the VM{of_agent} has ended"));
                let ended = vms.iter().find(|vm| vm.role() == role);
                let stderr = ended.map(|vm| vm.process.stderr().unwrap_or_else(|error| format!("{error:#}")));
                let stderr = stderr.unwrap_or_default();
                if let Some(failure) = self.outcome.failure.as_mut().filter(|_| !stderr.is_empty()) {
                    failure.evidence.insert("qemu".to_owned(), stderr.lines().map(str::to_owned).collect());
                }
            }
        }
        self.running.clear();
    }

    /// Kills the VM, handles what it has reported before, and starts it again.
    fn cut_power(&mut self, vm: &mut Vm, begin: Instant) {
        vm.process.kill();
        while let Event::Line(line) = vm.process.next(GRACE) {
            self.on_event(vm.role(), GuestEvent::parse(&line), begin.elapsed().as_secs_f64());
        }
        if self.outcome.failure.is_some() {
            self.running.clear();
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
            self.running.clear();
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

/// Watches a VM until its scenario has ended or a milestone times out, with a progress line for each milestone. An agent
/// beside it has no milestones; it reports facts and its failure.
pub fn watch(vm: &mut Vm, agent: Option<&Vm>, milestones: &[Milestone], progress: &Progress) -> Outcome {
    let begin = Instant::now();
    let running = std::iter::once(vm.role()).chain(agent.map(Vm::role)).collect();
    let mut watch = Watch::new(milestones, running, begin);
    while let Some(milestone) = watch.next().filter(|_| watch.outcome.failure.is_none()) {
        let running = progress.step(format!("boot: {}", milestone.name));
        running.doing(milestone.description);
        let reached = watch.outcome.reached.len();
        // While the scenario runs, the guest enforces the timeouts itself, since it has the evidence.
        let grace = if reached < BOOT.len() { Duration::ZERO } else { GRACE };
        let timeout = milestone.timeout + grace;
        while watch.outcome.reached.len() == reached && watch.outcome.failure.is_none() {
            let deadline = watch.since + timeout;
            watch.wait(vm, agent, begin, timeout, deadline);
        }
        if watch.outcome.failure.is_none() {
            let seconds = begin.elapsed().as_secs_f64();
            running.done(format!("{} ({seconds:.0} s after power-on)", milestone.description));
        }
    }
    // Facts and evidence may follow the last milestone or a failure.
    let deadline = Instant::now() + GRACE;
    while !watch.running.is_empty() {
        watch.wait(vm, agent, begin, GRACE, deadline);
    }
    watch.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::milestone::milestone;

    const TWO: [Milestone; 2] = [milestone("one", 1, "the first"), milestone("two", 1, "the second")];

    fn after(lines: &[&str]) -> (Outcome, bool) {
        let lines: Vec<_> = lines.iter().map(|line| (Role::Alone, *line)).collect();
        let (outcome, running) = of(&[Role::Alone], &lines);
        (outcome, running.is_empty())
    }

    fn of(roles: &[Role], lines: &[(Role, &str)]) -> (Outcome, Vec<Role>) {
        let mut watch = Watch::new(&TWO, roles.iter().copied().collect(), Instant::now());
        for (second, (role, text)) in lines.iter().enumerate() {
            watch.on_event(*role, GuestEvent::parse(text), second as f64);
        }
        (watch.outcome, watch.running.into_iter().collect())
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

    const NODES: [Role; 2] = [Role::Server, Role::Agent];

    #[test]
    fn agent_has_facts_and_no_milestones() {
        let server = |line| (Role::Server, line);
        let agent = |line| (Role::Agent, line);
        let lines = [
            agent("mark one"),
            server("mark one"),
            agent("memory 100 60"),
            agent("fact rss 12 KiB"),
            server("mark two"),
            server("done"),
        ];
        let (outcome, running) = of(&NODES, &lines);
        assert!(outcome.failure.is_none() && outcome.memory.is_empty());
        assert_eq!(outcome.reached.iter().map(|reached| reached.at).collect::<Vec<_>>(), [1.0, 4.0]);
        assert_eq!(outcome.facts, [("agent-rss".to_owned(), "12 KiB".to_owned())]);
        assert_eq!(running, [Role::Agent], "its last facts may follow");
    }

    #[test]
    fn failure_of_an_agent_needs_no_server() {
        let lines = [(Role::Server, "mark one"), (Role::Agent, "fail no link"), (Role::Agent, "| journal a")];
        let (outcome, running) = of(&NODES, &lines);
        let failure = outcome.failure.unwrap();
        assert_eq!((failure.milestone.as_str(), failure.reason.as_str()), ("two", "agent: no link"));
        assert_eq!(failure.evidence["agent-journal"], ["a"]);
        assert_eq!(running, [Role::Agent], "its evidence follows");
    }

    #[test]
    fn failure_of_a_server_waits_for_its_agent() {
        let lines = [
            (Role::Server, "fail no node"),
            (Role::Server, "done"),
            (Role::Agent, "fail the server has failed"),
        ];
        let (outcome, running) = of(&NODES, &lines);
        assert_eq!(outcome.failure.unwrap().reason, "no node");
        assert_eq!(running, [Role::Agent]);
    }
}
