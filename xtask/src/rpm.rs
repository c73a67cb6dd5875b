//! From a finished product to packages for openEuler and their repository.
//!
//! ```text
//! product ─┐
//! rpm/ ────┴► sources ─► rpmbuild ─► packages ─► read back ─► signature ─► repository
//!              spec ─────────────────────────────► expected
//!           vendored ─► source package ─► read back ─┘
//! ```
//!
//! Only rpmbuild builds the packages. Other code reads the results and checks them against the product,
//! `rpm/*.files` and the spec.

pub mod contents;
pub mod dist;
pub mod documents;
pub mod expected;
pub mod files;
pub mod nevra;
pub mod read;
pub mod repository;
pub mod isolated;
pub mod rpmbuild;
pub mod sign;
pub mod source_package;
pub mod sources;
pub mod spec;
pub mod template;
pub mod verify;

use crate::context::Context;
use crate::file_lock::FileLock;
use crate::images::publish::PublishedImages;
use crate::product::Product;
use crate::target::Target;
use anyhow::{Context as _, Result};
use dist::Dist;
use fs_err as fs;
use nevra::{Nevra, rpm_version};
use sign::Key;
use source_package::Rebuild;
use sources::Topdir;
use std::path::{Path, PathBuf};

/// Defaults of [`Settings`].
pub const DIST: &str = "oe2403";
pub const URL: &str = "file:///srv/k3s-riscv64";

/// Settings of packages, whatever product they are built from.
#[derive(Clone)]
pub struct Settings {
    pub dist: Dist,
    /// Counts the packages built from one version.
    pub release: u32,
    /// URL of the published repository, without the architecture.
    pub url: String,
    pub key: Option<Key>,
}

/// The packaging of a product.
pub struct Packaging<'a> {
    pub context: &'a Context,
    pub product: &'a Product,
    pub target: &'static Target,
    pub settings: &'a Settings,
    /// Version of all packages.
    pub version: String,
    /// Input of a source package, which a product by itself does not contain.
    pub rebuild: Option<Rebuild>,
    /// Content of the package of the default images.
    pub images: Option<PublishedImages>,
}

/// Packages that were built.
pub struct Published {
    /// The repository of one distribution and architecture, with packages and metadata.
    pub directory: PathBuf,
    /// The name of each package's file, and the number of files in the package.
    pub packages: Vec<(String, usize)>,
}

impl<'a> Packaging<'a> {
    pub fn new(
        context: &'a Context,
        product: &'a Product,
        target: &'static Target,
        settings: &'a Settings,
        rebuild: Option<Rebuild>,
    ) -> Result<Packaging<'a>> {
        let manifest = &product.manifest;
        let version = rpm_version(&manifest.k3s.parse()?, &manifest.commit, manifest.source_date_epoch)?;
        Ok(Packaging { context, product, target, settings, version, rebuild, images: None })
    }

    /// Adds a package of the default images, from a directory that `cargo xtask images build` has written.
    pub fn with_images(self, directory: &Path) -> Result<Packaging<'a>> {
        let images = PublishedImages::open(directory, self.target, &self.product.manifest.k3s)?;
        Ok(Packaging { images: Some(images), ..self })
    }

    /// Returns the products that the spec is for: the packaged one, or with a source package all that it builds.
    pub fn products(&self) -> Vec<(&'static Target, &Product)> {
        match &self.rebuild {
            Some(rebuild) => rebuild.products.iter().map(|(target, product)| (*target, product)).collect(),
            None => vec![(self.target, self.product)],
        }
    }

    pub fn nevra(&self, name: &str, arch: &str) -> Nevra {
        Nevra {
            name: name.to_owned(),
            version: self.version.clone(),
            release: format!("{}.{}", self.settings.release, self.settings.dist),
            arch: arch.to_owned(),
        }
    }

    /// Returns the time of everything in the packages, in seconds since 1970: that of the source's commit.
    pub fn time(&self) -> i64 {
        self.product.manifest.source_date_epoch
    }

    /// Builds and checks the packages, and publishes their repository atomically.
    pub fn publish(&self) -> Result<Published> {
        let name = self.nevra("k3s", self.target.rpm).to_string();
        let _lock = FileLock::acquire(self.context, &self.context.work.join("locks").join(&name))?;
        // The same path at every run, so that the next run removes what a killed one has left.
        let topdir = Topdir::new(self.context.work.join("rpm").join(name))?;
        sources::lay_out(self, &topdir).context("staging the sources of the packages")?;
        let mut built = rpmbuild::run(self, &topdir)?;
        let found =
            verify::all(self, &topdir, &built).context("checking the packages that rpmbuild has built")?;
        let mut packages: Vec<_> =
            found.iter().map(|package| (package.nevra.file_name(), package.file_count())).collect();
        if let Some(rebuild) = &self.rebuild {
            let (package, files) = source_package::make(self, &topdir, rebuild)?;
            let name = package.file_name().context("a package has a name")?;
            packages.push((name.to_string_lossy().into_owned(), files));
            built.push(package);
        }
        let directory = repository::make(self, &built)?;
        fs::remove_dir_all(&topdir.path)?;
        Ok(Published { directory, packages })
    }
}
