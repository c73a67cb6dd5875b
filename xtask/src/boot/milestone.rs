//! Milestones: what has to be reached on the way, one after another, each within its own limit.

use std::time::Duration;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// Name that the guest reports when it is reached.
    pub name: &'static str,
    /// The assertion that holds then, for the user.
    pub what: &'static str,
    /// Timeout after the one before it: about twice what it took on two processors that another
    /// machine was booted on beside it, and builds went on; with two of its own it takes a sixth of that.
    pub limit: Duration,
}

pub const fn milestone(name: &'static str, seconds: u64, what: &'static str) -> Milestone {
    Milestone { name, what, limit: Duration::from_secs(seconds) }
}

/// Time that the host waits beyond a timeout of the guest's own, for its report of the failure.
pub const GRACE: Duration = Duration::from_secs(150);

/// Milestones that every boot begins with.
pub const BOOT: [Milestone; 2] = [
    milestone("kernel", 300, "the kernel runs and has found its disk"),
    milestone("systemd", 400, "systemd is process 1"),
];

/// Returns the input of the guest's watchdog: a name and seconds on each line.
pub fn limits(milestones: &[Milestone]) -> String {
    milestones.iter().map(|milestone| format!("{} {}\n", milestone.name, milestone.limit.as_secs())).collect()
}
