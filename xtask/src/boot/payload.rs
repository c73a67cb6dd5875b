//! The payload: a second disk with the files of a scenario.

pub mod busybox;
pub mod registry;
pub mod stub;

use super::artifacts::{Artifacts, file_name};
use super::disk;
use super::guest::Guest;
use super::scenario::Scenario;
use crate::context::Context;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// Shell functions for all scenarios.
const COMMON: &str = include_str!("scenario/common.sh");
/// Shell functions for the scenarios of a real k3s.
const CLUSTER: &str = include_str!("scenario/cluster.sh");

/// Name of a file on the payload. If it exists, the guest keeps running after the scenario, with a shell on its console.
pub const KEEP_RUNNING: &str = "keep-running";

/// Gathers all files of a scenario in a new directory.
pub fn gather(
    context: &Context,
    guest: &Guest,
    artifacts: &Artifacts,
    scenario: Scenario,
    content: &Path,
) -> Result<()> {
    fs::create_dir(content)?;
    fs::write(content.join("common.sh"), COMMON)?;
    fs::write(content.join("cluster.sh"), CLUSTER)?;
    fs::write(content.join("run.sh"), scenario.script())?;
    let image = busybox::archive(super::target()?, &fs::read(guest.busybox())?)?;
    fs::write(content.join("busybox.tar"), image)?;
    // Serves the registry, since the guest's distribution may not have a busybox.
    fs::copy(guest.busybox(), content.join("busybox"))?;
    registry::write(&content.join("registry"))?;
    if let Some(reference) = &artifacts.pause_image {
        fs::write(content.join("pause-image"), format!("{reference}\n"))?;
    }
    match scenario {
        Scenario::Alone | Scenario::Bundled => copy_binary(artifacts, content)?,
        Scenario::DefaultNode => {
            copy_binary(artifacts, content)?;
            let images = artifacts.images.as_ref().context("the scenario needs the default images")?;
            let directory = content.join("images");
            fs::create_dir(&directory)?;
            fs::copy(&images.archive, directory.join(file_name(&images.archive)?))?;
            fs::write(content.join("images.txt"), images.references.join("\n") + "\n")?;
            fs::write(content.join("busybox-image"), format!("{}\n", images.busybox))?;
        }
        Scenario::Sample | Scenario::Packages | Scenario::PauseImageFix => {
            let packages = content.join("packages");
            fs::create_dir(&packages)?;
            for package in &artifacts.packages {
                fs::copy(package, packages.join(file_name(package)?))?;
            }
            // A distribution whose own rpm knows its packages needs no stub.
            if let Some(paths) = guest.paths()? {
                stub::build(context, &paths, content)?;
            }
        }
    }
    Ok(())
}

fn copy_binary(artifacts: &Artifacts, content: &Path) -> Result<()> {
    let binary = artifacts.binary.as_ref().context("the scenario needs a binary")?;
    fs::copy(binary, content.join("k3s"))?;
    Ok(())
}

/// Packs a directory into a disk, whose path is returned, and removes the directory.
pub fn pack(context: &Context, content: &Path) -> Result<PathBuf> {
    let disk = content.with_extension("ext4");
    disk::write(context, content, "payload", disk::size_for(content)?, &disk)?;
    fs::remove_dir_all(content)?;
    Ok(disk)
}
