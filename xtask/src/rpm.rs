//! From a finished product to packages for openEuler and their repository.
//!
//! ```text
//! product ─┐
//! rpm/ ────┴► sources ─► rpmbuild ─► packages ─► read back ─► signature ─► repository
//!              spec ─────────────────────────────► expected
//!           vendored ─► source package ─► read back ─┘
//! ```
//!
//! The packages are made by rpmbuild and by nothing else; what it made is read by other code and held
//! against the product, `rpm/*.files` and the spec.

pub mod build;
pub mod contents;
pub mod dist;
pub mod documents;
pub mod expected;
pub mod files;
pub mod nevra;
pub mod read;
pub mod repository;
pub mod rpmbuild;
pub mod sign;
pub mod source_package;
pub mod sources;
pub mod spec;
pub mod template;
pub mod verify;

use crate::context::Context;
use crate::file_lock::FileLock;
use crate::product::Product;
use crate::target::Target;
use anyhow::{Context as _, Result};
use contents::Contents;
use dist::Dist;
use fs_err as fs;
use nevra::Nevra;
use sign::Key;
use source_package::Rebuild;
use sources::Topdir;
use std::path::{Path, PathBuf};

/// Packages that are to be made of a product.
pub struct Packaging<'a> {
    pub context: &'a Context,
    pub product: &'a Product,
    pub target: &'static Target,
    pub dist: Dist,
    /// Counts the packages made of one version.
    pub release: u32,
    /// Version of all packages.
    pub version: String,
    /// URL of the published repository, without the architecture.
    pub url: String,
    /// Input of a source package, which a product by itself does not contain.
    pub rebuild: Option<Rebuild>,
}

/// Packages that were built.
pub struct Published {
    /// The repository of one distribution and architecture, with packages and metadata.
    pub directory: PathBuf,
    /// Each package as it was read back, and its size in bytes.
    pub packages: Vec<(Contents, u64)>,
    /// The source package's name, its size in bytes, and how many files it carries.
    pub source: Option<(String, u64, usize)>,
}

impl Packaging<'_> {
    pub fn nevra(&self, name: &str, arch: &str) -> Nevra {
        Nevra {
            name: name.to_owned(),
            version: self.version.clone(),
            release: format!("{}.{}", self.release, self.dist),
            arch: arch.to_owned(),
        }
    }

    /// The time of everything inside, in seconds since 1970: that of the source's commit.
    pub fn time(&self) -> i64 {
        self.product.manifest.source_date_epoch
    }

    /// Makes the packages and lets their repository appear complete.
    pub fn publish(&self, key: Option<&Key>) -> Result<Published> {
        let name = self.nevra("k3s", self.target.rpm).to_string();
        let _lock = FileLock::acquire(self.context, &self.context.work.join("locks").join(&name))?;
        // The same place at every run, so that what a run leaves that was killed, the next one clears away.
        let topdir = Topdir::new(self.context.work.join("rpm").join(name))?;
        sources::lay_out(self, &topdir).context("laying out the sources of the packages")?;
        let mut made = build::run(self, &topdir)?;
        let packages = verify::all(self, &topdir, &made)
            .context("the packages that rpmbuild has made are not what they should be")?;
        let source = match &self.rebuild {
            None => None,
            Some(rebuild) => Some(source_package::make(self, &topdir, rebuild)?),
        };
        made.extend(source.iter().map(|(package, _)| package.clone()));
        let directory = repository::make(self, &topdir, &made, key)?;
        let sized = packages.into_iter().map(|package| {
            let size = fs::metadata(directory.join(package.nevra.file_name()))?.len();
            Ok((package, size))
        });
        let packages = sized.collect::<Result<_>>()?;
        let source = match source {
            None => None,
            Some((package, files)) => {
                let name = file_name(&package);
                let size = fs::metadata(directory.join(&name))?.len();
                Some((name, size, files))
            }
        };
        fs::remove_dir_all(&topdir.path)?;
        Ok(Published { directory, packages, source })
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
