//! VM runs: one VM for each proof, in a directory that is removed with it.

use super::artifacts::Subject;
use super::guest::Guest;
use super::machine::{self, Size};
use super::payload::{self, Afterwards};
use super::scenario::Proof;
use crate::context::Context;
use crate::file_lock::FileLock;
use crate::process::Child;
use crate::run_directory::RunDirectory;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Settings that all VMs of one run share.
pub struct Testbed<'a> {
    pub context: &'a Context,
    pub guest: Guest,
    pub size: Size,
    pub room: Room,
}

impl Testbed<'_> {
    /// Builds the payload of a proof and starts a VM with it.
    pub fn begin(&self, subject: &Subject, proof: Proof, afterwards: Afterwards) -> Result<Trial> {
        let Testbed { context, guest, size, room } = self;
        let directory = tempfile::tempdir_in(room.path())?;
        let payload = payload::make(context, guest, subject, proof, afterwards, directory.path())?;
        let machine = machine::start(context, guest, &payload, size, directory.path())?;
        Ok(Trial { machine, directory })
    }
}

/// A running VM. Dropping it stops the VM and removes its directory.
pub struct Trial {
    // Before the directory, since fields are dropped in the order of their declaration.
    pub machine: Child,
    directory: tempfile::TempDir,
}

impl Trial {
    /// Returns the path of the console's output, from the kernel and systemd.
    pub fn console(&self) -> PathBuf {
        self.directory.path().join(machine::CONSOLE)
    }

    /// Returns the VM's directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// The run directory of the VMs of one run, which start one after another.
#[derive(Debug)]
pub struct Room(RunDirectory);

impl Room {
    /// Creates a new one, and removes the directories that killed runs have left.
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

/// Takes the file lock that a run holds while it creates its run directory or replaces an older record.
pub fn lock(context: &Context) -> Result<FileLock> {
    FileLock::acquire(context, &place(context).join("lock"))
}
