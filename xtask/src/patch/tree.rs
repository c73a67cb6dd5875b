//! A tree of files as the patches leave it, in memory until all of them have been applied.

use super::edit::Refusal;
use super::{BuiltFile, PLACEHOLDER};
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A file's content and the one bit of its mode that git keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub bytes: Vec<u8>,
    pub executable: bool,
}

/// A directory and the changes of its files so far.
#[derive(Clone)]
pub(super) struct Tree<'a> {
    directory: &'a Path,
    changed: BTreeMap<TreePath, Option<File>>,
    /// The files among them that are placeholders.
    built_files: BTreeMap<TreePath, BuiltFile>,
}

/// The change of one file.
pub(super) struct Change {
    pub path: TreePath,
    pub before: Option<File>,
    pub after: Option<File>,
}

impl<'a> Tree<'a> {
    pub fn new(directory: &'a Path) -> Result<Tree<'a>> {
        if !directory.is_dir() {
            bail!("{} is not a directory, so there is nothing to patch", directory.display());
        }
        Ok(Tree { directory, changed: BTreeMap::new(), built_files: BTreeMap::new() })
    }

    /// Returns the current state of a file; none if it does not exist.
    pub fn read(&self, path: &TreePath) -> Result<Option<File>> {
        match self.changed.get(path) {
            Some(file) => Ok(file.clone()),
            None => self.read_from_disk(path),
        }
    }

    fn read_from_disk(&self, path: &TreePath) -> Result<Option<File>> {
        let place = path.below(self.directory)?;
        if !place.exists() {
            return Ok(None);
        }
        let metadata = fs::metadata(&place)?;
        if !metadata.is_file() {
            bail!("{} is not a file, so it cannot be patched", place.display());
        }
        let executable = metadata.permissions().mode() & 0o111 != 0;
        Ok(Some(File { bytes: fs::read(&place)?, executable }))
    }

    /// Sets the file at a path, or removes it.
    ///
    /// # Errors
    /// If a new file would be below another one, or another one below it.
    pub fn set(&mut self, path: &TreePath, file: Option<File>) -> Result<(), Refusal> {
        if file.is_some() {
            self.require_room(path)?;
        }
        self.built_files.remove(path);
        self.changed.insert(path.clone(), file);
        Ok(())
    }

    fn require_room(&self, path: &TreePath) -> Result<(), Refusal> {
        if let Some(file) = path.parents().find(|parent| self.is_file(parent)) {
            return Err(Refusal::Nested { file, below: path.clone() });
        }
        // A path on the disk with files below it is a directory, which is never read as a file.
        let added = self.changed.iter().filter(|(_, file)| file.is_some()).map(|(added, _)| added);
        match added.into_iter().find(|added| added.parents().any(|parent| parent == *path)) {
            Some(below) => Err(Refusal::Nested { file: path.clone(), below: below.clone() }),
            None => Ok(()),
        }
    }

    /// Returns true if a path is now that of a file.
    fn is_file(&self, path: &TreePath) -> bool {
        match self.changed.get(path) {
            Some(file) => file.is_some(),
            None => path.below(self.directory).is_ok_and(|place| place.is_file()),
        }
    }

    /// Sets a placeholder for a file that the build makes.
    ///
    /// # Errors
    /// As [`Tree::set`].
    pub fn set_built(&mut self, path: &TreePath, built: BuiltFile) -> Result<(), Refusal> {
        self.set(path, Some(File { bytes: PLACEHOLDER.to_vec(), executable: false }))?;
        self.built_files.insert(path.clone(), built);
        Ok(())
    }

    /// Returns the files that are placeholders, by their paths.
    pub fn built_files(&self) -> BTreeMap<String, BuiltFile> {
        self.built_files.iter().map(|(path, built)| (path.to_string(), *built)).collect()
    }

    /// Returns the changes between an earlier state of the same tree and this one.
    pub fn changes_since(&self, earlier: &Tree<'_>) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for (path, after) in &self.changed {
            let before = earlier.read(path)?;
            if before != *after {
                changes.push(Change { path: path.clone(), before, after: after.clone() });
            }
        }
        Ok(changes)
    }

