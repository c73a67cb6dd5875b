//! `boot.json`: what was booted, how, and what came of it.

use super::artifacts::Subject;
use super::guest::About;
use super::machine::Size;
use super::scenario::Proof;
use super::watch::{Failure, Outcome};
use crate::digest::Digest;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything there is to say of the proofs of one version.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    pub k3s: String,
    pub guest: About,
    /// In MiB.
    pub memory: u32,
    pub cpus: u8,
    /// The packages and the binary that were proved, by their names.
    pub files: BTreeMap<String, Digest>,
    pub proofs: Vec<Proved>,
    /// Scenarios that these files allow and that were not run, by choice or after an earlier failure.
    pub left_out: Vec<&'static str>,
}

/// One proof, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Proved {
    pub name: &'static str,
    pub what: &'static str,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Returns the name of a proof's console log, which is beside the record.
pub fn console_log(proof: &str) -> String {
    format!("console-{proof}.log")
}

impl Record {
    pub fn new(subject: &Subject, guest: &About, size: &Size) -> Result<Record> {
        Ok(Record {
            k3s: subject.version.clone(),
            guest: guest.clone(),
            memory: size.memory.0,
            cpus: size.cpus,
            files: subject.digests()?,
            proofs: Vec::new(),
            left_out: subject.proofs().into_iter().map(Proof::name).collect(),
        })
    }

    /// Takes in what came of a proof.
    pub fn add(&mut self, proof: Proof, outcome: Outcome) {
        self.left_out.retain(|name| *name != proof.name());
        self.proofs.push(Proved { name: proof.name(), what: proof.what(), outcome });
    }

    /// The failure that ended it, with the name of the proof.
    pub fn failure(&self) -> Option<(&'static str, &Failure)> {
        self.proofs.iter().find_map(|proved| Some((proved.name, proved.outcome.failure.as_ref()?)))
    }
}
