//! Trials: machines that are switched on for one proof each, in folders that go away with them.

use super::guest::Guest;
use super::machine::{self, Size};
use super::payload::{self, Afterwards};
use super::proof::Proof;
use super::subject::Subject;
use crate::context::Context;
use crate::file_lock::FileLock;
use crate::process::Listening;
use crate::run_directory::RunDirectory;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// What all machines of one run have in common.
pub struct Testbed<'a> {
    pub context: &'a Context,
    pub guest: Guest,
    pub size: Size,
    pub room: Room,
}

impl Testbed<'_> {
    /// Makes the payload of a proof and switches a machine on with it.
    pub fn begin(&self, subject: &Subject, proof: Proof, afterwards: Afterwards) -> Result<Trial> {
        let Testbed { context, guest, size, room } = self;
        let folder = tempfile::tempdir_in(room.path())?;
        let payload = payload::make(context, guest, subject, proof, afterwards, folder.path())?;
        let machine = machine::start(context, guest, &payload, size, folder.path())?;
        Ok(Trial { machine, folder })
    }
}

/// A machine that is on. Dropped, it is switched off, and its folder is cleared away.
pub struct Trial {
    // Before the folder, since what stands first is dropped first.
    pub machine: Listening,
    folder: tempfile::TempDir,
}

impl Trial {
    /// Everything that kernel and systemd have written.
    pub fn console(&self) -> PathBuf {
        self.folder.path().join(machine::CONSOLE)
    }

    /// Where the machine runs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The directory in which the machines of one run are, one after another.
#[derive(Debug)]
pub struct Room(RunDirectory);

impl Room {
    /// Takes a new one, and clears away what killed runs have left of theirs.
    pub fn take(context: &Context) -> Result<Room> {
        Ok(Room(RunDirectory::create(context, &place(context))?))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

fn place(context: &Context) -> PathBuf {
    context.work.join("boot")
}

/// What a run holds while it takes its room, or while its record takes the place of another's.
pub fn lock(context: &Context) -> Result<FileLock> {
    FileLock::acquire(context, &place(context).join("lock"))
}
