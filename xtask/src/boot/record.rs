//! `boot.json`: what was booted, how, and what came of it.

use super::guest::About;
use super::machine::Size;
use super::proof::Proof;
use super::run::{Failure, Outcome};
use serde::Serialize;

/// Everything there is to say of the proofs of one version.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    pub k3s: String,
    pub guest: About,
    /// In MiB.
    pub memory: u32,
    pub cpus: u8,
    pub proofs: Vec<Proved>,
}

/// One proof, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Proved {
    pub name: &'static str,
    pub what: &'static str,
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Proved {
    pub fn new(proof: Proof, outcome: Outcome) -> Proved {
        Proved { name: proof.name(), what: proof.what(), outcome }
    }
}

impl Record {
    pub fn new(version: &str, guest: &About, size: &Size) -> Record {
        Record {
            k3s: version.to_owned(),
            guest: guest.clone(),
            memory: size.memory.0,
            cpus: size.cpus,
            proofs: Vec::new(),
        }
    }

    /// The failure that ended it, with the name of the proof.
    pub fn failure(&self) -> Option<(&'static str, &Failure)> {
        self.proofs.iter().find_map(|proved| Some((proved.name, proved.outcome.failure.as_ref()?)))
    }
}
