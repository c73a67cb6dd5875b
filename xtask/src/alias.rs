//! Aliases: directories under a path that every tool can take.
//!
//! Some tools paste the paths they are given into scripts and patterns of their own: rpm's default `%clean` runs
//! `rm -rf` on an unquoted build root, so that a blank in it removes a neighbour's directory, and LLVM takes `%` in
//! the path of an output for a place of random digits. A search path cannot hold a directory with a colon.

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// A path of a directory that consists of letters, digits and `/._-`.
///
/// It is the directory's own path if that is such a one, else a symbolic link in a private directory, which is
/// removed with the value.
#[derive(Debug)]
pub struct Alias {
    path: PathBuf,
    /// Keeps the link.
    _directory: Option<tempfile::TempDir>,
}

impl Alias {
    /// Creates an alias of a directory, which need not exist yet.
    ///
    /// # Errors
    /// If none of the usual directories for temporary files can be written to under a plain path.
    pub fn of(target: &Path) -> Result<Alias> {
        let target = std::path::absolute(target)?;
        if is_plain(&target) {
            return Ok(Alias { path: target, _directory: None });
        }
        // The first is this run's own, which is removed also after it was killed.
        let parents = [tempfile::env::temp_dir(), std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()];
        let plain = || parents.iter().filter(|parent| is_plain(parent));
        let Some(directory) = plain().find_map(|parent| tempfile::tempdir_in(parent).ok()) else {
            bail!(
                "cannot give {} a path without special characters: neither TMPDIR nor /tmp nor /var/tmp can be \
                 written to\n  Set TMPDIR to a directory whose path has only letters, digits and /._-",
                target.display()
            );
        };
        let path = directory.path().join("link");
        fs::os::unix::fs::symlink(&target, &path)
            .with_context(|| format!("linking to {}", target.display()))?;
        Ok(Alias { path, _directory: Some(directory) })
    }

    /// Returns the plain path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn is_plain(path: &Path) -> bool {
    path.is_absolute()
        && path
            .to_str()
            .is_some_and(|text| text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alias_has_a_plain_path_and_goes_with_the_value() {
        let directory = tempfile::Builder::new().prefix("it's a (path) %41;$#,:").tempdir().unwrap();
        let alias = Alias::of(directory.path()).unwrap();
        let path = alias.path().to_owned();
        assert!(is_plain(&path), "{}", path.display());
        fs::write(path.join("file"), "text").unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("file")).unwrap(), "text");
        drop(alias);
        assert!(path.symlink_metadata().is_err());
        assert!(directory.path().join("file").exists(), "only the link goes");
    }

    #[test]
    fn plain_path_is_its_own_alias() {
        let path = Path::new("/usr/lib/k3s_1.0-a");
        assert_eq!(Alias::of(path).unwrap().path(), path);
    }
}
