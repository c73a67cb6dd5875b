//! One process at a time for one piece of work: the others wait and say for whom.

use crate::context::Context;
use anyhow::{Context as _, Result};
use fs_err as fs;
use nix::fcntl::{Flock, FlockArg};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// A hold on a piece of work, released when dropped or when the process ends, however it ends.
#[derive(Debug)]
pub struct Claim {
    _lock: Flock<std::fs::File>,
}

impl Claim {
    /// Claims `file`, waiting for whoever has it.
    pub fn on(context: &Context, file: &Path) -> Result<Claim> {
        let claim = Claim::wait(context, file, FlockArg::LockExclusiveNonblock, FlockArg::LockExclusive)?;
        write_holder(&claim._lock).with_context(|| format!("writing {}", file.display()))?;
        Ok(claim)
    }

    /// Shares `file` with all others that share it, waiting for a process that has it for itself.
    pub fn shared(context: &Context, file: &Path) -> Result<Claim> {
        Claim::wait(context, file, FlockArg::LockSharedNonblock, FlockArg::LockShared)
    }

    /// Claims `file` if no other process has or shares it.
    pub fn if_unused(file: &Path) -> Result<Option<Claim>> {
        let Ok(_lock) = Flock::lock(open(file)?, FlockArg::LockExclusiveNonblock) else { return Ok(None) };
        write_holder(&_lock).with_context(|| format!("writing {}", file.display()))?;
        Ok(Some(Claim { _lock }))
    }

    /// Whether nobody holds `file`, or there is none.
    pub fn is_free(file: &Path) -> Result<bool> {
        let Ok(open) = fs::File::open(file) else { return Ok(true) };
        Ok(Flock::lock(open.into_file(), FlockArg::LockExclusiveNonblock).is_ok())
    }

    fn wait(context: &Context, file: &Path, at_once: FlockArg, patiently: FlockArg) -> Result<Claim> {
        let mut open = match Flock::lock(open(file)?, at_once) {
            Ok(_lock) => return Ok(Claim { _lock }),
            Err((open, _)) => open,
        };
        let mut holder = String::new();
        open.read_to_string(&mut holder).with_context(|| format!("reading {}", file.display()))?;
        let running = context.progress.step("waiting");
        running.doing(format!("for process {} to finish the same work", holder.trim()));
        context.progress.say(format!("waiting for process {} to finish the same work", holder.trim()));
        let _lock = Flock::lock(open, patiently)
            .map_err(|(_, error)| error)
            .with_context(|| format!("waiting for {}", file.display()))?;
        running.done("the other process is done");
        Ok(Claim { _lock })
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
