//! The payload: a second disk with the files of a scenario.

pub mod busybox;
pub mod openeuler;
pub mod registry;
pub mod repository;
pub mod stub;

use super::artifacts::{Artifacts, file_name};
use super::disk;
use super::guest::Guest;
use super::images::DefaultImages;
use super::scenario::{Installed, Scenario};
use crate::context::Context;
use crate::product::node_check;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// Shell functions for all scenarios.
const COMMON: &str = include_str!("scenario/common.sh");
/// Shell functions for the scenarios of a real k3s.
const CLUSTER: &str = include_str!("scenario/cluster.sh");

/// Name of a file on the payload. If it exists, the guest keeps running after the scenario, with a shell on its console.
pub const KEEP_RUNNING: &str = "keep-running";

/// Name of a file on the payload: the number of power cuts.
pub const POWER_CUTS: &str = "power-cuts";

/// Gathers all files of a scenario for one of the guests of its VMs in a new directory.
pub fn gather(
    context: &Context,
    guest: &Guest,
    guests: &[&Guest],
    artifacts: &Artifacts,
    scenario: Scenario,
    content: &Path,
) -> Result<()> {
    fs::create_dir(content)?;
    fs::write(content.join("common.sh"), COMMON)?;
    fs::write(content.join("cluster.sh"), CLUSTER)?;
    fs::write(content.join("run.sh"), scenario.script())?;
    fs::write(content.join(node_check::NAME), node_check::SCRIPT)?;
    let target = guest.platform.target()?;
    let image = busybox::archive(target, &fs::read(guest.busybox())?)?;
    fs::write(content.join("busybox.tar"), image)?;
    // Serves the registry, since the guest's distribution may not have a busybox.
    fs::copy(guest.busybox(), content.join("busybox"))?;
    if let Some(reference) = &artifacts.pause_image {
        fs::write(content.join("pause-image"), format!("{reference}\n"))?;
    }
    if let Some(installer) = &artifacts.installer {
        fs::copy(installer, content.join("install.sh"))?;
    }
    match scenario.installed() {
        Installed::Packages => {
            let lists = match scenario {
                Scenario::Mixed => registry::of_pods(guests)?,
                _ => registry::of_unmodified()?,
            };
            registry::write(&content.join("registry"), &lists)?;
            let packages = content.join("packages");
            fs::create_dir(&packages)?;
            for package in artifacts.packages_for(target) {
                fs::copy(package, packages.join(file_name(package)?))?;
            }
            write_stub(context, guest, content)?;
        }
        Installed::Repository => {
            repository::write(artifacts, content)?;
            let installer = artifacts.installer.as_ref().context("the scenario needs an installer")?;
            openeuler::build(context, installer, content)?;
            write_stub(context, guest, content)?;
        }
        Installed::Binary => copy_binary(artifacts, content)?,
        Installed::BinaryWithImages => {
            copy_binary(artifacts, content)?;
            let images = artifacts.images()?;
            if scenario == Scenario::RegistryNode {
                let scratch = tempfile::tempdir_in(content)?;
                registry::write(&content.join("registry"), &registry::of_upstream(images, scratch.path())?)?;
                write_expected(content, images, |image| images.missing.contains(image))?;
            } else {
                let directory = content.join("images");
                fs::create_dir(&directory)?;
                fs::copy(&images.archive, directory.join(file_name(&images.archive)?))?;
                write_expected(content, images, |_| true)?;
            }
        }
    }
    Ok(())
}

/// Writes the stub of the guest's distribution. One whose own rpm knows its packages needs none.
fn write_stub(context: &Context, guest: &Guest, content: &Path) -> Result<()> {
    if let Some(paths) = guest.paths()? {
        stub::build(context, &paths, content)?;
    }
    Ok(())
}

/// Writes the names of the images that are on the node from the beginning, and of those that it has to pull.
fn write_expected(
    content: &Path,
    images: &DefaultImages,
    is_present: impl Fn(&String) -> bool,
) -> Result<()> {
    let (present, pulled): (Vec<&String>, Vec<&String>) =
        images.references.iter().partition(|image| is_present(image));
    for (file, names) in [("present.txt", present), ("pulled.txt", pulled)] {
        let lines: String = names.into_iter().map(|name| format!("{name}\n")).collect();
        fs::write(content.join(file), lines)?;
    }
    Ok(fs::write(content.join("busybox-image"), format!("{}\n", images.busybox))?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn images_are_either_present_or_pulled() {
        let content = tempfile::tempdir().unwrap();
        let images = DefaultImages {
            archive: PathBuf::new(),
            references: ["a", "b", "c"].map(str::to_owned).to_vec(),
            missing: BTreeSet::from(["b".to_owned()]),
            busybox: "c".to_owned(),
        };
        write_expected(content.path(), &images, |image| images.missing.contains(image)).unwrap();
        let read = |name| fs::read_to_string(content.path().join(name)).unwrap();
        assert_eq!(
            [read("present.txt"), read("pulled.txt"), read("busybox-image")],
            ["b\n", "a\nc\n", "c\n"]
        );
    }
}
