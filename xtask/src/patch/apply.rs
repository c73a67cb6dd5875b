//! Application of all patches of a set to a tree, or of none.

use super::edit::{AddFile, Edit, ImageEdit, Refusal, SourceFile, TextEdit};
use super::set::{Patch, PatchSet, Variant};
use super::tree::{File, Tree};
use super::{BuiltFile, Values, diff, show};
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Result of patching a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub applied: Vec<Applied>,
    pub skipped: Vec<Skipped>,
    /// Files that are placeholders until they are built, by their paths.
    #[serde(default)]
    pub built_files: BTreeMap<String, BuiltFile>,
}

/// An applied patch, recorded in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub name: String,
    pub why: String,
    /// Condition under which the patch is obsolete; a user's diff names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retire: Option<String>,
    /// Layout of the variant that was applied.
    pub layout: String,
    /// The paths that are changed or added, sorted.
    pub files: Vec<String>,
    /// The change as a unified diff; a binary file is only named in it.
    pub diff: String,
}

/// A patch that this tree does not need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    pub name: String,
    pub because: String,
}

impl PatchSet {
    /// Checks the set against a tree without writing anything.
    ///
    /// # Errors
    /// As [`PatchSet::apply`].
    pub fn check(&self, tree: &Path, values: &Values) -> Result<Outcome> {
        self.compute(tree, values).map(|(_, outcome)| outcome)
    }

    /// Applies all patches, or none.
    ///
    /// # Errors
    /// If no variant of a patch applies, or more than one; the tree is then untouched, and the error says for every
    /// such patch and variant what was looked for and what was found. If writing fails, some files have been written,
    /// so the tree must be one that can be thrown away.
    pub fn apply(&self, tree: &Path, values: &Values) -> Result<Outcome> {
        let (patched, outcome) = self.compute(tree, values)?;
        patched.write().with_context(|| format!("writing the patched files to {}", tree.display()))?;
        Ok(outcome)
    }

    fn compute<'t>(&self, directory: &'t Path, values: &Values) -> Result<(Tree<'t>, Outcome)> {
        let untouched = Tree::new(directory)?;
        let mut tree = untouched.clone();
        let mut outcome = Outcome::default();
        let mut mismatches = Vec::new();
        for patch in &self.patches {
            let fit = patch.fit(&untouched, &tree, values);
            match fit.with_context(|| format!("applying the patch {}", patch.origin.display()))? {
                Fit::Skipped(because) => {
                    outcome.skipped.push(Skipped { name: patch.name.clone(), because });
                }
                Fit::Applies(layout, patched) => {
                    outcome.applied.push(patch.applied(layout, &tree, &patched)?);
                    tree = patched;
                }
                Fit::Mismatch(report) => mismatches.push(report),
            }
        }
        if !mismatches.is_empty() {
            bail!(
                "{} of {} patches cannot be applied to {}, so nothing was changed; patches/README.md says \
                 how to write a variant for another layout\n{}",
                mismatches.len(),
                self.patches.len(),
                directory.display(),
                mismatches.join("\n")
            );
        }
        outcome.built_files = tree.built_files();
        Ok((tree, outcome))
    }
}

/// Result of trying a patch on a tree.
enum Fit<'t> {
    /// The tree is not concerned, for this reason.
    Skipped(String),
    /// The variant for this layout applies; the tree becomes this one.
    Applies(String, Tree<'t>),
    /// The tree is concerned and the patch does not apply; a report of several lines.
    Mismatch(String),
}

