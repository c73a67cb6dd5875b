//! Paths inside an untrusted directory.
//!
//! A source tree, an archive or a root file system may contain names that lead out of it and symbolic links that lead
//! anywhere. So every path from it is a [`TreePath`], and files are written into it only at places that a [`TreePath`]
//! has resolved.

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use serde::Deserialize;
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// A path that stays inside the directory it is joined to: relative, in its shortest form, not below
/// `.git`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct TreePath(String);

impl TreePath {
    pub fn parse(text: &str) -> Result<TreePath> {
        TreePath::try_from(text.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the directories that the path is in, the nearest first.
    pub fn parents(&self) -> impl Iterator<Item = TreePath> {
        self.0.rmatch_indices('/').map(|(end, _)| TreePath(self.0[..end].to_owned()))
    }

    /// Returns the place of the path below a directory.
    ///
    /// # Errors
    /// If a symbolic link is there or on the way, since a link can lead out of the directory.
    pub fn below(&self, directory: &Path) -> Result<PathBuf> {
        let path = self.through_directories(directory)?;
        refuse_link(&path)?;
        Ok(path)
    }

    /// Returns a real directory below a directory, created if it is missing.
    ///
    /// # Errors
    /// As [`TreePath::below`].
    pub fn directory_below(&self, directory: &Path) -> Result<PathBuf> {
        let path = self.below(directory)?;
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Returns the place of a new file below a directory: missing directories on its way are created, and a file or link
    /// of its name is removed, never written through.
    ///
    /// # Errors
    /// If a symbolic link is on the way, or a directory has the name.
    pub fn room_below(&self, directory: &Path) -> Result<PathBuf> {
        let path = self.through_directories(directory)?;
        fs::create_dir_all(path.parent().context("a path of a tree has a parent")?)?;
        if path.symlink_metadata().is_ok() {
            fs::remove_file(&path)?;
        }
        Ok(path)
    }

    /// Joins the path to a directory, of which only the last part may be a link.
    fn through_directories(&self, directory: &Path) -> Result<PathBuf> {
        let mut path = directory.to_owned();
        for (index, name) in Path::new(&self.0).iter().enumerate() {
            if index > 0 {
                refuse_link(&path)?;
            }
            path.push(name);
        }
        Ok(path)
    }
}

fn refuse_link(path: &Path) -> Result<()> {
    if path.is_symlink() {
        bail!("{} is a symbolic link, and none is followed here: it can lead anywhere", path.display());
    }
    Ok(())
}

impl TryFrom<String> for TreePath {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<TreePath> {
        let parts: Option<Vec<&str>> = Path::new(&text)
            .components()
            .map(|part| match part {
                Component::Normal(name) if name != ".git" => name.to_str(),
                _ => None,
            })
            .collect();
        match parts {
            Some(parts) if !text.is_empty() && parts.join("/") == text => Ok(TreePath(text)),
            _ => bail!("{text:?} is not a path inside the tree, such as \"pkg/cli/cmds/agent.go\""),
        }
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err::os::unix::fs::symlink;

    #[test]
    fn rejects_paths_out_of_the_tree() {
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a/",
            "./a",
            "a//b",
            ".git/config",
            "a/.git/b",
        ] {
            let error = TreePath::parse(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?} is not a path inside the tree")), "{error}");
        }
        assert_eq!(TreePath::parse("pkg/cli/cmds/agent.go").unwrap().as_str(), "pkg/cli/cmds/agent.go");
        assert!(TreePath::parse(".github/x").is_ok() && TreePath::parse("..x").is_ok());
    }

    /// Returns a directory with links out of it, to a directory with one file.
    fn with_links() -> (tempfile::TempDir, tempfile::TempDir) {
        let (outside, tree) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("file"), "outside").unwrap();
        symlink(outside.path(), tree.path().join("dir")).unwrap();
        symlink(outside.path().join("file"), tree.path().join("link")).unwrap();
        (outside, tree)
    }

    #[test]
    fn follows_no_link() {
        let (outside, tree) = with_links();
        let path = |text: &str| TreePath::parse(text).unwrap();
        let resolved = [
            path("link").below(tree.path()),
            path("dir/file").below(tree.path()),
            path("dir").directory_below(tree.path()),
            path("dir/new").directory_below(tree.path()),
            path("dir/file").room_below(tree.path()),
            path("dir/new/file").room_below(tree.path()),
        ];
        for place in resolved {
            let error = place.unwrap_err().to_string();
            assert!(error.contains("is a symbolic link"), "{error}");
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(outside.path().join("file")).unwrap(), "outside");
    }

    #[test]
    fn new_file_replaces_link() {
        let (outside, tree) = with_links();
        let place = TreePath::parse("link").unwrap().room_below(tree.path()).unwrap();
        fs::write(&place, "ours").unwrap();
        assert!(!place.is_symlink());
        assert_eq!(fs::read_to_string(outside.path().join("file")).unwrap(), "outside");
        let place = TreePath::parse("a/b/c").unwrap().room_below(tree.path()).unwrap();
        fs::write(place, "ours").unwrap();
        let error = TreePath::parse("a/b").unwrap().room_below(tree.path()).unwrap_err();
        assert!(tree.path().join("a/b/c").is_file(), "{error}");
    }
}
