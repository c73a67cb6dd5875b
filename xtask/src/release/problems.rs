//! Problems that keep products from being released. All are reported at once, so that a user who fixes one
//! also sees the next.

use super::{Mode, consistency};
use crate::lockfile::Lockfile;
use crate::product::caveat;
use crate::product::manifest::Manifest;
use crate::product::run::SERVER_STARTS;
use crate::product::third_party::K3S_ROOT;
use crate::upstream::release::{Origin, UPSTREAM};
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::fmt;

/// A problem that keeps products from being released.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// No directory can be made, not even a preview.
    Blocking(String),
    /// A preview can be made, which names the problem.
    NonBlocking(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Problem::Blocking(text) | Problem::NonBlocking(text)) = self;
        f.write_str(text)
    }
}

/// Returns the problems that a preview names, or one error with all that the mode does not allow.
pub fn check(problems: Vec<Problem>, mode: Mode) -> Result<Vec<Problem>> {
    let (refused, allowed): (Vec<_>, Vec<_>) = problems
        .into_iter()
        .partition(|problem| mode == Mode::Release || matches!(problem, Problem::Blocking(_)));
    if refused.is_empty() {
        return Ok(allowed);
    }
    let reason = match mode {
        Mode::Preview => "no directory can be made of this",
        Mode::Release => {
            "a release is complete, locked, and built from an upstream tag's own commit; this is not\n  \
             (with --preview the directory is made of anything, says what it is not, and cannot be published)"
        }
    };
    bail!("{reason}{}", refused.iter().map(|problem| format!("\n- {problem}")).collect::<String>())
}

/// Returns the problem of packages without their source, which has to be published with them. The source packages of
/// several architectures have one name and the same sources, so one is enough.
pub fn no_source() -> Problem {
    Problem::NonBlocking("the packages come without their source, k3s-*.src.rpm".to_owned())
}

/// Returns the problems of products that are to be released together, each once.
pub fn of_products(manifests: &[&Manifest], lock: &Lockfile) -> Vec<Problem> {
    let mut problems = consistency::between(manifests);
    let mut architectures = BTreeSet::new();
    for manifest in manifests {
        let arch = &manifest.arch;
        if !architectures.insert(arch) {
            problems.push(Problem::Blocking(format!("there are two products for {arch}")));
        }
        let own = of_one(manifest).into_iter().map(|problem| format!("{arch}: {problem}"));
        problems.extend(own.chain(unlocked(manifest, lock)).map(Problem::NonBlocking));
    }
    let mut seen = BTreeSet::new();
    problems.retain(|problem| seen.insert(problem.clone()));
    problems
}

/// Returns the problems that a manifest by itself shows.
fn of_one(manifest: &Manifest) -> Vec<String> {
    let mut found: Vec<String> =
        caveat::against_release(manifest).iter().map(caveat::Caveat::to_string).collect();
    if !manifest.checks.iter().any(|check| check.what == SERVER_STARTS) {
        found.push(format!("its manifest does not list the check {SERVER_STARTS:?}"));
    }
    let third_party = &manifest.third_party;
    if let Some(tag) = third_party.libraries.get(K3S_ROOT).filter(|_| third_party.k3s_root.is_empty()) {
        found.push(format!(
            "k3s-root {tag} is not in xtask/k3s-root/releases.json: licence texts and sources of its programs are missing"
        ));
    }
    if manifest.releases.is_none() {
        let example = "https://github.com/OWNER/REPOSITORY/releases";
        found.push(format!("install.sh: it has no URL to download from; build with --releases {example}"));
    }
    found
}

