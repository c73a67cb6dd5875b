//! Caveats of a product, which every report of it contains.

use crate::k3s::Optional;
use crate::product::check::CheckResult;
use crate::product::manifest::Manifest;
use crate::upstream::release::Origin;
use crate::url::without_credentials;

/// A restriction that a user must not overlook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caveat {
    /// A few words.
    pub label: String,
    pub sentence: String,
}

/// Returns the title of reports.
pub(super) fn title(manifest: &Manifest) -> String {
    let Manifest { k3s, arch, origin, .. } = manifest;
    let what = if *origin == Origin::Sample { "k3s sample" } else { "k3s" };
    format!("{what} {k3s} for {arch}")
}

/// Returns all restrictions of a product.
pub(super) fn caveats(manifest: &Manifest, location: &str) -> Vec<Caveat> {
    let caveat = |label: &str, sentence: String| Caveat { label: label.to_owned(), sentence };
    let mut found = Vec::new();
    match manifest.origin {
        Origin::Release => {}
        Origin::Sample => found.push(caveat(
            "sample, not k3s",
            "A small stand-in for k3s, on which the pipeline is tried: no pod runs on it.".to_owned(),
        )),
        Origin::Tree => found.push(caveat(
            "not an upstream release",
            format!("Built from the tree {}.", without_credentials(location)),
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
    if !manifest.builtin_pause {
        found.push(caveat(
            "pause image not inside",
            format!("Pods start only where {} can be pulled or was imported.", manifest.pause_image),
        ));
    }
    for check in &manifest.checks {
        if let CheckResult::NotRun(reason) = &check.result {
            found.push(caveat("not fully checked", format!("Not checked: {}, since {reason}.", check.what)));
        }
    }
    found
}
