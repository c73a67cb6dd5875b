//! `manifest.json`: what the product is and what it was made of, without times and without paths.

use super::{Part, check::Check, go_buildinfo::Compiled, third_party::ThirdParty};
use crate::digest::Digest;
use crate::k3s::Build;
use crate::patch::Applied;
use crate::target::Target;
use crate::toolchain::rust::Rust;
use crate::upstream::release::Origin;
use crate::url::without_credentials;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The manifest, as it is written and read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub k3s: String,
    pub commit: String,
    /// `release`, `tree` or `sample`: only what was built from an upstream tag may be released.
    pub origin: String,
    pub arch: String,
    /// The level of the architecture that it is compiled for, as GORISCV64, GOARM64 or GOAMD64 takes it.
    pub level: String,
    /// Commit time in seconds since 1970, which is the time of everything inside.
    pub source_date_epoch: i64,
    /// This is not upstream's k3s: it is patched.
    pub modified: bool,
    pub pause_image: String,
    pub builtin_pause: bool,
    /// What a whole k3s has and this one has not.
    pub incomplete: Vec<String>,
    pub patches: Vec<PatchEntry>,
    /// Everything inside that others wrote.
    pub third_party: ThirdParty,
    /// Modules and repositories that parts were compiled from.
    pub sources: BTreeMap<String, String>,
    pub tools: BTreeMap<String, String>,
    /// What was compiled, whether it is shipped by itself or inside the binary.
    pub parts: BTreeMap<String, FileEntry>,
    /// The files beside this one.
    pub files: BTreeMap<String, FileEntry>,
    pub checks: Vec<Check>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    pub size: u64,
    pub sha256: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchEntry {
    pub name: String,
    pub why: String,
    pub files: Vec<String>,
    pub diff_sha256: Digest,
}

impl Manifest {
    /// Whether this part of a whole k3s is missing.
    pub fn lacks(&self, part: &str) -> bool {
        self.incomplete.iter().any(|lacking| lacking == part)
    }

    /// The modules that are compiled from directories of the tree, in place of those that go.mod names.
    pub fn local_modules(&self) -> impl Iterator<Item = &Compiled> {
        self.third_party.modules.iter().filter(|module| module.is_local())
    }

    /// The oldest level of the architecture, where the product is compiled for another one, which machines of
    /// the oldest do not run.
    pub fn too_new_for(&self) -> Option<&'static str> {
        let (_, oldest) = Target::named(&self.arch).ok()?.go_level;
        (self.level != oldest).then_some(oldest)
    }

    /// Writes down a build.
    pub fn of(
        build: &Build,
        parts: &[Part],
        checks: &[Check],
        third_party: ThirdParty,
        directory: &Path,
        files: &[String],
    ) -> Result<Manifest> {
        let parts = parts
            .iter()
            .map(|part| Ok((part.name.clone(), FileEntry::of(&part.path)?)))
            .collect::<Result<_>>()?;
        let files = files
            .iter()
            .map(|name| Ok((name.clone(), FileEntry::of(&directory.join(name))?)))
            .collect::<Result<_>>()?;
        let applied = &build.patched.outcome.applied;
        let mut sources = BTreeMap::from([
            ("containerd".to_owned(), build.facts.containerd.to_string()),
            ("runc".to_owned(), build.facts.runc.to_string()),
        ]);
        for clone in &build.facts.recipe.clones {
            if let Some(commit) = build.lock.commit(clone.url.trim_end_matches(".git"), &clone.tag) {
                let url = without_credentials(clone.url.trim_end_matches(".git"));
                sources.insert(url, format!("{} {commit}", clone.tag));
            }
        }
        Ok(Manifest {
            k3s: build.source.version.to_string(),
            commit: build.source.commit.id.clone(),
            origin: match build.source.origin {
                Origin::Release => "release",
                Origin::Tree => "tree",
                Origin::Sample => "sample",
            }
            .to_owned(),
            arch: build.target.go.to_owned(),
            level: build.level().to_owned(),
            source_date_epoch: build.source.time,
            modified: !applied.is_empty(),
            pause_image: build.options.pause_image.as_str().to_owned(),
            builtin_pause: build.options.builtin_pause == crate::k3s::Part::Included,
            incomplete: build.incomplete().into_iter().map(str::to_owned).collect(),
            patches: applied.iter().map(PatchEntry::of).collect(),
            third_party,
            sources,
            tools: tools(build)?,
            parts,
            files,
            checks: checks.to_vec(),
        })
    }

    /// Reads a manifest.
    pub fn read(path: &Path) -> Result<Manifest> {
        serde_json::from_slice(&fs_err::read(path)?).with_context(|| format!("reading {}", path.display()))
    }

    pub fn text(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

impl FileEntry {
    fn of(path: &Path) -> Result<FileEntry> {
        Ok(FileEntry { size: fs_err::metadata(path)?.len(), sha256: Digest::of_file(path)? })
    }
}

impl PatchEntry {
    pub fn of(applied: &Applied) -> PatchEntry {
        PatchEntry {
            name: applied.name.clone(),
            why: applied.why.clone(),
            files: applied.files.clone(),
            diff_sha256: Digest::of(&applied.diff),
        }
    }
}

/// The tools whose versions decide the bytes.
pub fn tools(build: &Build) -> Result<BTreeMap<String, String>> {
    let pins = &build.context.pins;
    Ok(BTreeMap::from([
        ("go".to_owned(), build.go.version.clone()),
        ("zig".to_owned(), pins.zig.version.clone()),
        ("libseccomp".to_owned(), pins.libseccomp.version.clone()),
        ("rustc".to_owned(), Rust::for_target(build.context, build.target)?.version),
    ]))
}
