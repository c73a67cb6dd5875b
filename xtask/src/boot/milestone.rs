//! Milestones: what has to be reached on the way, one after another, each within its own limit.

use std::time::Duration;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// What the guest calls it when it is reached.
    pub name: &'static str,
    /// What holds then, for people.
    pub what: &'static str,
    /// How long it may take after the one before it: about twice what it took on two processors that another
    /// machine was booted on beside it, and builds went on; with two of its own it takes a sixth of that.
    pub limit: Duration,
}

pub const fn milestone(name: &'static str, seconds: u64, what: &'static str) -> Milestone {
    Milestone { name, what, limit: Duration::from_secs(seconds) }
}

/// How long the host waits beyond a limit that the guest keeps by itself, for what it tells of its failure.
pub const GRACE: Duration = Duration::from_secs(150);

/// What every boot begins with.
pub const BOOT: [Milestone; 2] = [
    milestone("kernel", 300, "the kernel runs and has found its disk"),
    milestone("systemd", 400, "systemd is process 1"),
];

/// What the guest's watchdog reads: a name and seconds, one a line.
pub fn limits(milestones: &[Milestone]) -> String {
    milestones.iter().map(|milestone| format!("{} {}\n", milestone.name, milestone.limit.as_secs())).collect()
}
