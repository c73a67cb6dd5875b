//! Milestones of a boot test, each with its timeout.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// Name that the guest reports when it is reached.
    pub name: &'static str,
    /// The assertion that holds then.
    pub description: &'static str,
    /// Time since the milestone before it: about twice what it took on two processors that another VM and
    /// builds shared. With two processors of its own, a VM takes a sixth of that.
    pub timeout: Duration,
}

/// Milestones that every boot begins with. Those that follow are in `scenario/*.sh`.
pub const BOOT: [Milestone; 2] = [
    milestone("kernel", 300, "the kernel runs and has found its disk"),
    milestone("systemd", 400, "systemd is process 1"),
];

/// Time that the host waits beyond a timeout that the guest enforces itself, for its report of the failure.
pub const GRACE: Duration = Duration::from_secs(150);

pub const fn milestone(name: &'static str, seconds: u64, description: &'static str) -> Milestone {
    Milestone { name, description, timeout: Duration::from_secs(seconds) }
}

/// Parses a line `step NAME SECONDS 'DESCRIPTION' COMMAND...` of a scenario's script.
pub fn parse(line: &'static str) -> Option<Milestone> {
    let (name, rest) = line.strip_prefix("step ")?.split_once(' ')?;
    let (seconds, rest) = rest.split_once(' ')?;
    let (description, _) = rest.strip_prefix('\'')?.split_once("' ")?;
    Some(milestone(name, seconds.parse().ok()?, description))
}
