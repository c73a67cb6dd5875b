//! `boot.json`: the guest, the tested files and the result of each scenario.

use super::artifacts::Artifacts;
use super::guest::About;
use super::scenario::Scenario;
use super::vm::Size;
use super::watch::{Failure, Outcome};
use crate::digest::Digest;
use serde::Serialize;
use std::collections::BTreeMap;

/// Results of one version.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    pub k3s: String,
    pub guest: About,
    /// In MiB.
    pub memory: u32,
    pub cpus: u8,
    /// Assets of the release that were made from the tested files, by file name.
    pub derived: BTreeMap<String, Digest>,
    pub scenarios: Vec<ScenarioResult>,
    /// Scenarios that apply to these files and were not run: not selected, or after a failure.
    pub not_run: Vec<&'static str>,
}

/// The result of one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct ScenarioResult {
    pub name: &'static str,
    /// The tested files, by file name.
    pub files: BTreeMap<String, Digest>,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The file.
pub const RESULTS: &str = "boot.json";

/// Returns the name of a scenario's console log, which is beside `boot.json`.
pub fn console_log(scenario: &str) -> String {
    format!("console-{scenario}.log")
}

impl Results {
    pub fn new(artifacts: &Artifacts, guest: &About, size: &Size) -> Results {
        Results {
            k3s: artifacts.version.clone(),
            guest: guest.clone(),
            memory: size.memory.0,
            cpus: size.cpus,
            derived: artifacts.derived.clone(),
            scenarios: Vec::new(),
            not_run: artifacts.scenarios().into_iter().map(Scenario::name).collect(),
        }
    }

    /// Adds the result of a scenario.
    pub fn add(&mut self, scenario: Scenario, files: BTreeMap<String, Digest>, outcome: Outcome) {
        self.not_run.retain(|name| *name != scenario.name());
        self.scenarios.push(ScenarioResult { name: scenario.name(), files, outcome });
    }

    /// Returns the failure that ended the run, with the name of its scenario.
    pub fn failure(&self) -> Option<(&'static str, &Failure)> {
        self.scenarios.iter().find_map(|result| Some((result.name, result.outcome.failure.as_ref()?)))
    }
}
