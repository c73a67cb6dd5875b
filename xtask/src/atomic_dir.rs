//! Directories that appear complete: written beside their place and renamed.

use crate::context::Context;
use crate::digest::Digest;
use crate::dir;
use crate::file_lock::FileLock;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A directory that is being written, with the file lock of its place. Dropped without [`AtomicDir::commit`], it is
/// removed.
#[derive(Debug)]
pub struct AtomicDir {
    place: PathBuf,
    scratch: PathBuf,
    _lock: FileLock,
}

impl AtomicDir {
    /// Locks a place and creates an empty directory beside it; leftovers of killed runs are removed.
    ///
    /// Another process may have written the place while this one waited for the lock.
    pub fn create(context: &Context, place: &Path) -> Result<AtomicDir> {
        let parent = place.parent().context("a directory has a parent")?;
        fs::create_dir_all(parent)?;
        let _lock = FileLock::acquire(context, &lock_file(context, place))?;
        let scratch = beside(place, "making");
        for leftover in [&scratch, &beside(place, "old")] {
            dir::remove(leftover)?;
        }
        fs::create_dir(&scratch)?;
        Ok(AtomicDir { place: place.to_owned(), scratch, _lock })
    }

    /// Returns the directory to write to.
    pub fn path(&self) -> &Path {
        &self.scratch
    }

    /// Moves the directory to its place, from which an older one is removed.
    pub fn commit(self) -> Result<()> {
        fs::set_permissions(&self.scratch, std::fs::Permissions::from_mode(0o755))?;
        let old = beside(&self.place, "old");
        if self.place.symlink_metadata().is_ok() {
            fs::rename(&self.place, &old)?;
        }
        fs::rename(&self.scratch, &self.place)?;
        dir::remove(&old)
    }
}

impl Drop for AtomicDir {
    fn drop(&mut self) {
        // After a commit nothing is there. After a failure, which has its own message, the next run removes what is
        // left.
        let _ = dir::remove(&self.scratch);
    }
}

/// Returns the hidden path `.<name>.<suffix>` beside a place.
fn beside(place: &Path, suffix: &str) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!(".{name}.{suffix}"))
}

/// Returns the lock file of a place: beside it, except where users find products and nothing else.
fn lock_file(context: &Context, place: &Path) -> PathBuf {
    if place.starts_with(&context.dist) {
        let name = Digest::of(place.as_os_str().as_encoded_bytes());
        return context.work.join("locks").join(name.short());
    }
    beside(place, "lock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Network;

    /// Returns a context whose products and work directory are in a scratch directory.
    fn fixture() -> (tempfile::TempDir, Context) {
        let scratch = tempfile::tempdir().unwrap();
        let context = Context::new(None, Network::Forbidden).unwrap();
        let [dist, work] = ["dist", "work"].map(|name| scratch.path().join(name));
        (scratch, Context { dist, work, ..context })
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_an_older_directory() {
        let (_scratch, context) = fixture();
        let place = context.dist.join("pause");
        for text in ["first", "second"] {
            let directory = AtomicDir::create(&context, &place).unwrap();
            fs::write(directory.path().join(text), "").unwrap();
            directory.commit().unwrap();
            assert_eq!(names(&place), [text]);
        }
        assert_eq!(names(&context.dist), ["pause"], "only products are where products are");
    }

    #[test]
    fn failure_leaves_the_older_directory() {
        let (_scratch, context) = fixture();
        let place = context.dist.join("pause");
        AtomicDir::create(&context, &place).unwrap().commit().unwrap();
        drop(AtomicDir::create(&context, &place).unwrap());
        assert_eq!(names(&context.dist), ["pause"]);
    }

    #[test]
    fn removes_leftovers_of_killed_runs() {
        let (_scratch, context) = fixture();
        let place = context.dist.join("pause");
        for leftover in [".pause.making", ".pause.old"] {
            fs::create_dir_all(context.dist.join(leftover).join("stale")).unwrap();
        }
        AtomicDir::create(&context, &place).unwrap().commit().unwrap();
        assert_eq!(names(&context.dist), ["pause"]);
        assert_eq!(names(&place), [""; 0]);
    }
}
