//! External build inputs, gathered in one directory, so that a build can be repeated without a network:
//! the source package contains it.
//!
//! ```text
//! build ─► gather ─► vendor.json  k3s/  plugins/  cni-plugin/  modules/  images/<arch>/  downloads/ ─► open ─► the same build
//!            merge ◄── those of other architectures
//! ```
//!
//! Compilers are not included. As with the sample, only what surrounds the pipeline is different, never
//! the pipeline.

pub mod gather;
pub mod go_modules;
pub mod merge;
pub mod open;
pub mod repository;

pub use open::open;

use crate::digest::Digest;
use crate::fetch::Download;
use crate::k3s::Build;
use crate::upstream::release::Origin;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The file that says what is in the directory.
pub const INDEX: &str = "vendor.json";

/// The directory with the files of k3s' commit.
pub const K3S: &str = "k3s";

/// The directory that `GOMODCACHE` may name once it has been copied.
pub const MODULES: &str = "modules";

/// The directory with the images inside k3s for each architecture, which are built already: their own sources are not
/// included.
pub const IMAGES: &str = "images";

/// The directory with files that are downloaded.
pub const DOWNLOADS: &str = "downloads";

/// Contents of `vendor.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendored {
    /// Version that `k3s --version` is to print.
    pub k3s: String,
    pub origin: Origin,
    pub commit: String,
    pub repositories: Vec<Repository>,
    pub downloads: Vec<Download>,
    /// The checksum of the directory with modules, as [`crate::dir::digest`] makes it.
    pub modules: Digest,
    /// The checksum of the directory with the images inside k3s, of every architecture.
    pub images: Digest,
}

/// Gathers the inputs of builds of one k3s, for an architecture each, and returns their directory.
pub fn run(builds: &[Build]) -> Result<PathBuf> {
    let gathered = builds.iter().map(gather::run).collect::<Result<Vec<_>>>()?;
    match (builds, &gathered[..]) {
        (_, [one]) => Ok(one.clone()),
        ([build, ..], several) => merge::run(build.context, several),
        ([], _) => bail!("sources are gathered for an architecture at least"),
    }
}

impl Vendored {
    /// Reads the index of a directory.
    pub fn read(directory: &Path) -> Result<Vendored> {
        let path = directory.join(INDEX);
        let index = fs::read(&path)
            .with_context(|| format!("{} holds no sources of a build", directory.display()))?;
        serde_json::from_slice(&index).with_context(|| format!("reading {}", path.display()))
    }

    pub fn write(&self, directory: &Path) -> Result<()> {
        Ok(fs::write(directory.join(INDEX), serde_json::to_string_pretty(self)? + "\n")?)
    }
}

/// A repository besides k3s' own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// The directory with the files of its commit.
    pub name: String,
    pub url: String,
    pub tag: String,
    pub commit: String,
}
