//! Files of the k3s that is built, in the image of k3s itself (upstream's package/Dockerfile).

use super::definition::ProductPart;
use super::layer::Layer;
use crate::k3s::cni;
use crate::k3s::{Build, bundle};
use crate::product;
use crate::product::load::{LICENSE, NOTICES};
use crate::step::{Need, Results, Step};
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// The directory in which k3s keeps links to its CNI plugins (pkg/dataverify and pkg/agent/config of k3s).
const CNI_LINKS: &str = "var/lib/rancher/k3s/data/cni";

/// The results that the files are from.
pub struct Needs {
    bundle: Need,
    product: Need,
}

/// Adds these results to the needs of a step.
pub fn needs(step: &mut Step, part: ProductPart) -> Needs {
    match part {
        ProductPart::Bundle => Needs { bundle: step.need(bundle::STEP), product: step.need(product::STEP) },
    }
}

/// Adds the files of the bundle, which is unpacked into a scratch directory, the links to CNI plugins, and the licences.
pub fn add(build: &Build, needs: &Needs, results: &Results, scratch: &Path, layer: &mut Layer) -> Result<()> {
    let archive = results.of(needs.bundle).join(bundle::ARCHIVE);
    bundle::unpack(fs::File::open(&archive)?, scratch)
        .with_context(|| format!("unpacking {}", archive.display()))?;
    for entry in walkdir::WalkDir::new(scratch).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        if !entry.file_type().is_dir() {
            let path = entry.path().strip_prefix(scratch)?.to_string_lossy();
            layer.copy(&TreePath::parse(&path)?, entry.path())?;
        }
    }
    for (name, _) in build.facts.commands.links.iter().filter(|(_, target)| target == cni::PROGRAM) {
        layer.link(&TreePath::parse(&format!("{CNI_LINKS}/{name}"))?, format!("/bin/{}", cni::PROGRAM));
    }
    for name in [LICENSE, NOTICES] {
        let from = results.of(needs.product).join(name);
        layer.copy(&TreePath::parse(&format!("usr/share/doc/k3s/{name}"))?, &from)?;
    }
    Ok(())
}
