//! Checks that products have the same build inputs: those of several architectures, and one that is released
//! beside the sources from which users are to build it again.

use super::problems::Problem;
use crate::images::builtin;
use crate::k3s::options::Presence;
use crate::k3s::{Build, Optional};
use crate::product::manifest::{Manifest, PatchEntry, tools};
use crate::releases_url::ReleasesUrl;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

/// Build inputs that do not depend on the architecture: values by their names.
type BuildInputs = BTreeMap<String, String>;

/// Compares products of several architectures.
pub fn between(manifests: &[&Manifest]) -> Vec<Problem> {
    let Some((first, others)) = manifests.split_first() else { return Vec::new() };
    let inputs = |manifest: &Manifest| {
        let mut inputs = of_manifest(manifest);
        inputs.insert("origin".to_owned(), format!("{:?}", manifest.origin));
        inputs.extend(manifest.sources.iter().map(|(name, value)| (format!("source {name}"), value.clone())));
        inputs
    };
    let expected = inputs(first);
    let mut problems = Vec::new();
    for other in others {
        for (name, one, two) in differences(&expected, &inputs(other)) {
            let (first, other) = (&first.arch, &other.arch);
            let text = format!("mixed: the {name} is {one} for {first} and {two} for {other}");
            problems.push(Problem::Blocking(text));
        }
    }
    problems
}

/// Compares a product with the build that the options ask for, whose sources are released beside it.
pub fn with_build(manifest: &Manifest, build: &Build) -> Result<Vec<Problem>> {
    let (mut found, mut expected) = (of_manifest(manifest), of_build(build)?);
    found.insert("level".to_owned(), manifest.level.clone());
    expected.insert("level".to_owned(), build.level().to_owned());
    let images = manifest.builtin_images.iter().map(|image| &image.reference);
    found.insert("images inside k3s".to_owned(), names(images));
    expected.insert("images inside k3s".to_owned(), names(builtin::references(build)?));
    let problem = |(name, found, expected)| {
        let arch = &manifest.arch;
        Problem::Blocking(format!(
            "{arch}: it is another product than was selected: {name}: {found}, not {expected}"
        ))
    };
    Ok(differences(&found, &expected).into_iter().map(problem).collect())
}

fn of_manifest(manifest: &Manifest) -> BuildInputs {
    let fixed = [
        ("k3s version", manifest.k3s.clone()),
        ("commit", manifest.commit.clone()),
        ("pause image", pause_image(&manifest.pause_image, manifest.builtin_pause)),
        ("list of missing components", Optional::names(&manifest.incomplete)),
        ("URL of the releases", releases(manifest.releases.as_ref())),
    ];
    build_inputs(fixed, &manifest.patches, &manifest.tools)
}

fn of_build(build: &Build) -> Result<BuildInputs> {
    let options = &build.options;
    let fixed = [
        ("k3s version", build.source.version.to_string()),
        ("commit", build.source.commit.id.clone()),
        (
            "pause image",
            pause_image(build.pause_image.as_str(), options.builtin_pause() == Presence::Included),
        ),
        ("list of missing components", Optional::names(&build.incomplete())),
        ("URL of the releases", releases(options.releases.as_ref())),
    ];
    let patches: Vec<PatchEntry> = build.patched.outcome.applied.iter().map(PatchEntry::of).collect();
    Ok(build_inputs(fixed, &patches, &tools(build)?))
}

fn build_inputs(
    fixed: [(&str, String); 5],
    patches: &[PatchEntry],
    tools: &BTreeMap<String, String>,
) -> BuildInputs {
    let fixed = fixed.into_iter().map(|(name, value)| (name.to_owned(), value));
    let patches =
        patches.iter().map(|patch| (format!("patch {}", patch.name), patch.diff_sha256.to_string()));
    let tools = tools.iter().map(|(name, version)| (format!("tool {name}"), version.clone()));
    fixed.chain(patches).chain(tools).collect()
}

fn pause_image(reference: &str, is_builtin: bool) -> String {
    format!("{reference}, {}", if is_builtin { "inside" } else { "not inside" })
}

fn names(images: impl IntoIterator<Item = impl ToString>) -> String {
    images.into_iter().map(|image| image.to_string()).collect::<Vec<_>>().join(" ")
}

fn releases(url: Option<&ReleasesUrl>) -> String {
    url.map_or_else(|| "none".to_owned(), ReleasesUrl::to_string)
}

/// Returns the name of each difference, with the value of either side.
fn differences<'i>(one: &'i BuildInputs, other: &'i BuildInputs) -> Vec<(&'i str, &'i str, &'i str)> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let value = |of: &'i BuildInputs, name: &str| of.get(name).map_or("none", String::as_str);
    let pairs = names.into_iter().map(|name| (name.as_str(), value(one, name), value(other, name)));
    pairs.filter(|(_, one, other)| one != other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_include_what_only_one_has() {
        let inputs = |pairs: &[(&str, &str)]| -> BuildInputs {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let one = inputs(&[("patch a", "1"), ("patch b", "1"), ("tool go", "1.24.2")]);
        let other = inputs(&[("patch b", "1"), ("patch c", "1"), ("tool go", "1.24.3")]);
        assert_eq!(
            differences(&one, &other),
            [("patch a", "1", "none"), ("patch c", "none", "1"), ("tool go", "1.24.2", "1.24.3")]
        );
        assert_eq!(differences(&one, &one), []);
    }
}
