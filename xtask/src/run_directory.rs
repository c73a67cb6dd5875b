//! Directories of one run, removed when it ends.

use crate::context::Context;
use crate::dir;
use crate::file_lock::FileLock;
use anyhow::Result;
use fs_err as fs;
use std::io::ErrorKind;
use std::path::Path;

/// A directory of this run. It is removed with the value, or by the next run if this one is killed.
#[derive(Debug)]
pub struct RunDirectory {
    // Removed before it is unlocked, or another run would remove files that are still in use.
    directory: tempfile::TempDir,
    _lock: FileLock,
}

impl RunDirectory {
    /// Creates one in a directory for such directories only, and removes those of killed runs.
    pub fn create(context: &Context, all: &Path) -> Result<RunDirectory> {
        let _lock_of_all = FileLock::acquire(context, &all.join("lock"))?;
        for path in dir::entries(all)? {
            if path.is_dir() && FileLock::is_free(&path.join("lock"))? {
                clear(&path)?;
            }
        }
        let directory = tempfile::Builder::new().prefix("run-").tempdir_in(all)?;
        let _lock = FileLock::acquire(context, &directory.path().join("lock"))?;
        Ok(RunDirectory { directory, _lock })
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes the directory of a run that has ended. If that run is still removing it, or its child processes still write
/// to it until they are killed, too, the next run removes it.
fn clear(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => Ok(()),
        other => Ok(other?),
    }
}