/// Returns a problem for each source that `k3s.lock.json` does not lock, or locks to another commit.
fn unlocked(manifest: &Manifest, lock: &Lockfile) -> Vec<String> {
    if manifest.origin != Origin::Release {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::k3s::Optional;
    use crate::lockfile::Adding;
    use crate::product::check::{Check, CheckResult};
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
            origin: Origin::Release,
            arch: arch.into(),
            code: None,
            level: crate::target::Target::named(arch).unwrap().go_level.1.into(),
            source_date_epoch: 0,
            modified: true,
            pause_image: "example/pause:1".into(),
            builtin_pause: true,
            builtin_images: Vec::new(),
            releases: Some("https://host.example/me/k3s/releases".parse().unwrap()),
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
            components: BTreeMap::new(),
            files: BTreeMap::new(),
            checks: vec![Check {
                what: SERVER_STARTS.into(),
                result: CheckResult::Passed("Starting k3s".into()),
            }],
        }
    }

    fn texts(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(Problem::to_string).collect()
    }

    #[test]
    fn complete_locked_products_have_no_problem() {
        let (one, other) = (manifest("riscv64"), manifest("arm64"));
        assert_eq!(of_products(&[&one, &other], &whole_lock()), []);
    }

    #[test]
    fn one_error_names_every_problem() {
        let mut tree = manifest("riscv64");
        tree.origin = Origin::Tree;
        tree.incomplete = vec![Optional::Charts, Optional::K3sRoot];
        let result = CheckResult::NotRun("qemu-riscv64 was not found".into());
        tree.checks.push(Check { what: "the programs run".into(), result });
        let problems = of_products(&[&tree], &lock("{}"));
        assert_eq!(check(problems.clone(), Mode::Preview).unwrap(), problems);
        let error = check(problems, Mode::Release).unwrap_err().to_string();
        for reason in [
            &format!("\n- riscv64: not an upstream release: Built from commit {COMMIT} of a tree."),
            "\n- riscv64: without charts: It does not install traefik.",
            "\n- riscv64: without k3s-root: ",
            "\n- riscv64: not fully checked: Not checked: the programs run, since qemu-riscv64 was not found.",
        ] {
            assert!(error.contains(reason), "{reason}: {error}");
        }
        let mut local = manifest("riscv64");
        local.third_party.modules =
            ["a v1.0.0", "b v1.0.0 => ./lab/b"].map(|text| text.parse().unwrap()).into();
        assert_eq!(
            texts(&of_products(&[&local], &whole_lock())),
            [
                "riscv64: modules that are not upstream's: Compiled from directories of the tree: b v1.0.0 => ./lab/b."
            ]
        );
        let mut sample = manifest("riscv64");
        sample.origin = Origin::Sample;
        let found = texts(&of_products(&[&sample], &lock("{}")));
        assert!(found.len() == 1 && found[0].starts_with("riscv64: sample, not k3s: "), "{found:?}");
    }

    #[test]
    fn an_unknown_k3s_root_is_a_problem() {
        let mut manifest = manifest("riscv64");
        manifest.third_party.libraries.insert("k3s-root".into(), "v0.99.0".into());
        let found = texts(&of_products(&[&manifest], &whole_lock()));
        let expected = "riscv64: k3s-root v0.99.0 is not in xtask/k3s-root/releases.json: ";
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}");
        manifest.third_party.k3s_root.insert("busybox".into(), "1.37.0".into());
        assert_eq!(of_products(&[&manifest], &whole_lock()), []);
    }

    #[test]
    fn a_newer_level_or_a_missing_run_is_a_problem() {
        let problems = |change: fn(&mut Manifest)| {
            let mut manifest = manifest("riscv64");
            change(&mut manifest);
            texts(&of_products(&[&manifest], &whole_lock()))
        };
        assert_eq!(
            problems(|manifest| manifest.level = "rva22u64".into()),
            ["riscv64: for rva22u64 only: Machines that know no more than rva20u64 cannot run it."]
        );
        let never = problems(|manifest| manifest.checks.clear());
        assert!(never.len() == 1 && never[0].contains("does not list the check"), "{never:?}");
    }

    #[test]
    fn an_unlocked_source_is_a_problem() {
        let (one, other) = (manifest("riscv64"), manifest("arm64"));
        assert_eq!(
            texts(&of_products(&[&one, &other], &lock("{}"))),
            [
                format!("k3s.lock.json does not lock v1.33.0+k3s1 of {UPSTREAM}"),
                format!("k3s.lock.json does not lock v1.6.0-k3s1 of {PLUGINS}"),
            ],
            "each is reported once, for all architectures"
        );
        let mut moved = manifest("riscv64");
        moved.commit = "a".repeat(40);
        assert_eq!(
            texts(&of_products(&[&moved], &whole_lock())),
            [format!("{UPSTREAM} v1.33.0+k3s1 is locked to {COMMIT}, but {} was built", moved.commit)]
        );
    }

    #[test]
    fn mixed_products_make_no_preview() {
        let one = manifest("riscv64");
        let mut other = manifest("arm64");
        other.k3s = "v1.33.1+k3s1".into();
        other.tools.insert("go".into(), "1.24.3".into());
        other.patches.clear();
        let problems = of_products(&[&one, &other], &whole_lock());
        let error = check(problems, Mode::Preview).unwrap_err().to_string();
        for reason in [
            "the k3s version is v1.33.0+k3s1 for riscv64 and v1.33.1+k3s1 for arm64",
            "the tool go is 1.24.2 for riscv64 and 1.24.3 for arm64",
            "the patch pause-image is ",
        ] {
            assert!(error.contains(reason), "{reason}: {error}");
        }
        assert!(!error.contains("is locked to"), "{error}");
        let twice = of_products(&[&one, &one], &whole_lock());
        assert_eq!(twice, [Problem::Blocking("there are two products for riscv64".into())]);
    }
}
