//! Merges the build inputs of several architectures, which differ in a few modules, in k3s-root and in the images inside
//! k3s: one source package serves all of them.

use super::{IMAGES, INDEX, MODULES, Vendored};
use crate::context::Context;
use crate::digest::Digest;
use crate::dir;
use crate::step::{Plan, Step};
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// The step's name.
const STEP: &str = "vendor-all";

/// Merges directories that [`super::gather`] has made for architectures of one k3s, and returns the directory.
pub fn run(context: &Context, directories: &[PathBuf]) -> Result<PathBuf> {
    let inputs = directories
        .iter()
        .map(|directory| Ok(format!("vendor.json sha256:{}", Digest::of_file(&directory.join(INDEX))?)));
    let step = Step::in_process(STEP, inputs.collect::<Result<_>>()?)
        .work(|merged, _| merge(directories, merged).context("merging the sources of several architectures"));
    let (results, _) = Plan::new(vec![step])?.run(context, &context.work)?;
    Ok(results.directory(STEP)?.to_owned())
}

fn merge(directories: &[PathBuf], merged: &Path) -> Result<()> {
    let mut indices =
        directories.iter().map(|directory| Vendored::read(directory)).collect::<Result<Vec<_>>>()?;
    let mut index = indices.pop().context("there is an architecture")?;
    for other in indices {
        ensure!(
            (&other.k3s, &other.commit, &other.repositories)
                == (&index.k3s, &index.commit, &index.repositories),
            "they are of k3s {}, {}, and of k3s {}, {}",
            index.k3s,
            index.commit,
            other.k3s,
            other.commit
        );
        index.downloads.extend(other.downloads);
    }
    index.downloads.sort_by_key(|download| download.name.to_string());
    index.downloads.dedup();
    for directory in directories {
        add(directory, merged)?;
    }
    index.modules = dir::digest(&merged.join(MODULES))?;
    index.images = dir::digest(&merged.join(IMAGES))?;
    index.write(merged)
}

/// Copies what is not there yet. Files of one name are the same: those of one commit, of one module's version, or of
/// one checksum.
fn add(from: &Path, to: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry?;
        let target = to.join(entry.path().strip_prefix(from)?);
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target)?;
        } else if target.symlink_metadata().is_err() {
            dir::copy_one(entry.path(), &target)?;
        }
    }
    Ok(())
}
