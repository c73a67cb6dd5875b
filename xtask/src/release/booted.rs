//! The results of the boot tests of a release, `boot.json`: which of its files were booted, and in which scenarios.
//!
//! They are made on the very directory that is published (`cargo xtask boot --release`), and hold the digests of what
//! was tested. Files for architectures that are not booted are published without, and notes and
//! `cargo xtask release check` say so; of those for x86_64, the package of a server is booted.

use super::assets::{self, Check, Proof};
use super::check::{self, Checked};
use super::problems::Problem;
use crate::boot;
use crate::boot::artifacts::{Artifacts, is_for_server};
use crate::boot::images::DefaultImages;
use crate::boot::platform::X86_64;
use crate::boot::results::RESULTS;
use crate::boot::scenario::Scenario;
use crate::digest::Digest;
use crate::images::airgap;
use crate::product::load::INSTALL;
use crate::product::manifest::Manifest;
use crate::rpm::nevra::is_installable;
use crate::target::Target;
use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use fs_err as fs;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Digests of files, by their names.
type Digests = BTreeMap<String, Digest>;

/// The results of one run, as far as a release needs them, see [`boot::results::Results`].
#[derive(Debug, Deserialize)]
pub struct Run {
    pub k3s: String,
    pub guest: RunGuest,
    derived: Digests,
    pub scenarios: Vec<RunScenario>,
}

#[derive(Debug, Deserialize)]
pub struct RunGuest {
    pub kernel: String,
}

#[derive(Debug, Deserialize)]
pub struct RunScenario {
    pub name: String,
    files: Digests,
    pub reached: Vec<RunMilestone>,
    failure: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub struct RunMilestone {
    name: String,
    /// Seconds since power-on.
    pub at: f64,
}

impl RunScenario {
    /// Returns the scenario, if it has passed with files of these digests: with all milestones that it has now.
    pub fn passed(&self, sums: &Digests) -> Option<Scenario> {
        let scenario = Scenario::from_str(&self.name, false).ok()?;
        let milestones = scenario.milestones();
        let is_complete =
            self.reached.iter().map(|reached| reached.name.as_str()).eq(milestones.iter().map(|it| it.name));
        let is_same = |(name, digest): (&String, &Digest)| sums.get(name) == Some(digest);
        let is_of_these = !self.files.is_empty() && self.files.iter().all(is_same);
        (self.failure.is_none() && is_complete && is_of_these).then_some(scenario)
    }
}

/// Returns the runs in a file: one, as `cargo xtask boot` writes it, or those of a release.
pub fn read(file: &Path) -> Result<Vec<serde_json::Value>> {
    let value =
        serde_json::from_slice(&fs::read(file)?).with_context(|| format!("reading {}", file.display()))?;
    Ok(match value {
        serde_json::Value::Array(runs) => runs,
        one => vec![one],
    })
}

/// Returns what is known of runs.
pub fn runs(values: Vec<serde_json::Value>) -> Result<Vec<Run>> {
    values
        .into_iter()
        .map(|run| Ok(serde_json::from_value(run)?))
        .collect::<Result<_>>()
        .context("these results are not of this version of cargo xtask boot")
}

/// Returns the files of a release that are booted.
pub fn artifacts(root: &Path, directory: &Path) -> Result<Artifacts> {
    let checked = check::directory(directory)?;
    let target = boot::target()?;
    let manifest = checked.manifests.iter().find(|manifest| manifest.arch == target.go);
    let manifest =
        manifest.with_context(|| format!("{} has no product for {}", directory.display(), target.go))?;
    of_release(root, directory, manifest, &checked.sums)
}

fn of_release(root: &Path, directory: &Path, manifest: &Manifest, sums: &Digests) -> Result<Artifacts> {
    let target = boot::target()?;
    let mut artifacts = Artifacts::of_manifest(&directory.join(target.k3s_binary()), Some(manifest))?;
    artifacts.installer = Some(directory.join(INSTALL));
    artifacts.packages = packages(sums)?.into_iter().map(|name| directory.join(name)).collect();
    let packages = artifacts.packages.iter().filter_map(|package| package.file_name()?.to_str());
    let repository =
        packages.filter_map(assets::dist).map(|dist| assets::expand(assets::REPOSITORY, target, dist)).min();
    if let Some(archive) = repository.filter(|name| sums.contains_key(name)) {
        artifacts = artifacts.with_repository(directory.join(archive))?;
    }
    if artifacts.is_real() && sums.contains_key(&airgap::archive_name(target)) {
        artifacts.images = Some(DefaultImages::open(root, directory, &manifest.k3s)?);
    }
    artifacts.derived =
        of(sums, target, Proof::Derived).map(|(name, digest)| (name.clone(), digest.clone())).collect();
    Ok(artifacts)
}

/// Returns the packages that VMs install: those under test, and that of the server of a mixed cluster.
fn packages(sums: &Digests) -> Result<BTreeSet<&str>> {
    let (target, server) = (boot::target()?, X86_64.target()?);
    let under_test = of(sums, target, Proof::Booted).filter(|(name, _)| is_installable(name, target));
    let server = of(sums, server, Proof::Booted).filter(|(name, _)| is_for_server(name));
    Ok(under_test.chain(server).map(|(name, _)| name.as_str()).collect())
}

/// Returns the assets for an architecture that need this proof. Packages for several releases of openEuler install the same
/// files ([`super::packages`]), so that those for the first are booted.
fn of<'s>(
    sums: &'s Digests,
    target: &'s Target,
    proof: Proof,
) -> impl Iterator<Item = (&'s String, &'s Digest)> {
    let first =
        sums.keys().filter(|name| is_installable(name, target)).filter_map(|name| assets::dist(name)).min();
    sums.iter().filter(move |(name, _)| {
        let Some((asset, of)) = assets::of(name) else { return false };
        match asset.check {
            Check::Package if asset.proof == Proof::Booted => {
                let needed = if assets::dist(name) == first { Proof::Booted } else { Proof::Derived };
                is_installable(name, target) && needed == proof
            }
            _ => asset.proof == proof && of.go == target.go,
        }
    })
}

