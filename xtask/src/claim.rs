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
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let open = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(file)?
            .into_file();
        let lock = match Flock::lock(open, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((mut open, _)) => {
                let mut holder = String::new();
                open.read_to_string(&mut holder).with_context(|| format!("reading {}", file.display()))?;
                let running = context.progress.step("waiting");
                running.doing(format!("for process {} to finish the same work", holder.trim()));
                context
                    .progress
                    .say(format!("waiting for process {} to finish the same work", holder.trim()));
                let lock = Flock::lock(open, FlockArg::LockExclusive)
                    .map_err(|(_, error)| error)
                    .with_context(|| format!("waiting for {}", file.display()))?;
                running.done("the other process is done");
                lock
            }
        };
        say_who(&lock).with_context(|| format!("writing {}", file.display()))?;
        Ok(Claim { _lock: lock })
    }

    /// Whether nobody holds `file`, or there is none.
    pub fn is_free(file: &Path) -> Result<bool> {
        let Ok(open) = fs::File::open(file) else { return Ok(true) };
        Ok(Flock::lock(open.into_file(), FlockArg::LockExclusiveNonblock).is_ok())
    }
}

/// Leaves word of who holds the claim, for those who will wait.
fn say_who(mut file: &std::fs::File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
