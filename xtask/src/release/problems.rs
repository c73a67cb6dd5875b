//! Problems that keep products from being released. All are reported at once, so that a user who fixes one
//! also sees the next.

use super::Mode;
use super::consistency::{Makings, differing, makings};
use crate::lockfile::Lockfile;
use crate::product::manifest::Manifest;
use crate::product::{report, run};
use crate::upstream::release::UPSTREAM;
use anyhow::{Result, bail};
use std::collections::BTreeSet;

/// Problems that were found, each a sentence about one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// With these there can be no directory at all.
    pub errors: Vec<String>,
    /// With these it is no release.
    pub shortcomings: Vec<String>,
}

impl Faults {
    /// Returns what a preview says of itself, or one error that names everything.
    pub fn settle(self, mode: Mode) -> Result<Vec<String>> {
        let Faults { mut errors, shortcomings } = self;
        let refusal = match mode {
            Mode::Preview if errors.is_empty() => return Ok(shortcomings),
            Mode::Preview => "no directory can be made of this",
            Mode::Release if errors.is_empty() && shortcomings.is_empty() => return Ok(shortcomings),
            Mode::Release => {
                errors.extend(shortcomings);
                "a release is whole, locked, and built from an upstream tag's own commit; this is not\n  \
                 (with --preview the directory is made of anything, says what it is not, and cannot be published)"
            }
        };
        bail!("{refusal}{}", errors.iter().map(|reason| format!("\n- {reason}")).collect::<String>())
    }
}

/// Looks at products that are to be released together, each by its architecture.
pub fn of_products(manifests: &[&Manifest], lock: &Lockfile) -> Faults {
    let mut faults = Faults::default();
    let mut seen = BTreeSet::new();
    for manifest in manifests {
        if !seen.insert(&manifest.arch) {
            faults.errors.push(format!("{} is there twice", manifest.arch));
        }
        faults
            .shortcomings
            .extend(of_one(manifest).into_iter().map(|what| format!("{}: {what}", manifest.arch)));
        faults.shortcomings.extend(unlocked(manifest, lock));
    }
    faults.errors.extend(mixed(manifests));
    faults.shortcomings = distinct(faults.shortcomings);
    faults
}

/// Returns the problems that a manifest by itself shows.
fn of_one(manifest: &Manifest) -> Vec<String> {
    let mut found = Vec::new();
    match manifest.origin.as_str() {
        "release" => {}
        "sample" => found.push("it is the sample, which is no k3s".to_owned()),
        _ => found.push(format!(
            "it was built from a tree, and not from an upstream tag's own commit ({})",
            manifest.commit
        )),
    }
    let local: Vec<&str> = manifest.local_modules().map(|module| module.path.as_str()).collect();
    if !local.is_empty() {
        found
            .push(format!("it is compiled from directories of its tree in place of {}", local.join(" and ")));
    }
    if !manifest.incomplete.is_empty() {
        found.push(format!("it is incomplete, without {}", manifest.incomplete.join(" and ")));
    }
    if let Some(oldest) = manifest.too_new_for() {
        // Nothing in the names of the files, nor in what packages ask for, would keep it from such a machine.
        found.push(format!("it is built for {}, and machines of {oldest} cannot run it", manifest.level));
    }
    let unchecked: Vec<_> = manifest.checks.iter().filter_map(report::unchecked).collect();
    if unchecked.is_empty() && !manifest.checks.iter().any(|check| check.what == run::SERVER_STARTS) {
        found.push(format!(
            "its manifest does not say that it was run: it lacks the check {:?}",
            run::SERVER_STARTS
        ));
    }
    found.extend(unchecked.into_iter().map(|(what, why)| format!("nobody has checked {what}: {why}")));
    found
}

