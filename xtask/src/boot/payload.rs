//! The payload: a second disk with what one proof needs besides the guest.

pub mod busybox;
pub mod registry;
pub mod stub;

use super::artifacts::Subject;
use super::disk;
use super::guest::Guest;
use super::milestone;
use super::scenario::Proof;
use crate::context::Context;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// Shell functions by which a scenario reports to the host.
const SAY: &str = include_str!("scenario/say.sh");
/// Shell functions that the scenarios of a real k3s share.
const CLUSTER: &str = include_str!("scenario/cluster.sh");

/// State of the VM after the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// It is switched off.
    Off,
    /// It runs on, with a shell on its console.
    Stay,
}

/// Writes the disk of a proof into a directory.
pub fn make(
    context: &Context,
    guest: &Guest,
    subject: &Subject,
    proof: Proof,
    afterwards: Afterwards,
    directory: &Path,
) -> Result<PathBuf> {
    let content = directory.join("payload");
    gather(context, guest, subject, proof, &content)?;
    if afterwards == Afterwards::Stay {
        fs::write(content.join("stay"), "")?;
    }
    let disk = write(context, &content)?;
    fs::remove_dir_all(&content)?;
    Ok(disk)
}

/// Makes a disk of what was gathered, beside its directory.
pub fn write(context: &Context, content: &Path) -> Result<PathBuf> {
    let file = content.with_extension("ext4");
    disk::write(context, content, "payload", disk::size_for(content)?, &file)?;
    Ok(file)
}

/// Gathers all files of a proof in a new directory.
pub fn gather(
    context: &Context,
    guest: &Guest,
    subject: &Subject,
    proof: Proof,
    content: &Path,
) -> Result<()> {
    fs::create_dir(content)?;
    fs::write(content.join("say.sh"), SAY)?;
    fs::write(content.join("cluster.sh"), CLUSTER)?;
    fs::write(content.join("run.sh"), proof.script())?;
    fs::write(content.join("limits"), milestone::limits(&proof.milestones()))?;
    let image = busybox::archive(super::target()?, &fs::read(guest.busybox())?)?;
    fs::write(content.join("busybox.tar"), image)?;
    // The server of the registry, in a distribution without a busybox.
    fs::copy(guest.busybox(), content.join("busybox"))?;
    registry::lay_out(&content.join("registry"))?;
    if let Some(reference) = subject.pause_image() {
        fs::write(content.join("pause-image"), reference.to_owned() + "\n")?;
    }
    match proof {
        Proof::Alone | Proof::Bundled => {
            fs::copy(subject.binary()?, content.join("k3s"))?;
        }
        Proof::Sample | Proof::Packages | Proof::Cure => {
            let packages = content.join("packages");
            fs::create_dir(&packages)?;
            for package in subject.packages()? {
                let name = package.file_name().context("a package is a file")?;
                fs::copy(package, packages.join(name))?;
            }
            // A distribution whose rpm knows its own packages needs nobody to stand for it.
            if let Some(paths) = guest.paths()? {
                stub::build(context, &paths, content)?;
            }
        }
    }
    Ok(())
}
