//! All patches of a set applied to a tree, or none.

use super::edit::{AddFile, Edit, ImageEdit, Refusal, SourceFile, Stop, TextEdit};
use super::set::{Alternative, Patch, PatchSet};
use super::tree::{File, Tree};
use super::{Part, Values, diff, show};
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What patching a tree came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub applied: Vec<Applied>,
    pub idle: Vec<Idle>,
    /// Files that hold a placeholder until the build has made them, by their paths.
    #[serde(default)]
    pub parts: BTreeMap<String, Part>,
}

/// A patch that has bitten. It travels with the product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub name: String,
    pub why: String,
    /// When the patch can go; a user's diff does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retire: Option<String>,
    /// The alternative that has bitten.
    pub layout: String,
    /// The paths that are changed or added, sorted.
    pub files: Vec<String>,
    /// The change as a unified diff; a binary file is only named in it.
    pub diff: String,
}

/// A patch that this tree does not need or that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {
    pub name: String,
    pub because: String,
}

impl PatchSet {
    /// Proves the set against a tree without writing anything.
    ///
    /// # Errors
    /// As [`PatchSet::apply`].
    pub fn check(&self, tree: &Path, values: &Values, skip: &[&str]) -> Result<Outcome> {
        self.compute(tree, values, skip).map(|(_, outcome)| outcome)
    }

    /// Applies every patch but the skipped ones, all of them or none.
    ///
    /// # Errors
    /// If a patch has no alternative that bites, or more than one; the tree is then untouched, and the
    /// error says of every such patch and alternative what was looked for and what was found. If
    /// writing fails, what has been written stays, so a tree is given that can be thrown away.
    pub fn apply(&self, tree: &Path, values: &Values, skip: &[&str]) -> Result<Outcome> {
        let (patched, outcome) = self.compute(tree, values, skip)?;
        patched.write().with_context(|| format!("writing the patched files to {}", tree.display()))?;
        Ok(outcome)
    }

    fn compute<'t>(
        &self,
        directory: &'t Path,
        values: &Values,
        skip: &[&str],
    ) -> Result<(Tree<'t>, Outcome)> {
        if let Some(unknown) = skip.iter().find(|name| !self.names().any(|known| known == **name)) {
            let known: Vec<&str> = self.names().collect();
            bail!("there is no patch {unknown:?} to leave out; there are {}", known.join(", "));
        }
        let untouched = Tree::new(directory)?;
        let mut tree = untouched.clone();
        let mut outcome = Outcome::default();
        let mut misfits = Vec::new();
        for patch in &self.patches {
            if skip.contains(&patch.name.as_str()) {
                outcome.idle.push(Idle { name: patch.name.clone(), because: "left out as asked".to_owned() });
                continue;
            }
            let fit = patch.fit(&untouched, &tree, values);
            match fit.with_context(|| format!("applying the patch {}", patch.origin.display()))? {
                Fit::Idle(because) => outcome.idle.push(Idle { name: patch.name.clone(), because }),
                Fit::Bites(layout, patched) => {
                    outcome.applied.push(patch.applied(layout, &tree, &patched)?);
                    tree = patched;
                }
                Fit::Misfit(report) => misfits.push(report),
            }
        }
        if !misfits.is_empty() {
            bail!(
                "{} of {} patches cannot be applied to {}, so nothing was changed; patches/README.md says \
                 how to write an alternative for another layout\n{}",
                misfits.len(),
                self.patches.len(),
                directory.display(),
                misfits.join("\n")
            );
        }
        outcome.parts = tree.parts();
        Ok((tree, outcome))
    }
}

/// How a patch fits a tree.
enum Fit<'t> {
    /// The tree is not concerned, and why.
    Idle(String),
    /// By the alternative of this layout the tree becomes this one.
    Bites(String, Tree<'t>),
    /// It concerns the tree and cannot be applied; a report of several lines.
    Misfit(String),
}

