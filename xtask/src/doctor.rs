//! Check of this machine for the commands' needs, and the command line that installs what is missing.
//!
//! [`needs`] is the table, [`packages`] names each distribution's packages for it, [`search`] looks for one need,
//! [`repair`] writes the command line. The check fetches nothing and changes nothing.

pub mod fix;
pub mod packages;
pub mod requirements;
pub mod search;
pub mod tool;

use crate::context::{Context, Network};
use anyhow::{Result, bail};
use packages::Distribution;
use requirements::{NEEDS, Need};
use search::Finding;
use std::collections::BTreeSet;

/// A command that has needs of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
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
    Test,
    Bench,
}

impl Purpose {
    pub const ALL: [Purpose; 7] = {
        use Purpose::*;
        [Build, Pause, Push, Rpm, Boot, Test, Bench]
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
            Test => &[Build, Pause, Push, Rpm, Boot, Test],
            Bench => &[Build, Pause, Bench],
        }
    }

    /// Returns the name that is given after `--for`.
    pub fn name(self) -> &'static str {
        use Purpose::*;
        match self {
            Build => "build",
            Pause => "pause",
            Push => "push",
            Rpm => "rpm",
            Boot => "boot",
            Test => "test",
            Bench => "bench",
        }
    }
}

/// A need and its state on this machine.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    pub need: &'static Need,
    pub finding: Finding,
}

/// Returns the needs of one command, or of all.
pub fn needs(purpose: Option<Purpose>) -> impl Iterator<Item = &'static Need> {
    NEEDS.iter().filter(move |need| {
        purpose.is_none_or(|purpose| need.purposes.iter().any(|own| purpose.parts().contains(own)))
    })
}

/// Looks for everything, given a context that is forbidden the network.
pub fn examine(offline: &Context, purpose: Option<Purpose>) -> Vec<Diagnosis> {
    needs(purpose).map(|need| Diagnosis { need, finding: need.search.look(offline) }).collect()
}

/// Checks that these needs of a command are met, or can be fetched by it; the error ends with the command line
/// that installs the rest.
pub fn require(context: &Context, purpose: Purpose, names: &[&str]) -> Result<()> {
    let offline = Context::new(Some(context.jobs), Network::Forbidden)?;
    let needs = NEEDS.iter().filter(|need| names.contains(&need.name));
    let found = needs.map(|need| Diagnosis { need, finding: need.search.look(&offline) });
    let is_missing = |finding: &Finding| matches!(finding, Finding::OffPath(_) | Finding::Missing(_));
    let missing: Vec<Diagnosis> = found.filter(|diagnosis| is_missing(&diagnosis.finding)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let tools: Vec<&str> = missing.iter().map(|diagnosis| diagnosis.need.name).collect();
    bail!("not found: {}{}", tools.join(", "), remedies(&missing, Some(purpose), &[]))
}

/// Returns what to do about all that is missing, as the end of an error.
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
