//! From finished products to the release of one version.
//!
//! ```text
//! products, images ─► problems ─► packages ─► assets ─► notes, checksums ─► boot ─► check ─► publish
//! ```
//!
//! A GitHub release is a flat list of files, and so is the directory that is written here. A repository of packages,
//! which has directories, becomes one archive.

pub mod add_boot;
pub mod assemble;
pub mod assets;
pub mod booted;
pub mod check;
pub mod consistency;
pub mod download;
pub mod earlier;
pub mod github;
pub mod images;
pub mod metadata;
pub mod notes;
pub mod packages;
pub mod problems;
pub mod rebuilt;
pub mod root_sources;
pub mod signatures;
pub mod tag;
pub mod verify;

use crate::atomic_dir::AtomicDir;
use crate::context::Context;
use crate::dir;
use crate::images::publish::PublishedImages;
use crate::product::{Product, SUMS};
use crate::rpm::dist::Dist;
use crate::rpm::sign::Key;
use crate::rpm::{Published, Settings};
use crate::target::Target;
use anyhow::{Context as _, Result};
use fs_err as fs;
use problems::Problem;
use std::path::PathBuf;
use tag::Tag;

/// The release notes.
pub const NOTES: &str = "NOTES.md";
/// The signature of the checksums.
pub const SIGNATURE: &str = "SHA256SUMS.asc";
/// File in a directory that is no release, which says why.
pub const PREVIEW: &str = "PREVIEW";

/// Mode in which a directory is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Of products that may be published.
    Release,
    /// Of any product: the directory says why it is no release, and is never published.
    Preview,
}

impl Mode {
    /// Returns the directory's name, beside the products of its version.
    pub fn directory(self) -> &'static str {
        match self {
            Mode::Release => "release",
            Mode::Preview => "preview",
        }
    }
}

/// A product of the release, with its packages and the default images of its k3s, which a preview may be without.
pub struct PackagedProduct {
    pub target: &'static Target,
    pub product: Product,
    /// One for each release of openEuler.
    pub packages: Vec<DistPackages>,
    pub images: Option<PublishedImages>,
}

/// The packages for one release of openEuler.
pub struct DistPackages {
    pub dist: Dist,
    pub published: Published,
    /// The repository of the packages, and perhaps of earlier ones.
    pub repository: PathBuf,
}

/// Input of the release of one version.
pub struct Release<'a> {
    pub context: &'a Context,
    pub mode: Mode,
    /// One for each architecture, all of the same k3s.
    pub products: &'a [PackagedProduct],
    /// One for each release of openEuler, all with one key.
    pub settings: &'a [Settings],
    /// Earlier releases whose packages the repositories keep.
    pub earlier: Vec<Tag>,
    /// Problems that keep a preview from being a release.
    pub problems: Vec<Problem>,
}

impl Release<'_> {
    fn key(&self) -> Option<&Key> {
        self.settings.first()?.key.as_ref()
    }

    /// Writes the directory, which appears when it is complete.
    pub fn publish(&self) -> Result<PathBuf> {
        let first = self.products.first().context("a release has a product")?;
        let manifest = &first.product.manifest;
        let place = self.context.dist.join(&manifest.k3s).join(self.mode.directory());
        let running = self.context.progress.step(self.mode.directory());
        let unfinished = AtomicDir::create(self.context, &place)?;
        let directory = unfinished.path();
        for product in self.products {
            assemble::add(self.context, directory, product)
                .with_context(|| format!("gathering the assets for {}", product.target.go))?;
        }
        if self.mode == Mode::Preview {
            fs::write(directory.join(PREVIEW), preview(&self.problems))?;
        }
        fs::write(directory.join(NOTES), notes::text(self, &assets::list(directory)?)?)?;
        fs::write(directory.join(SUMS), assemble::sums(directory)?)?;
        if let Some(key) = self.key() {
            key.sign_file(self.context, &directory.join(SUMS))?;
        }
        dir::normalize(directory, manifest.source_date_epoch)?;
        check::directory(directory).context("checking the new directory")?;
        unfinished.commit()?;
        running.done("");
        Ok(place)
    }
}

/// Returns the text of the file that marks a directory as no release.
fn preview(problems: &[Problem]) -> String {
    let reasons: String = problems.iter().map(|problem| format!("- {problem}\n")).collect();
    format!("This is a preview and must not be published.\n{reasons}")
}
