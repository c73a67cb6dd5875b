//! `manifest.json`: a description of the product and of all that it was built from, without times and paths.

use super::Components;
use super::builtin::BuiltinImage;
use super::check::Check;
use super::component::Component;
use super::go_buildinfo::Compiled;
use super::third_party::ThirdParty;
use crate::code;
use crate::digest::Digest;
use crate::k3s::options::Presence;
use crate::k3s::{Build, Optional};
use crate::patch::Applied;
use crate::releases_url::ReleasesUrl;
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
    pub origin: Origin,
    pub arch: String,
    /// The digest of the code that has built it ([`crate::code::all`]); older manifests have none.
    #[serde(default)]
    pub code: Option<Digest>,
    /// The level of the architecture that it is compiled for, as GORISCV64, GOARM64 or GOAMD64 takes it.
    pub level: String,
    /// Commit time in seconds since 1970, which is the time of everything inside.
    pub source_date_epoch: i64,
    /// This is not upstream's k3s: it is patched.
    pub modified: bool,
    pub pause_image: String,
    pub builtin_pause: bool,
    /// The images inside k3s besides the pause image.
    pub builtin_images: Vec<BuiltinImage>,
    /// The releases that install.sh downloads from.
    pub releases: Option<ReleasesUrl>,
    /// Optional content of k3s that is missing.
    pub incomplete: Vec<Optional>,
    pub patches: Vec<PatchEntry>,
    /// Everything in it that others wrote.
    pub third_party: ThirdParty,
    /// Modules and repositories that components were compiled from.
    pub sources: BTreeMap<String, String>,
    pub tools: BTreeMap<String, String>,
    /// The components, shipped by themselves or inside the binary.
    pub components: BTreeMap<Component, FileEntry>,
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
    /// Returns whether the product contains what a build can leave out.
    pub fn contains(&self, what: Optional) -> bool {
        !self.incomplete.contains(&what)
    }

    /// Returns the modules that are compiled from directories of the tree, in place of those that go.mod names.
    pub fn local_modules(&self) -> impl Iterator<Item = &Compiled> {
        self.third_party.modules.iter().filter(|module| module.is_local())
    }

    /// Returns the oldest level of the architecture, if the product is compiled for a newer one, which machines of
    /// the oldest level cannot run.
    pub fn too_new_for(&self) -> Option<&'static str> {
        let (_, oldest) = Target::named(&self.arch).ok()?.go_level;
        (self.level != oldest).then_some(oldest)
    }

    /// Describes a build.
    pub fn of(
        build: &Build,
        components: &Components,
        builtin_images: Vec<BuiltinImage>,
        checks: Vec<Check>,
        third_party: ThirdParty,
        directory: &Path,
        files: &[String],
    ) -> Result<Manifest> {
        let components = components
            .iter()
            .map(|(component, path)| Ok((*component, FileEntry::of(path)?)))
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
        for clone in &build.facts.commands.clones {
            if let Some(commit) = build.lock.commit(clone.url.trim_end_matches(".git"), &clone.tag) {
                let url = without_credentials(clone.url.trim_end_matches(".git"));
                sources.insert(url, format!("{} {commit}", clone.tag));
            }
        }
        Ok(Manifest {
            k3s: build.source.version.to_string(),
            commit: build.source.commit.id.clone(),
            origin: build.source.origin,
            arch: build.target.go.to_owned(),
            code: Some(code::all()),
            level: build.level().to_owned(),
            source_date_epoch: build.source.time,
            modified: !applied.is_empty(),
            pause_image: build.pause_image.as_str().to_owned(),
            builtin_pause: build.options.builtin_pause() == Presence::Included,
            builtin_images,
            releases: build.options.releases.clone(),
            incomplete: build.incomplete(),
            patches: applied.iter().map(PatchEntry::of).collect(),
            third_party,
            sources,
            tools: tools(build)?,
            components,
            files,
            checks,
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
    pub fn of(path: &Path) -> Result<FileEntry> {
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

/// Returns the versions of the tools that the bytes of the product depend on.
pub fn tools(build: &Build) -> Result<BTreeMap<String, String>> {
    let pins = &build.context.pins;
    Ok(BTreeMap::from([
        ("go".to_owned(), build.go.version.clone()),
        ("zig".to_owned(), pins.zig.version.clone()),
        ("libseccomp".to_owned(), pins.libseccomp.version.clone()),
        ("rustc".to_owned(), Rust::for_target(build.context, build.target)?.version),
    ]))
}
