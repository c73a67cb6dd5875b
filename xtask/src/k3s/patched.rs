//! The patched tree: upstream's files with the patches applied. All facts are read from it, and the tree that
//! is compiled begins with it, so that what is planned is what is built.
//!
//! Nothing has been built when it is made. Files that the build makes are placeholders in it.

use crate::digest::Digest;
use crate::dir;
use crate::patch::{Outcome, PatchSet, Values};
use crate::step::{Plan, Step};
use crate::upstream::selection::{SOURCE, Selection};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::PathBuf;

/// The step's name.
const PATCHED: &str = "patched";
/// The directory of the step's result that holds the files.
const TREE: &str = "tree";
/// The file beside it that says what became of each patch.
const OUTCOME: &str = "outcome.json";

/// A patched tree on the disk, which nothing writes to any more.
#[derive(Clone, Debug)]
pub struct Patched {
    /// The directory with the files.
    pub tree: PathBuf,
    pub outcome: Outcome,
    /// The digest of everything that the files depend on.
    pub key: Digest,
}

impl Patched {
    /// Applies all patches to what was chosen but those to be left out, or finds that done.
    ///
    /// # Errors
    /// If a patch does not apply.
    pub fn of(
        selection: &Selection,
        patches: &PatchSet,
        values: &Values,
        left_out: &[&str],
    ) -> Result<Patched> {
        let step = Step {
            name: PATCHED,
            recipe: &[
                include_str!("patched.rs"),
                include_str!("../patch.rs"),
                include_str!("../patch/apply.rs"),
                include_str!("../patch/diff.rs"),
                include_str!("../patch/edit.rs"),
                include_str!("../image/spots.rs"),
                include_str!("../patch/set.rs"),
                include_str!("../patch/show.rs"),
                include_str!("../patch/tree.rs"),
                include_str!("../tree_path.rs"),
            ],
            needs: vec![SOURCE],
            inputs: vec![format!("patches sha256:{}", patches.digest(values, left_out))],
            run: Box::new(|directory, outputs| {
                let place = directory.join(TREE);
                dir::copy(outputs.of(SOURCE)?, &place)?;
                let outcome = patches.apply(&place, values, left_out)?;
                fs::write(directory.join(OUTCOME), serde_json::to_vec_pretty(&outcome)?)?;
                Ok(())
            }),
        };
        let plan = Plan::new(vec![selection.step(), step])?;
        let (outputs, _) = plan
            .run(&selection.context, &selection.context.work)
            .with_context(|| format!("patching k3s {}", selection.source.version))?;
        let directory = outputs.of(PATCHED)?;
        Ok(Patched {
            tree: directory.join(TREE),
            outcome: serde_json::from_slice(&fs::read(directory.join(OUTCOME))?)?,
            key: plan.key(PATCHED)?.clone(),
        })
    }

    /// Returns whether a patch has changed a file below a directory, `manifests/`.
    pub fn changes(&self, directory: &str) -> bool {
        self.outcome.applied.iter().flat_map(|patch| &patch.files).any(|file| file.starts_with(directory))
    }
}