/// Returns a problem for each source that `k3s.lock.json` does not lock, or locks to another commit.
fn unlocked(manifest: &Manifest, lock: &Lockfile) -> Vec<String> {
    if manifest.origin != "release" {
        return Vec::new();
    }
    let k3s = (UPSTREAM, manifest.k3s.as_str(), manifest.commit.as_str());
    let clones = manifest.sources.iter().filter(|(name, _)| name.contains("://"));
    let clones = clones.filter_map(|(url, value)| {
        let (tag, commit) = value.split_once(' ')?;
        Some((url.as_str(), tag, commit))
    });
    let against =
        std::iter::once(k3s).chain(clones).filter_map(|(url, tag, commit)| match lock.commit(url, tag) {
            Some(locked) if locked == commit => None,
            Some(locked) => Some(format!("{url} {tag} is locked to {locked}, but {commit} was built")),
            None => Some(format!("k3s.lock.json does not lock {tag} of {url}")),
        });
    against.collect()
}

/// In what products differ that should be the same for every architecture.
fn mixed(manifests: &[&Manifest]) -> Vec<String> {
    let Some((first, others)) = manifests.split_first() else { return Vec::new() };
    let expected = ingredients(first);
    let mut found = Vec::new();
    for other in others {
        let theirs = ingredients(other);
        for (name, ours, theirs) in differing(&expected, &theirs) {
            found.push(format!(
                "mixed: the {name} is {ours} for {} and {theirs} for {}",
                first.arch, other.arch
            ));
        }
    }
    distinct(found)
}

/// Returns the build inputs of a product, apart from its architecture.
fn ingredients(manifest: &Manifest) -> Makings {
    let inside = if manifest.builtin_pause { "inside" } else { "not inside" };
    let one = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut all = Makings::from([
        one("k3s version", &manifest.k3s),
        one("commit", &manifest.commit),
        one("origin", &manifest.origin),
        one("pause image", &format!("{}, {inside}", manifest.pause_image)),
        one("list of missing parts", &manifest.incomplete.join(", ")),
    ]);
    all.extend(makings(&manifest.patches, &manifest.tools));
    all.extend(manifest.sources.iter().map(|(name, value)| (format!("source {name}"), value.clone())));
    all
}

