//! The directory of images in `target/dist/<version>/images/`.

use super::airgap::{self, archive_name};
use super::manifest::{self, ImagesManifest};
use crate::atomic_dir::AtomicDir;
use crate::context::Context;
use crate::product;
use crate::step::Results;
use crate::target::Target;
use anyhow::Result;
use fs_err as fs;
use std::collections::BTreeSet;
use std::path::PathBuf;

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
    let mut manifests = Vec::new();
    let mut references = BTreeSet::new();
    for (target, results) in built {
        let described = results.directory(manifest::STEP)?;
        let name = archive_name(target);
        fs::copy(results.directory(airgap::STEP)?.join(&name), making.path().join(&name))?;
        files.push(name);
        for name in [manifest::name(target), manifest::licenses_name(target)] {
            fs::copy(described.join(&name), making.path().join(&name))?;
            files.push(name);
        }
        let manifest = ImagesManifest::read(&described.join(manifest::name(target)))?;
        references.extend(manifest.pause.iter().cloned());
        references.extend(manifest.images.iter().map(|image| image.reference.clone()));
        manifests.push(manifest);
    }
    let list: String = references.iter().map(|reference| line(reference)).collect();
    fs::write(making.path().join(LIST), list)?;
    fs::write(making.path().join(product::SUMS), product::sums(making.path(), &files)?)?;
    making.commit()?;
    Ok((place, manifests))
}

/// Returns a line of the list, in which upstream names the registry.
fn line(reference: &str) -> String {
    let registry = if reference.starts_with("docker.io/") { "" } else { "docker.io/" };
    format!("{registry}{reference}\n")
}
