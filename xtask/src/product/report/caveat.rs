//! What a product is not, said wherever it is told of.

use crate::product::check::Check;
use crate::product::manifest::Manifest;
use crate::url::without_credentials;

/// One thing that must not be overlooked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caveat {
    /// A few words.
    pub label: String,
    pub sentence: String,
}

/// What a product is called where it is told of.
pub(super) fn title(manifest: &Manifest) -> String {
    let Manifest { k3s, arch, origin, .. } = manifest;
    let what = if origin == "sample" { "k3s sample" } else { "k3s" };
    format!("{what} {k3s} for {arch}")
}

/// Everything that a product is not, lacks, or was not asked.
pub(super) fn caveats(manifest: &Manifest, location: &str) -> Vec<Caveat> {
    let caveat = |label: &str, sentence: String| Caveat { label: label.to_owned(), sentence };
    let mut found = Vec::new();
    match manifest.origin.as_str() {
        "release" => {}
        "sample" => found.push(caveat(
            "sample, not k3s",
            "A small stand-in for k3s, on which the pipeline is tried: no pod runs on it.".to_owned(),
        )),
        _ => found.push(caveat(
            "not an upstream release",
            format!("Built from the tree {}.", without_credentials(location)),
        )),
    }
    let local: Vec<String> = manifest.local_modules().map(|module| module.to_string()).collect();
    if !local.is_empty() {
        let sentence = format!("Compiled from directories of the tree: {}.", local.join(", "));
        found.push(caveat("modules that are not upstream's", sentence));
    }
    for lacking in &manifest.incomplete {
        let sentence = match lacking.as_str() {
            "k3s-root" => "It relies on the host's own iptables, conntrack and mount.".to_owned(),
            "charts" => "It does not install traefik.".to_owned(),
            other => format!("It lacks {other}."),
        };
        found.push(caveat(&format!("without {lacking}"), sentence));
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
    for (what, seen) in manifest.checks.iter().filter_map(unchecked) {
        found.push(caveat("not fully checked", format!("Nobody has checked {what}: {seen}.")));
    }
    found
}

/// What was not looked at and why, if the manifest says so in place of a check.
pub(crate) fn unchecked(check: &Check) -> Option<(&str, &str)> {
    Some((check.what.strip_prefix("NOT CHECKED: ")?, &check.seen))
}
