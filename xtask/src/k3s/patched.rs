//! The patched tree: upstream's files with the patches applied. All facts are read from it, and the tree that
//! is compiled is a copy of it, so that the plan matches the build.
//!
//! It is written before anything is built: files that the build adds are placeholders in it.

use crate::digest::Digest;
use crate::dir;
use crate::patch::{Outcome, PatchSet, Values};
use crate::step::{Plan, Step};
use crate::upstream::release::SOURCE;
use crate::upstream::selection::Selection;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::PathBuf;

/// The step's name.
const STEP: &str = "patched";
/// The directory of the step's result that holds the files.
const TREE: &str = "tree";
/// The file beside it with the outcome of each patch.
const OUTCOME: &str = "outcome.json";

/// A patched tree on the disk, which is not changed any more.
#[derive(Clone, Debug)]
pub struct Patched {
    /// The directory with the files.
    pub tree: PathBuf,
    pub outcome: Outcome,
    /// The digest of all files.
    pub digest: Digest,
}

impl Patched {
    /// Applies all patches to the selected source.
    ///
    /// # Errors
    /// If a patch does not apply.
    pub fn of(selection: &Selection, patches: &PatchSet, values: &Values) -> Result<Patched> {
        let inputs = vec![format!("patches sha256:{}", patches.digest(values))];
        let mut step = Step::in_process(STEP, inputs);
        let source = step.need(SOURCE);
        let step = step.work(move |directory, results| {
            let tree = directory.join(TREE);
            dir::copy(results.of(source), &tree)?;
            let outcome = patches.apply(&tree, values)?;
            fs::write(directory.join(OUTCOME), serde_json::to_vec_pretty(&outcome)?)?;
            Ok(())
        });
        let (results, _) = Plan::new(vec![selection.source.step(), step])?
            .run(&selection.context, &selection.context.work)
            .with_context(|| format!("patching k3s {}", selection.source.version))?;
        let directory = results.directory(STEP)?;
        Ok(Patched {
            tree: directory.join(TREE),
            outcome: serde_json::from_slice(&fs::read(directory.join(OUTCOME))?)?,
            digest: results.digest(STEP)?.clone(),
        })
    }

    /// Returns whether a patch has changed a file below a directory, `manifests/`.
    pub fn changes(&self, directory: &str) -> bool {
        self.outcome.applied.iter().flat_map(|patch| &patch.files).any(|file| file.starts_with(directory))
    }
}
