//! Check of this machine for the commands' requirements, and the command line that installs what is missing.
//!
//! [`requirements`] is the table, [`search`] looks for one requirement, [`fix`] writes the command line. The check
//! fetches nothing and changes nothing.

pub mod fix;
pub mod packages;
pub mod requirements;
pub mod search;
pub mod tool;

use crate::context::{Context, Network};
use anyhow::{Result, bail};
use clap::ValueEnum;
use packages::Distribution;
use requirements::{REQUIREMENTS, Requirement};
use search::Finding;
use std::collections::BTreeSet;

/// A command that has requirements of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Purpose {
    // These two read a release as `build` does.
    #[value(aliases = ["patch", "images"])]
    Build,
    Pause,
    Push,
    // A release is made of packages.
    #[value(alias = "release")]
    Rpm,
    Boot,
    /// `boot --scenario cgroup-v1`, which compiles a kernel.
    CgroupV1,
    Test,
    Bench,
}

impl Purpose {
    pub const ALL: [Purpose; 8] = {
        use Purpose::*;
        [Build, Pause, Push, Rpm, Boot, CgroupV1, Test, Bench]
    };

    /// Returns the commands whose work is part of this one's, including itself.
    pub fn parts(self) -> &'static [Purpose] {
        use Purpose::*;
        match self {
            Build => &[Build, Pause],
            Pause => &[Pause],
            Push => &[Pause, Push],
            Rpm => &[Build, Pause, Rpm],
            Boot => &[Build, Pause, Rpm, Boot],
            CgroupV1 => &[Build, Pause, Rpm, Boot, CgroupV1],
            Test => &[Build, Pause, Push, Rpm, Boot, Test],
            Bench => &[Build, Pause, Bench],
        }
    }

    /// Returns the name that is given after `--for`.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// A requirement and its state on this machine.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    pub requirement: &'static Requirement,
    pub finding: Finding,
}

impl Diagnosis {
    fn of(offline: &Context, requirement: &'static Requirement) -> Diagnosis {
        Diagnosis { requirement, finding: requirement.search.look(offline) }
    }
}

/// Returns the requirements of one command, or of all.
pub fn requirements(purpose: Option<Purpose>) -> impl Iterator<Item = &'static Requirement> {
    REQUIREMENTS.iter().copied().filter(move |requirement| {
        purpose.is_none_or(|purpose| requirement.purposes.iter().any(|own| purpose.parts().contains(own)))
    })
}

/// Returns the requirements that a command has beside those of its parts.
pub fn own_requirements(purpose: Purpose) -> impl Iterator<Item = &'static Requirement> {
    REQUIREMENTS.iter().copied().filter(move |requirement| requirement.purposes.contains(&purpose))
}

/// Searches for every requirement of a command; `offline` is a context without the network.
pub fn examine(offline: &Context, purpose: Option<Purpose>) -> Vec<Diagnosis> {
    requirements(purpose).map(|requirement| Diagnosis::of(offline, requirement)).collect()
}

/// Checks that these requirements of a command are met, or can be fetched by it; the error ends with the command
/// line that installs the rest.
pub fn require(context: &Context, purpose: Purpose, requirements: &[&'static Requirement]) -> Result<()> {
    let offline = Context::new(Some(context.jobs), Network::Forbidden)?;
    let is_missing = |finding: &Finding| matches!(finding, Finding::OffPath(_) | Finding::Missing(_));
    let found = requirements.iter().map(|requirement| Diagnosis::of(&offline, requirement));
    let missing: Vec<Diagnosis> = found.filter(|diagnosis| is_missing(&diagnosis.finding)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|diagnosis| diagnosis.requirement.name).collect();
    bail!("not found: {}{}", names.join(", "), remedies(&missing, Some(purpose), &[]))
}

/// Returns the remedies for all that is missing, as the end of an error.
pub fn remedies(missing: &[Diagnosis], purpose: Option<Purpose>, settings: &[String]) -> String {
    let distribution = Distribution::here();
    let mut text = String::new();
    let unknown = fix::without_package(distribution, missing).join(", ");
    if !unknown.is_empty() && distribution.is_some() {
        text.push_str(&format!("; no package is known here for {unknown}"));
    } else if !unknown.is_empty() {
        let managers: BTreeSet<_> = Distribution::ALL.map(Distribution::manager).into();
        let managers = managers.into_iter().collect::<Vec<_>>().join(", ");
        text.push_str(&format!("; install {unknown}: none of {managers} is on your PATH"));
    }
    let rustup = fix::of_rustup(missing).join(", ");
    if !rustup.is_empty() {
        text.push_str(&format!("; rustup (https://rustup.rs) has {rustup}"));
    }
    if let Some(line) = fix::line(distribution, missing, settings, purpose) {
        text.push_str(&format!("; this repairs it:\n{line}"));
    }
    text
}
