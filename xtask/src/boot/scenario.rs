//! Scenarios of the boot test, each on a guest of its own: the milestones on the host's side of `proof/*.sh`.

use super::milestone::{BOOT, Milestone, milestone};

/// One thing that is proved by booting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Proof {
    /// The packages of the sample, whose k3s is a stub, and its pause image in the guest's own containerd.
    Sample,
    /// The packages of a real k3s, from their installation to their removal.
    Packages,
    /// The binary alone, with no file but the image of the pods.
    Alone,
    /// The user space that a binary brings along, with the distribution's out of reach.
    Bundled,
    /// The fault that the package with the pause image fixes, and the fix.
    Cure,
}

const SAMPLE: &[Milestone] = &[
    milestone("packages", 300, "rpm has installed the packages with their scriptlets"),
    milestone("units", 120, "systemd has started the packaged units"),
    milestone("containerd", 120, "the guest's containerd has taken the pause image in"),
    milestone("pause", 60, "pause is process 1 of a container, as user 65535"),
    milestone("orphans", 60, "its orphans are reaped"),
    milestone("sigterm", 60, "SIGTERM has ended it"),
    milestone("removed", 120, "the packages are gone and the data is there"),
];

const PACKAGES: &[Milestone] = &[
    milestone("packages", 300, "rpm has installed the packages with their scriptlets"),
    milestone("k3s", 1200, "the packaged unit has started k3s"),
    milestone("node", 600, "the node is Ready"),
    milestone("pod", 900, "a pod is Running"),
    milestone("logs", 120, "kubectl logs tells what it has written"),
    milestone("exec", 120, "kubectl exec runs a command in it"),
    milestone("service", 700, "a service answers from a second pod"),
    milestone("sandbox", 200, "its sandbox is our pause, under the patched name, as user 65535"),
    milestone("restart", 1200, "k3s has been restarted, and the pod runs on"),
    milestone("deletion", 600, "the pod is deleted within its grace period"),
    milestone("killall", 600, "k3s-killall.sh has left no process, mount, interface or rule"),
    milestone("removed", 120, "the packages are gone and the data is there"),
];

const ALONE: &[Milestone] = &[
    milestone("k3s", 1200, "the binary runs as a server, with no package installed"),
    milestone("node", 600, "the node is Ready"),
    milestone("pod", 900, "a pod is Running"),
    milestone("sandbox", 200, "its sandbox is the pause inside the binary"),
    milestone("registry", 2000, "the same under a system default registry that does not exist"),
];

const BUNDLED: &[Milestone] = &[
    milestone("k3s", 1200, "the binary runs as a server, on a machine without iptables, conntrack and mount"),
    milestone("node", 600, "the node is Ready"),
    milestone("pod", 900, "a pod is Running"),
    milestone("service", 700, "a service answers from a second pod"),
    milestone("bundled", 200, "rules and mounts were made by the programs of k3s-root"),
];

const CURE: &[Milestone] = &[
    milestone("packages", 300, "rpm has installed k3s, which is told to ask for another pause image"),
    milestone("k3s", 1200, "the packaged unit has started it"),
    milestone("node", 600, "the node is Ready"),
    milestone("refused", 800, "the pod waits, since a registry has that image for other platforms only"),
    milestone("cured", 1500, "the package with the pause image is in, and the same pod runs"),
];

impl Proof {
    /// Its name in files and in the record.
    pub fn name(self) -> &'static str {
        match self {
            Proof::Sample => "sample",
            Proof::Packages => "packages",
            Proof::Alone => "alone",
            Proof::Bundled => "bundled",
            Proof::Cure => "cure",
        }
    }

    /// Returns a sentence on the assertion, for the user.
    pub fn what(self) -> &'static str {
        match self {
            Proof::Sample => "the sample's packages and pause image",
            Proof::Packages => "the packages, from installation to removal",
            Proof::Alone => "the binary alone",
            Proof::Bundled => "the user space inside the binary (k3s-root), with the machine's out of reach",
            Proof::Cure => "the cure for a k3s whose pause image has no riscv64 build",
        }
    }

    /// Everything that has to be reached, in order.
    pub fn milestones(self) -> Vec<Milestone> {
        let own = match self {
            Proof::Sample => SAMPLE,
            Proof::Packages => PACKAGES,
            Proof::Alone => ALONE,
            Proof::Bundled => BUNDLED,
            Proof::Cure => CURE,
        };
        BOOT.iter().chain(own).copied().collect()
    }

    /// Returns the script that the guest runs.
    pub fn script(self) -> &'static str {
        match self {
            Proof::Sample => include_str!("scenario/sample.sh"),
            Proof::Packages => include_str!("scenario/packages.sh"),
            Proof::Alone => include_str!("scenario/alone.sh"),
            Proof::Bundled => include_str!("scenario/bundled.sh"),
            Proof::Cure => include_str!("scenario/cure.sh"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_script_reaches_its_milestones_in_their_order() {
        for proof in Proof::value_variants() {
            let steps = proof.script().lines().filter_map(|line| line.strip_prefix("step "));
            let steps: Vec<&str> = steps.filter_map(|step| step.split(' ').next()).collect();
            let milestones = proof.milestones();
            let names: Vec<&str> = milestones.iter().map(|milestone| milestone.name).collect();
            // The initrd itself tells of the kernel.
            assert_eq!(steps, names[1..], "{}", proof.name());
        }
    }
}