    /// Writes the changes. Deletions come first, since a new file may be below a deleted one. Then each file is written
    /// in full beside its place, so that a full disk is noticed before anything is replaced. Modes are git's: 0644, or
    /// 0755 for executables.
    pub fn write(&self) -> Result<()> {
        let changes = self.changes_since(&Tree::new(self.directory)?)?;
        for change in changes.iter().filter(|change| change.after.is_none()) {
            fs::remove_file(change.path.below(self.directory)?)?;
        }
        let mut ready = Vec::new();
        for Change { path, after, .. } in &changes {
            let Some(file) = after else { continue };
            let place = path.below(self.directory)?;
            let written = write_beside(&place, file).with_context(|| format!("patching {path}"))?;
            ready.push((place, written));
        }
        for (place, written) in ready {
            written.persist(&place).with_context(|| format!("replacing {}", place.display()))?;
        }
        Ok(())
    }
}

fn write_beside(place: &Path, file: &File) -> Result<tempfile::NamedTempFile> {
    let parent = place.parent().context("a file of the tree is in a directory")?;
    fs::create_dir_all(parent)?;
    let mut written = tempfile::NamedTempFile::new_in(parent)?;
    written.write_all(&file.bytes)?;
    let mode = if file.executable { 0o755 } else { 0o644 };
    written.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<TreePath> {
        TreePath::parse(text)
    }

    #[test]
    fn follows_no_symlink() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("file"), "outside").unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), directory.path().join("dir")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("file"), directory.path().join("link")).unwrap();
        let tree = Tree::new(directory.path()).unwrap();
        for through in ["dir/file", "dir/new", "link"] {
            let error = tree.read(&path(through).unwrap()).unwrap_err().to_string();
            assert!(error.contains("is a symbolic link"), "{error}");
            let mut tree = tree.clone();
            let file = File { bytes: b"x".to_vec(), executable: false };
            tree.set(&path(through).unwrap(), Some(file)).unwrap();
            assert!(tree.write().is_err());
        }
        assert_eq!(fs::read_to_string(outside.path().join("file")).unwrap(), "outside");
        assert!(!outside.path().join("new").exists());
    }

    #[test]
    fn rejects_nested_files() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "text").unwrap();
        let mut tree = Tree::new(directory.path()).unwrap();
        let mut set = |name: &str, text: Option<&str>| {
            let file = text.map(|text| File { bytes: text.as_bytes().to_vec(), executable: false });
            tree.set(&path(name).unwrap(), file).map_err(|refusal| refusal.to_string())
        };
        let below = "file/x: cannot be there beside file, which is a file and no directory";
        assert_eq!(set("file/x", Some("new")).unwrap_err(), below);
        set("a/b/c", Some("new")).unwrap();
        for name in ["a/b/c/d", "a/b", "a"] {
            assert!(set(name, Some("new")).is_err(), "{name}");
        }
        set("file", None).unwrap();
        set("file/x", Some("new")).unwrap();
        tree.write().unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("file/x")).unwrap(), "new");
    }

    #[test]
    fn writes_all_at_the_end_with_git_modes() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("gone"), "old").unwrap();
        let mut tree = Tree::new(directory.path()).unwrap();
        let file = |text: &str, executable| Some(File { bytes: text.as_bytes().to_vec(), executable });
        tree.set(&path("gone").unwrap(), None).unwrap();
        tree.set(&path("new/file").unwrap(), file("1", false)).unwrap();
        tree.set(&path("new/program").unwrap(), file("2", true)).unwrap();
        assert!(directory.path().join("gone").exists() && !directory.path().join("new").exists());
        tree.write().unwrap();
        assert!(!directory.path().join("gone").exists());
        for (name, mode) in [("new/file", 0o644), ("new/program", 0o755)] {
            let found = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{name}");
        }
        assert_eq!(fs::read_dir(directory.path().join("new")).unwrap().count(), 2);
    }
}
