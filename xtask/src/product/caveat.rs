//! Caveats of a product: every report of it and its packages contain them, and a release has none.

use super::check::CheckResult;
use super::manifest::Manifest;
use crate::k3s::Optional;
use crate::upstream::release::Origin;
use std::fmt;

/// A restriction that a user must not overlook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caveat {
    /// A few words.
    pub label: String,
    pub sentence: String,
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.label, self.sentence)
    }
}

fn caveat(label: &str, sentence: String) -> Caveat {
    Caveat { label: label.to_owned(), sentence }
}

/// Returns all caveats of a product.
pub fn all(manifest: &Manifest) -> Vec<Caveat> {
    let mut found = against_release(manifest);
    if !manifest.builtin_pause {
        found.push(caveat(
            "pause image not inside",
            format!("Pods start only where {} can be pulled or was imported.", manifest.pause_image),
        ));
    }
    for image in &manifest.builtin_images {
        if let Some(version) = &image.substitute {
            let sentence = format!("The {} inside k3s is built from {version}.", image.reference);
            found.push(caveat("an image of another version", sentence));
        }
    }
    found
}

/// Returns the caveats that keep a product from being released.
pub fn against_release(manifest: &Manifest) -> Vec<Caveat> {
    let mut found = Vec::new();
    match manifest.origin {
        Origin::Release => {}
        Origin::Sample => found.push(caveat(
            "sample, not k3s",
            "A small stand-in for k3s, on which the pipeline is tried: no pod runs on it.".to_owned(),
        )),
        Origin::Tree => found.push(caveat(
            "not an upstream release",
            format!("Built from commit {} of a tree.", manifest.commit),
        )),
    }
    let local: Vec<String> = manifest.local_modules().map(|module| module.to_string()).collect();
    if !local.is_empty() {
        let sentence = format!("Compiled from directories of the tree: {}.", local.join(", "));
        found.push(caveat("modules that are not upstream's", sentence));
    }
    for missing in &manifest.incomplete {
        let sentence = match missing {
            Optional::K3sRoot => "It relies on the host's own iptables, conntrack and mount.",
            Optional::Charts => "It does not install traefik.",
        };
        found.push(caveat(&format!("without {missing}"), sentence.to_owned()));
    }
    if let Some(oldest) = manifest.too_new_for() {
        let level = &manifest.level;
        let sentence = format!("Machines that know no more than {oldest} cannot run it.");
        found.push(caveat(&format!("for {level} only"), sentence));
    }
    for check in &manifest.checks {
        if let CheckResult::NotRun(reason) = &check.result {
            found.push(caveat("not fully checked", format!("Not checked: {}, since {reason}.", check.what)));
        }
    }
    found
}