impl Patch {
    /// Asks the tree as upstream left it whether it is concerned, and tries every alternative on what
    /// earlier patches have made of it.
    fn fit<'t>(&self, untouched: &Tree<'t>, tree: &Tree<'t>, values: &Values) -> Result<Fit<'t>> {
        for probe in &self.when {
            if let Some(because) = probe.unmet(untouched)? {
                return Ok(Fit::Idle(because));
            }
        }
        let mut bitten = Vec::new();
        let mut refusals = String::new();
        for Alternative { layout, edits } in &self.alternatives {
            let mut patched = tree.clone();
            match edits.iter().try_for_each(|edit| self.edit(edit, &mut patched, values)) {
                Ok(()) => bitten.push((layout.0.clone(), patched)),
                Err(Stop::Refused(refusal)) => refusals.push_str(&format!("\n    {}: {refusal}", layout.0)),
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        let origin = self.origin.display();
        Ok(match <[_; 1]>::try_from(bitten) {
            Ok([(layout, patched)]) => Fit::Bites(layout, patched),
            Err(none) if none.is_empty() => {
                Fit::Misfit(format!("  {origin}: no alternative bites{refusals}"))
            }
            Err(several) => {
                let layouts: Vec<&str> = several.iter().map(|(layout, _)| layout.as_str()).collect();
                let (count, layouts) = (layouts.len(), layouts.join("\n    "));
                Fit::Misfit(format!(
                    "  {origin}: {count} alternatives bite, and exactly one may\n    {layouts}"
                ))
            }
        })
    }

    fn edit(&self, edit: &Edit, tree: &mut Tree<'_>, values: &Values) -> Result<(), Stop> {
        match edit {
            Edit::Text(edit) => edit.edit(tree, values),
            Edit::Image(edit) => edit.edit(tree, values),
            Edit::AddFile(added) => self.add(added, tree),
            Edit::Diff(edit) => diff::apply(self.attachment(&edit.from)?, tree),
        }
    }

    fn add(&self, AddFile { file, from }: &AddFile, tree: &mut Tree<'_>) -> Result<(), Stop> {
        if tree.read(file)?.is_some() {
            return Err(Refusal::Occupied(file.clone()).into());
        }
        match from {
            SourceFile::File(path) => {
                let bytes = self.attachment(path)?.to_vec();
                tree.set(file, Some(File { bytes, executable: false }))?;
            }
            SourceFile::Part(part) => tree.set_part(file, *part)?,
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
    fn edit(&self, tree: &mut Tree<'_>, values: &Values) -> Result<(), Stop> {
        let (text, executable) = read_text(tree, &self.file)?;
        let bytes = self.apply(&text, values)?.into_bytes();
        tree.set(&self.file, Some(File { bytes, executable }))?;
        Ok(())
    }
}

impl ImageEdit {
    fn edit(&self, tree: &mut Tree<'_>, values: &Values) -> Result<(), Stop> {
        let read = self.files.iter().map(|file| read_text(tree, file)).collect::<Result<Vec<_>, Stop>>()?;
        let texts: Vec<_> =
            self.files.iter().zip(&read).map(|(file, (text, _))| (file, text.as_str())).collect();
        let replaced = self.apply(&texts, values)?;
        for ((file, (_, executable)), text) in self.files.iter().zip(&read).zip(replaced) {
            tree.set(file, Some(File { bytes: text.into_bytes(), executable: *executable }))?;
        }
        Ok(())
    }
}

/// A file's text, and whether it is a program.
fn read_text(tree: &Tree<'_>, file: &TreePath) -> Result<(String, bool), Stop> {
    let found = tree.read(file)?.ok_or_else(|| Refusal::NoFile(file.clone()))?;
    let text = String::from_utf8(found.bytes).map_err(|_| Refusal::NotText(file.clone()))?;
    Ok((text, found.executable))
}
