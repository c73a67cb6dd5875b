//! Scenarios of the boot test, each on a guest of its own.

use super::milestone::{self, BOOT, Milestone};
use super::role::Role;
use super::vm::Storage;

/// A scenario: a script that the guest runs, with the assertions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// The packages of the sample, whose k3s is a stub, and its pause image in the guest's own containerd
    Sample,
    /// The packages of a real k3s, from installation to removal
    Packages,
    /// The package with the pause image, and the problem that it fixes
    PauseImageFix,
    /// Packages of earlier minors, upgraded one by one, and back by one; before, those of openEuler's 1.24.2
    Upgrade,
    /// The packages of a live node, erased beside a container of another runtime
    Erase,
    /// A node that is rebooted, and whose power is cut while it writes
    PowerLoss,
    /// A node whose disk is as slow as an SD card
    SlowStorage,
    /// A server and an agent, each in a VM, with a network between them
    TwoNodes,
    /// The same with a server on x86_64, and images that a registry has for both architectures
    Mixed,
    /// The binary without any file but the image of the pods
    Alone,
    /// The installer, from files alone, and its uninstall script
    InstallScript,
    /// The user space inside the binary (k3s-root), with the guest's removed
    Bundled,
    /// A node with nothing disabled, whose images are those of the bundle
    DefaultNode,
    /// A node with nothing disabled, whose images are those inside the binary and those that upstream's registry has
    RegistryNode,
    /// The binary on a host with cgroup v1, with a kernel that is compiled for it
    CgroupV1,
}

/// The files that guests install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed {
    /// The packages under test.
    Packages,
    /// These and those of earlier minors, from a repository.
    Repository,
    Binary,
    /// The binary and the default images.
    BinaryWithImages,
}

impl Scenario {
    /// Returns the name on the command line, in file names and in the results.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Sample => "sample",
            Scenario::Packages => "packages",
            Scenario::PauseImageFix => "pause-image-fix",
            Scenario::Upgrade => "upgrade",
            Scenario::Erase => "erase",
            Scenario::PowerLoss => "power-loss",
            Scenario::SlowStorage => "slow-storage",
            Scenario::TwoNodes => "two-nodes",
            Scenario::Mixed => "mixed",
            Scenario::Alone => "alone",
            Scenario::InstallScript => "install-script",
            Scenario::Bundled => "bundled",
            Scenario::DefaultNode => "default-node",
            Scenario::RegistryNode => "registry-node",
            Scenario::CgroupV1 => "cgroup-v1",
        }
    }

    /// Returns the script that the guest runs. Its lines `step …` are the milestones.
    pub fn script(self) -> &'static str {
        match self {
            Scenario::Sample => include_str!("scenario/sample.sh"),
            Scenario::Packages => include_str!("scenario/packages.sh"),
            Scenario::PauseImageFix => include_str!("scenario/pause-image-fix.sh"),
            Scenario::Upgrade => include_str!("scenario/upgrade.sh"),
            Scenario::Erase => include_str!("scenario/erase.sh"),
            Scenario::PowerLoss => include_str!("scenario/power-loss.sh"),
            Scenario::SlowStorage => include_str!("scenario/slow-storage.sh"),
            Scenario::TwoNodes => {
                concat!(include_str!("scenario/two-nodes.sh"), include_str!("scenario/server-and-agent.sh"))
            }
            Scenario::Mixed => {
                concat!(include_str!("scenario/mixed.sh"), include_str!("scenario/server-and-agent.sh"))
            }
            Scenario::Alone => include_str!("scenario/alone.sh"),
            Scenario::InstallScript => include_str!("scenario/install-script.sh"),
            Scenario::Bundled => include_str!("scenario/bundled.sh"),
            Scenario::DefaultNode => {
                concat!(include_str!("scenario/default-node.sh"), include_str!("scenario/add-ons.sh"))
            }
            Scenario::RegistryNode => {
                concat!(include_str!("scenario/registry-node.sh"), include_str!("scenario/add-ons.sh"))
            }
            Scenario::CgroupV1 => include_str!("scenario/cgroup-v1.sh"),
        }
    }

    /// Returns whether the scenario needs a kernel that is compiled for it. Compiling takes long, and a compiler, so the
    /// scenario is run only by its name, and is no condition of a release.
    pub fn needs_kernel(self) -> bool {
        self == Scenario::CgroupV1
    }

    /// Returns the disk that the scenario needs.
    pub fn storage(self) -> Storage {
        match self {
            Scenario::PowerLoss => Storage::Kept,
            Scenario::SlowStorage => Storage::Slow,
            _ => Storage::Temporary,
        }
    }

    /// Returns the roles of the VMs. The first one has the milestones.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Scenario::TwoNodes | Scenario::Mixed => &[Role::Server, Role::Agent],
            _ => &[Role::Alone],
        }
    }

    /// Returns what the guests install.
    pub fn installed(self) -> Installed {
        match self {
            Scenario::Sample
            | Scenario::Packages
            | Scenario::PauseImageFix
            | Scenario::Erase
            | Scenario::PowerLoss
            | Scenario::SlowStorage
            | Scenario::TwoNodes
            | Scenario::Mixed => Installed::Packages,
            Scenario::Upgrade => Installed::Repository,
            Scenario::Alone | Scenario::InstallScript | Scenario::Bundled | Scenario::CgroupV1 => {
                Installed::Binary
            }
            Scenario::DefaultNode | Scenario::RegistryNode => Installed::BinaryWithImages,
        }
    }

    /// Returns whether the scenario needs the default images.
    pub fn needs_images(self) -> bool {
        self.installed() == Installed::BinaryWithImages
    }

    /// Returns all milestones, in order.
    pub fn milestones(self) -> Vec<Milestone> {
        BOOT.into_iter().chain(self.script().lines().filter_map(milestone::parse)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_step_is_a_milestone() {
        for scenario in Scenario::value_variants() {
            let steps: Vec<_> =
                scenario.script().lines().filter(|line| line.trim_start().starts_with("step ")).collect();
            let milestones = scenario.milestones();
            assert_eq!(milestones.len(), BOOT.len() + steps.len(), "{steps:#?}");
            for (step, Milestone { name, description, timeout }) in
                steps.iter().zip(&milestones[BOOT.len()..])
            {
                let expected = format!("step {name} {} '{description}' ", timeout.as_secs());
                assert!(step.starts_with(&expected), "{step}\n{expected}");
            }
        }
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for scenario in Scenario::value_variants() {
            let value = scenario.to_possible_value().unwrap();
            assert_eq!(value.get_name(), scenario.name());
        }
    }
}
