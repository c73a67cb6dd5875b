//! Packages of earlier minors, from which the packages under test are upgraded.

use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Packages in the archive of a repository, in files, or in both.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    /// The archive of the repository of a release. It has the packages under test, too.
    pub repository: Option<PathBuf>,
    /// Packages that are in no such archive.
    pub packages: Vec<PathBuf>,
    /// The minors of both.
    available: BTreeSet<u32>,
}

impl Earlier {
    /// Adds the archive of a repository, as a release has it.
    pub fn add_repository(&mut self, archive: PathBuf) -> Result<()> {
        let mut tar = tar::Archive::new(fs::File::open(&archive)?);
        let entries = tar.entries().and_then(|entries| {
            entries.map(|entry| Ok(entry?.path()?.into_owned())).collect::<std::io::Result<Vec<_>>>()
        });
        let entries = entries.with_context(|| format!("reading {}", archive.display()))?;
        let names = entries.iter().filter_map(|path| path.file_name()?.to_str()?.strip_prefix("k3s-"));
        self.available.extend(names.filter_map(minor));
        self.repository = Some(archive);
        Ok(())
    }

    /// Adds packages of one version.
    pub fn add(&mut self, version: &str, packages: Vec<PathBuf>) {
        self.available.extend(minor(version));
        self.packages.extend(packages);
    }

    /// Returns all files.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.packages.iter().chain(&self.repository)
    }

    /// Returns the same with copies of the files.
    pub fn copied(&self, copy: impl Fn(&PathBuf) -> Result<PathBuf>) -> Result<Earlier> {
        Ok(Earlier {
            repository: self.repository.as_ref().map(&copy).transpose()?,
            packages: self.packages.iter().map(&copy).collect::<Result<_>>()?,
            available: self.available.clone(),
        })
    }

    /// Returns the minors that can be installed one after the other, up to that of a version.
    pub fn minors(&self, version: &str) -> Vec<u32> {
        let Some(newest) = minor(version) else { return Vec::new() };
        let earlier = (0..newest).rev().take_while(|earlier| self.available.contains(earlier));
        let mut minors: Vec<u32> = [newest].into_iter().chain(earlier).collect();
        minors.reverse();
        minors
    }
}

/// Returns the minor of a version of Kubernetes 1, as k3s or a package has it.
fn minor(version: &str) -> Option<u32> {
    let (minor, _) = version.trim_start_matches('v').strip_prefix("1.")?.split_once('.')?;
    minor.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_has_minors_of_its_packages() {
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join("repository-oe2403-riscv64.tar");
        let mut tar = tar::Builder::new(fs::File::create(&archive).unwrap());
        for name in ["k3s-1.34.3+k3s1-1.oe2403.riscv64.rpm", "k3s-cli-1.33.0+k3s1-1.oe2403.noarch.rpm"] {
            let path = format!("riscv64/{name}");
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            tar.append_data(&mut header, path, std::io::empty()).unwrap();
        }
        tar.finish().unwrap();
        let mut earlier = Earlier::default();
        earlier.add_repository(archive).unwrap();
        assert_eq!(earlier.minors("v1.35.1+k3s1"), [34, 35]);
    }
}
