//! The directory of images in `target/dist/<version>/images/`: written, and opened again.

use super::airgap::{self, archive_name};
use super::manifest::{self, ImagesManifest};
use super::{sbom, spdx};
use crate::atomic_dir::AtomicDir;
use crate::context::Context;
use crate::product;
use crate::product::load::verified_sums;
use crate::step::Results;
use crate::target::Target;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Upstream's name of the list of images.
pub const LIST: &str = "k3s-images.txt";

/// Lets the bundles of several architectures appear complete.
pub fn publish(
    context: &Context,
    version: &str,
    built: &[(&'static Target, Results)],
) -> Result<(PathBuf, Vec<ImagesManifest>)> {
    let place = context.dist.join(version).join("images");
    let making = AtomicDir::create(context, &place)?;
    let mut files = vec![LIST.to_owned()];
    let mut manifests: Vec<ImagesManifest> = Vec::new();
    for (target, results) in built {
        let described = results.directory(manifest::STEP)?;
        let name = archive_name(target);
        fs::copy(results.directory(airgap::STEP)?.join(&name), making.path().join(&name))?;
        files.push(name);
        let described_in = [manifest::name, manifest::licenses_name, sbom::name, spdx::name];
        for name in described_in.map(|name| name(target)) {
            fs::copy(described.join(&name), making.path().join(&name))?;
            files.push(name);
        }
        manifests.push(ImagesManifest::read(&described.join(manifest::name(target)))?);
    }
    let references = manifests.iter().flat_map(ImagesManifest::references).collect();
    fs::write(making.path().join(LIST), list(&references))?;
    fs::write(making.path().join(product::SUMS), product::sums(making.path(), &files)?)?;
    making.commit()?;
    Ok((place, manifests))
}

/// Returns the list of images, in which upstream names the registry.
pub fn list(references: &BTreeSet<&str>) -> String {
    let line = |reference: &&str| {
        let registry = if reference.starts_with("docker.io/") { "" } else { "docker.io/" };
        format!("{registry}{reference}\n")
    };
    references.iter().map(line).collect()
}

/// The images of one architecture in a published directory, whose files are unchanged.
#[derive(Clone, Debug)]
pub struct PublishedImages {
    pub directory: PathBuf,
    pub manifest: ImagesManifest,
    /// The bundle.
    pub archive: PathBuf,
}

impl PublishedImages {
    /// Opens a directory that `cargo xtask images build` has written, if its files are unchanged and for this k3s.
    pub fn open(directory: &Path, target: &'static Target, k3s: &str) -> Result<PublishedImages> {
        open(directory, target, k3s)
            .with_context(|| format!("{} contains no images that can be used", directory.display()))
    }
}

fn open(directory: &Path, target: &'static Target, k3s: &str) -> Result<PublishedImages> {
    let (name, archive) = (manifest::name(target), archive_name(target));
    ensure!(
        directory.join(&name).is_file(),
        "there is no {name}\n  cargo xtask images build writes one to target/dist/<version>/images"
    );
    let sums = verified_sums(directory)?;
    ensure!(sums.contains_key(&name), "SHA256SUMS does not name {name}");
    let manifest = ImagesManifest::read(&directory.join(&name))?;
    ensure!(manifest.k3s == k3s, "they are those of k3s {}, not of {k3s}", manifest.k3s);
    let entry = manifest.files.get(&archive).with_context(|| format!("{name} does not name {archive}"))?;
    ensure!(sums.get(&archive) == Some(&entry.sha256), "SHA256SUMS and {name} differ on {archive}");
    Ok(PublishedImages { directory: directory.to_owned(), archive: directory.join(archive), manifest })
}
