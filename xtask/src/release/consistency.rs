//! Checks that products have the same build inputs: those of several architectures, and one that is released
//! beside the sources from which users are to build it again.

use crate::k3s::Build;
use crate::product::manifest::{Manifest, PatchEntry, tools};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

/// Build inputs of a product: values by their names.
pub type Makings = BTreeMap<String, String>;

/// The patches and tools among it.
pub fn makings(patches: &[PatchEntry], tools: &BTreeMap<String, String>) -> Makings {
    let patches =
        patches.iter().map(|patch| (format!("patch {}", patch.name), patch.diff_sha256.to_string()));
    let tools = tools.iter().map(|(name, version)| (format!("tool {name}"), version.clone()));
    patches.chain(tools).collect()
}

/// In what two differ: a name, the one's value and the other's.
pub fn differing<'m>(one: &'m Makings, other: &'m Makings) -> Vec<(&'m str, &'m str, &'m str)> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let value = |of: &'m Makings, name: &str| of.get(name).map_or("none", String::as_str);
    let pairs = names.into_iter().map(|name| (name.as_str(), value(one, name), value(other, name)));
    pairs.filter(|(_, one, other)| one != other).collect()
}

/// In what a finished product was made of other patches or by other tools than a build would use. The sources
/// that are released beside it are those of the build, and would come to another program.
pub fn with_build(manifest: &Manifest, build: &Build) -> Result<Vec<String>> {
    let patches: Vec<PatchEntry> = build.patched.outcome.applied.iter().map(PatchEntry::of).collect();
    let found = makings(&manifest.patches, &manifest.tools);
    let wanted = makings(&patches, &tools(build)?);
    let differing = differing(&found, &wanted);
    Ok(differing.into_iter().map(|(what, found, wanted)| another(manifest, what, found, wanted)).collect())
}

/// Says that a product is not the one that was chosen.
pub fn another(manifest: &Manifest, what: &str, found: &str, wanted: &str) -> String {
    format!("{}: it is another product than was chosen: {what}: {found}, not {wanted}", manifest.arch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_only_one_has_or_both_have_otherwise_is_a_difference() {
        let makings = |pairs: &[(&str, &str)]| -> Makings {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let one = makings(&[("patch a", "1"), ("patch b", "1"), ("tool go", "1.24.2")]);
        let other = makings(&[("patch b", "1"), ("patch c", "1"), ("tool go", "1.24.3")]);
        assert_eq!(
            differing(&one, &other),
            [("patch a", "1", "none"), ("patch c", "none", "1"), ("tool go", "1.24.2", "1.24.3")]
        );
        assert_eq!(differing(&one, &one), []);
    }
}