/// Returns the problems of a directory whose files for the booted architecture were not booted. The root is that of
/// this repository.
pub fn problems(root: &Path, checked: &Checked) -> Result<Vec<Problem>> {
    let target = boot::target()?;
    let Checked { directory, manifests, sums, .. } = checked;
    let Some(manifest) = manifests.iter().find(|manifest| manifest.arch == target.go) else {
        return Ok(Vec::new());
    };
    let problem = |text: String| Problem::NonBlocking(format!("{}: {text}", target.go));
    if !sums.contains_key(RESULTS) {
        let remedy = "cargo xtask boot --release DIR, then cargo xtask release add-boot DIR";
        return Ok(vec![problem(format!("nothing was booted, since there is no {RESULTS}: {remedy}"))]);
    }
    let runs = runs(read(&directory.join(RESULTS))?)?;
    for run in &runs {
        ensure!(run.k3s == manifest.k3s, "{RESULTS} has results of k3s {}, not of {}", run.k3s, manifest.k3s);
    }
    let passed: Vec<(Scenario, &RunScenario, &Run)> = runs
        .iter()
        .flat_map(|run| {
            run.scenarios.iter().filter_map(move |result| Some((result.passed(sums)?, result, run)))
        })
        .collect();
    let booted: BTreeSet<_> = passed.iter().flat_map(|(_, result, _)| &result.files).collect();
    let derived: BTreeSet<_> = passed.iter().flat_map(|(_, _, run)| &run.derived).collect();
    let mut problems: Vec<Problem> = required(&of_release(root, directory, manifest, sums)?)
        .into_iter()
        .filter(|required| !passed.iter().any(|(scenario, ..)| scenario == required))
        .map(|scenario| problem(format!("the scenario {} has not passed with these files", scenario.name())))
        .collect();
    for (proof, listed) in [(Proof::Booted, &booted), (Proof::Derived, &derived)] {
        let unlisted = of(sums, target, proof).filter(|file| !listed.contains(file));
        problems
            .extend(unlisted.map(|(name, _)| problem(format!("{name} is in no scenario that has passed"))));
    }
    Ok(problems)
}

/// Returns the scenarios that have to pass: all that apply, except those of another kernel than a guest's own, which
/// are no test of these files.
pub fn required(artifacts: &Artifacts) -> Vec<Scenario> {
    let mut scenarios = artifacts.scenarios();
    scenarios.retain(|scenario| !scenario.needs_kernel());
    scenarios
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_a_mixed_cluster_are_booted() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let booted = names(&[
            "k3s-1.35.1+k3s1-1.oe2403.riscv64.rpm",
            "k3s-1.35.1+k3s1-1.oe2403.x86_64.rpm",
            "k3s-cli-1.35.1+k3s1-1.oe2403.noarch.rpm",
        ]);
        let others = names(&[
            "k3s-1.35.1+k3s1-1.oe2403.aarch64.rpm",
            "k3s-1.35.1+k3s1-1.oe2403.src.rpm",
            "k3s-pause-image-1.35.1+k3s1-1.oe2403.x86_64.rpm",
            "k3s-1.35.1+k3s1-1.oe2403sp1.x86_64.rpm",
        ]);
        let sums = booted.iter().chain(&others).map(|name| (name.clone(), Digest::of(name))).collect();
        assert_eq!(packages(&sums).unwrap().into_iter().collect::<Vec<_>>(), booted);
    }
}