impl Patch {
    /// Checks whether the tree as upstream left it is concerned, and tries every variant on the result of earlier
    /// patches.
    fn fit<'t>(&self, untouched: &Tree<'t>, tree: &Tree<'t>, values: &Values) -> Result<Fit<'t>> {
        for probe in &self.when {
            if let Some(because) = probe.unmet(untouched)? {
                return Ok(Fit::Skipped(because));
            }
        }
        let mut applied = Vec::new();
        let mut refusals = String::new();
        for Variant { layout, edits } in &self.variants {
            let layout: &str = layout;
            let mut patched = tree.clone();
            match edits.iter().try_for_each(|edit| self.edit(edit, &mut patched, values)) {
                Ok(()) => applied.push((layout, patched)),
                Err(error) => {
                    refusals.push_str(&format!("\n    {layout}: {}", error.downcast::<Refusal>()?));
                }
            }
        }
        let origin = self.origin.display();
        Ok(match <[_; 1]>::try_from(applied) {
            Ok([(layout, patched)]) => Fit::Applies(layout.to_owned(), patched),
            Err(none) if none.is_empty() => {
                Fit::Mismatch(format!("  {origin}: no variant applies{refusals}"))
            }
            Err(several) => {
                let layouts: Vec<&str> = several.iter().map(|(layout, _)| *layout).collect();
                let (count, layouts) = (layouts.len(), layouts.join("\n    "));
                Fit::Mismatch(format!(
                    "  {origin}: {count} variants apply, and exactly one may\n    {layouts}"
                ))
            }
        })
    }

    fn edit(&self, edit: &Edit, tree: &mut Tree<'_>, values: &Values) -> Result<()> {
        match edit {
            Edit::Text(edit) => edit.edit(tree, values),
            Edit::Insert(edit) => {
                let text = self.attachment(&edit.from)?;
                let text = std::str::from_utf8(text).with_context(|| format!("reading {}", edit.from))?;
                edit.replacement(text).edit(tree, values)
            }
            Edit::Image(edit) => edit.edit(tree, values),
            Edit::AddFile(added) => self.add(added, tree),
            Edit::Diff(edit) => diff::apply(self.attachment(&edit.from)?, tree),
        }
    }

    fn add(&self, AddFile { file, from }: &AddFile, tree: &mut Tree<'_>) -> Result<()> {
        if tree.read(file)?.is_some() {
            return Err(Refusal::Occupied(file.clone()).into());
        }
        match from {
            SourceFile::File(path) => {
                let bytes = self.attachment(path)?.to_vec();
                tree.set(file, Some(File { bytes, executable: false }))?;
            }
            SourceFile::Built(built) => tree.set_built(file, *built)?,
        }
        Ok(())
    }

    fn attachment(&self, path: &TreePath) -> Result<&[u8]> {
        let bytes =
            self.attachments.get(path).with_context(|| format!("{path} was not read with the patch"))?;
        Ok(bytes)
    }

    fn applied(&self, layout: String, before: &Tree<'_>, after: &Tree<'_>) -> Result<Applied> {
        let changes = after.changes_since(before)?;
        Ok(Applied {
            name: self.name.clone(),
            why: self.why.clone(),
            retire: self.retire.clone(),
            layout,
            files: changes.iter().map(|change| change.path.to_string()).collect(),
            diff: changes.iter().map(show::render).collect::<Result<_>>()?,
        })
    }
}

impl TextEdit {
    fn edit(&self, tree: &mut Tree<'_>, values: &Values) -> Result<()> {
        let (text, executable) = read_text(tree, &self.file)?;
        let bytes = self.apply(&text, values)?.into_bytes();
        tree.set(&self.file, Some(File { bytes, executable }))?;
        Ok(())
    }
}

impl ImageEdit {
    fn edit(&self, tree: &mut Tree<'_>, values: &Values) -> Result<()> {
        let read = self.files.iter().map(|file| read_text(tree, file)).collect::<Result<Vec<_>>>()?;
        let texts: Vec<_> =
            self.files.iter().zip(&read).map(|(file, (text, _))| (file, text.as_str())).collect();
        let replaced = self.apply(&texts, values)?;
        for ((file, (_, executable)), text) in self.files.iter().zip(&read).zip(replaced) {
            tree.set(file, Some(File { bytes: text.into_bytes(), executable: *executable }))?;
        }
        Ok(())
    }
}

/// Returns a file's text, and true if it is executable.
fn read_text(tree: &Tree<'_>, file: &TreePath) -> Result<(String, bool)> {
    let found = tree.read(file)?.ok_or_else(|| Refusal::NoFile(file.clone()))?;
    let text = String::from_utf8(found.bytes).map_err(|_| Refusal::NotText(file.clone()))?;
    Ok((text, found.executable))
}