/// Each sentence once, in the order of their first.
fn distinct(sentences: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    sentences.into_iter().filter(|sentence| seen.insert(sentence.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::lockfile::Adding;
    use crate::product::check::Check;
    use crate::product::manifest::PatchEntry;
    use crate::product::third_party::ThirdParty;
    use std::collections::BTreeMap;

    const COMMIT: &str = "dc03cb4b3f0f3ab1b5d5f5c2a1a1a1a1a1a1a1a1";
    const PLUGINS: &str = "https://github.com/rancher/plugins";

    fn lock(text: &str) -> Lockfile {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("lock.json");
        std::fs::write(&file, text).unwrap();
        Lockfile::open(&file, Adding::Forbidden).unwrap()
    }

    fn whole_lock() -> Lockfile {
        lock(&format!(
            r#"{{"tags": {{"{UPSTREAM}": {{"v1.33.0+k3s1": "{COMMIT}"}}, "{PLUGINS}": {{"v1.6.0-k3s1": "{COMMIT}"}}}}}}"#
        ))
    }

    fn manifest(arch: &str) -> Manifest {
        let pair = |name: &str, value: String| BTreeMap::from([(name.to_owned(), value)]);
        Manifest {
            k3s: "v1.33.0+k3s1".into(),
            commit: COMMIT.into(),
            origin: "release".into(),
            arch: arch.into(),
            level: crate::target::Target::named(arch).unwrap().go_level.1.into(),
            source_date_epoch: 0,
            modified: true,
            pause_image: "example/pause:1".into(),
            builtin_pause: true,
            incomplete: vec![],
            patches: vec![PatchEntry {
                name: "pause-image".into(),
                why: "riscv64".into(),
                files: vec![],
                diff_sha256: Digest::of("a diff"),
            }],
            third_party: ThirdParty::default(),
            sources: pair(PLUGINS, format!("v1.6.0-k3s1 {COMMIT}")),
            tools: pair("go", "1.24.2".into()),
            parts: BTreeMap::new(),
            files: BTreeMap::new(),
            checks: vec![Check { what: run::SERVER_STARTS.into(), seen: "Starting k3s".into() }],
        }
    }

    #[test]
    fn whole_locked_products_of_one_release_have_no_fault() {
        let (one, other) = (manifest("riscv64"), manifest("arm64"));
        let faults = of_products(&[&one, &other], &whole_lock());
        assert_eq!(faults, Faults::default());
        assert_eq!(faults.settle(Mode::Release).unwrap(), [""; 0]);
    }

    #[test]
    fn everything_that_keeps_a_product_from_being_released_is_told_in_one_error() {
        let mut tree = manifest("riscv64");
        tree.origin = "tree".into();
        tree.incomplete = vec!["charts".into(), "k3s-root".into()];
        let what = "NOT CHECKED: whether the product runs".into();
        tree.checks.push(Check { what, seen: "qemu-riscv64 is missing".into() });
        let error = of_products(&[&tree], &lock("{}")).settle(Mode::Release).unwrap_err().to_string();
        for reason in [
            &format!(
                "\n- riscv64: it was built from a tree, and not from an upstream tag's own commit ({COMMIT})"
            ),
            "\n- riscv64: it is incomplete, without charts and k3s-root",
            "\n- riscv64: nobody has checked whether the product runs: qemu-riscv64 is missing",
        ] {
            assert!(error.contains(reason), "{reason}: {error}");
        }
        let mut local = manifest("riscv64");
        local.third_party.modules =
            ["a v1.0.0", "b v1.0.0 => ./lab/b"].map(|text| text.parse().unwrap()).into();
        assert_eq!(
            of_products(&[&local], &whole_lock()).shortcomings,
            ["riscv64: it is compiled from directories of its tree in place of b"]
        );
        let mut sample = manifest("riscv64");
        sample.origin = "sample".into();
        assert_eq!(
            of_products(&[&sample], &lock("{}")).shortcomings,
            ["riscv64: it is the sample, which is no k3s"]
        );
    }

    #[test]
    fn what_older_machines_cannot_run_and_what_was_never_run_is_not_released() {
        let said = |change: fn(&mut Manifest)| {
            let mut manifest = manifest("riscv64");
            change(&mut manifest);
            of_products(&[&manifest], &whole_lock()).shortcomings
        };
        assert_eq!(
            said(|manifest| manifest.level = "rva22u64".into()),
            ["riscv64: it is built for rva22u64, and machines of rva20u64 cannot run it"]
        );
        let never = said(|manifest| manifest.checks.clear());
        assert!(never.len() == 1 && never[0].contains("does not say that it was run"), "{never:?}");
    }

    #[test]
    fn what_the_lock_does_not_know_or_knows_otherwise_is_not_released() {
        let (one, other) = (manifest("riscv64"), manifest("arm64"));
        assert_eq!(
            of_products(&[&one, &other], &lock("{}")).shortcomings,
            [
                format!("k3s.lock.json does not lock v1.33.0+k3s1 of {UPSTREAM}"),
                format!("k3s.lock.json does not lock v1.6.0-k3s1 of {PLUGINS}"),
            ],
            "each is told once, for all architectures"
        );
        let mut moved = manifest("riscv64");
        moved.commit = "a".repeat(40);
        let said = of_products(&[&moved], &whole_lock()).shortcomings;
        assert_eq!(
            said,
            [format!("{UPSTREAM} v1.33.0+k3s1 is locked to {COMMIT}, but {} was built", moved.commit)]
        );
    }

    #[test]
    fn products_that_differ_in_more_than_their_architecture_make_no_directory_even_in_preview() {
        let one = manifest("riscv64");
        let mut other = manifest("arm64");
        other.k3s = "v1.33.1+k3s1".into();
        other.tools.insert("go".into(), "1.24.3".into());
        other.patches.clear();
        let faults = of_products(&[&one, &other], &whole_lock());
        let error = faults.settle(Mode::Preview).unwrap_err().to_string();
        for reason in [
            "the k3s version is v1.33.0+k3s1 for riscv64 and v1.33.1+k3s1 for arm64",
            "the tool go is 1.24.2 for riscv64 and 1.24.3 for arm64",
            "the patch pause-image is ",
        ] {
            assert!(error.contains(reason), "{reason}: {error}");
        }
        let twice = of_products(&[&one, &one], &whole_lock());
        assert_eq!(twice.errors, ["riscv64 is there twice"]);
    }
}
