//! File locks between processes: a process that waits prints the process ID of the holder.

use crate::context::Context;
use anyhow::{Context as _, Result};
use fs_err as fs;
use nix::fcntl::{Flock, FlockArg};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// A held file lock (flock(2)), released when dropped or when the process ends, however it ends.
#[derive(Debug)]
pub struct FileLock {
    _lock: Flock<std::fs::File>,
}

impl FileLock {
    /// Locks `file` exclusively, waiting for the process that holds it.
    pub fn acquire(context: &Context, file: &Path) -> Result<FileLock> {
        let lock = FileLock::wait(context, file, FlockArg::LockExclusiveNonblock, FlockArg::LockExclusive)?;
        write_holder(&lock._lock).with_context(|| format!("writing {}", file.display()))?;
        Ok(lock)
    }

    /// Locks `file` with all others that share it, waiting for a process that holds it exclusively.
    pub fn acquire_shared(context: &Context, file: &Path) -> Result<FileLock> {
        FileLock::wait(context, file, FlockArg::LockSharedNonblock, FlockArg::LockShared)
    }

    /// Locks `file` exclusively if no other process holds or shares it.
    pub fn try_acquire(file: &Path) -> Result<Option<FileLock>> {
        let Ok(_lock) = Flock::lock(open(file)?, FlockArg::LockExclusiveNonblock) else { return Ok(None) };
        write_holder(&_lock).with_context(|| format!("writing {}", file.display()))?;
        Ok(Some(FileLock { _lock }))
    }

    /// Returns true if no process holds `file`, or it cannot be opened.
    pub fn is_free(file: &Path) -> Result<bool> {
        let Ok(open) = fs::File::open(file) else { return Ok(true) };
        Ok(Flock::lock(open.into_file(), FlockArg::LockExclusiveNonblock).is_ok())
    }

    fn wait(context: &Context, file: &Path, at_once: FlockArg, waiting: FlockArg) -> Result<FileLock> {
        let mut open = match Flock::lock(open(file)?, at_once) {
            Ok(_lock) => return Ok(FileLock { _lock }),
            Err((open, _)) => open,
        };
        let mut holder = String::new();
        open.read_to_string(&mut holder).with_context(|| format!("reading {}", file.display()))?;
        let running = context.progress.step("waiting");
        running.doing(format!("for process {} to finish the same work", holder.trim()));
        context.progress.print(format!("waiting for process {} to finish the same work", holder.trim()));
        let _lock = Flock::lock(open, waiting)
            .map_err(|(_, error)| error)
            .with_context(|| format!("waiting for {}", file.display()))?;
        running.done("the other process is done");
        Ok(FileLock { _lock })
    }
}

/// Opens a lock file, which is created with its directory where it does not exist.
fn open(file: &Path) -> Result<std::fs::File> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let open = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(file)?;
    Ok(open.into_file())
}

/// Writes the process ID of the holder, for those who will wait.
fn write_holder(mut file: &std::fs::File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
