//! The releases of k3s-root: the packages of others inside, their licences, and their sources. The archive itself names
//! none of them.
//!
//! Buildroot builds k3s-root, so its own list is the one in `xtask/k3s-root/releases.json`. For another release: check
//! k3s-root out at its tag and Buildroot at the version in `scripts/download`, apply `scripts/patch`, and run `make
//! olddefconfig show-info`. Every package of the target belongs on the list, except the compiler's and the kernel's
//! headers and scripts of Buildroot's own; checksums are in `package/*/*.hash`. Those of the two archives of GitHub are
//! of `git archive`, compressed by `gzip -n`.

use crate::context::Context;
use crate::digest::Digest;
use crate::dir;
use crate::fetch::{self, Download, FileName};
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use memchr::memmem;
use serde::Deserialize;
use sha2::{Digest as _, Sha512};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

/// The directories with a list, below the repository: of k3s-root's releases, and of the sample's.
const DIRECTORIES: [&str; 2] = ["xtask/k3s-root", "sample/k3s-root-sources"];

/// The list in each of them.
const LIST: &str = "releases.json";

/// The directory of the licence texts, below the repository.
pub const LICENSES: &str = "xtask/k3s-root/licenses";

/// A release of k3s-root.
#[derive(Clone, Debug)]
pub struct RootRelease {
    /// Its tag.
    pub name: String,
    /// The version of Buildroot that has built it.
    pub buildroot: String,
    /// The sources of k3s-root and of Buildroot: configuration, patches and build scripts.
    pub scripts: Vec<Download>,
    pub packages: Vec<RootPackage>,
}

/// A package inside k3s-root.
#[derive(Clone, Debug)]
pub struct RootPackage {
    pub name: String,
    pub version: String,
    pub facts: Facts,
}

/// Facts about a package, from Buildroot.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// SPDX identifiers.
    pub licenses: BTreeSet<String>,
    /// Files with the licence texts, in [`LICENSES`].
    pub texts: Vec<String>,
    /// The URL of its sources.
    pub source: String,
    /// Their checksum.
    pub checksum: Checksum,
    /// A program in the archive that contains its version, below `bin/`.
    pub program: Option<String>,
}

/// A checksum of sources. Of some packages Buildroot has only the longer one.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    Sha256(Digest),
    Sha512(String),
}

/// Contents of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    /// Packages by name and version, with a blank between them.
    packages: BTreeMap<String, Facts>,
    releases: BTreeMap<String, Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    buildroot: String,
    scripts: Vec<Download>,
    packages: Vec<String>,
}

/// Returns the lists and licence texts as an input of a step.
pub fn input(context: &Context) -> Result<String> {
    let sums = DIRECTORIES.map(|directory| Ok(dir::digest(&context.root.join(directory))?.to_string()));
    let sums = sums.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(format!("packages of k3s-root sha256:{}", Digest::of(sums.join(" "))))
}

impl RootRelease {
    /// Returns a release, if it is on a list.
    pub fn named(context: &Context, name: &str) -> Result<Option<RootRelease>> {
        for directory in DIRECTORIES {
            if let Some(found) = RootRelease::in_directory(&context.root.join(directory), name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Returns a release, if it is on the list of a directory.
    pub fn in_directory(directory: &Path, name: &str) -> Result<Option<RootRelease>> {
        let path = directory.join(LIST);
        let list = serde_json::from_slice::<List>(&fs::read(&path)?).map_err(anyhow::Error::from);
        list.and_then(|list| list.release(name)).with_context(|| format!("reading {}", path.display()))
    }

    /// Returns the URLs of all sources.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        let packages = self.packages.iter().map(|package| package.facts.source.as_str());
        self.scripts.iter().map(|script| script.url.as_str()).chain(packages)
    }

    /// Checks that the programs of an unpacked archive have the versions of the list.
    pub fn verify(&self, root: &Path) -> Result<()> {
        for package in &self.packages {
            let Some(program) = &package.facts.program else { continue };
            let RootPackage { name, version, .. } = package;
            let file = root.join("bin").join(program);
            let is_file = fs::symlink_metadata(&file).is_ok_and(|metadata| metadata.is_file());
            ensure!(
                is_file && memmem::find(&fs::read(file)?, version.as_bytes()).is_some(),
                "bin/{program} of k3s-root {} is not the program of {name} {version}, as {}/{LIST} says",
                self.name,
                DIRECTORIES[0]
            );
        }
        Ok(())
    }

    /// Returns the version of each package.
    pub fn versions(&self) -> BTreeMap<String, String> {
        self.packages.iter().map(|package| (package.name.clone(), package.version.clone())).collect()
    }
}

impl List {
    fn release(self, name: &str) -> Result<Option<RootRelease>> {
        let Some(entry) = self.releases.get(name) else { return Ok(None) };
        let packages = entry.packages.iter().map(|key| {
            let facts = self.packages.get(key).with_context(|| format!("{name} has no package {key:?}"))?;
            let (name, version) = key.split_once(' ').with_context(|| format!("{key:?} has no version"))?;
            Ok(RootPackage { name: name.to_owned(), version: version.to_owned(), facts: facts.clone() })
        });
        Ok(Some(RootRelease {
            name: name.to_owned(),
            buildroot: entry.buildroot.clone(),
            scripts: entry.scripts.clone(),
            packages: packages.collect::<Result<_>>()?,
        }))
    }
}

impl RootPackage {
    /// Returns the file name of the sources.
    pub fn source_name(&self) -> &str {
        self.facts.source.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the verified sources, from their own URL or from Buildroot's archive of all sources.
    pub fn fetch(&self, context: &Context) -> Result<PathBuf> {
        let backup = format!("https://sources.buildroot.net/{}/{}", self.name, self.source_name());
        self.fetch_from(context, &self.facts.source)
            .or_else(|error| self.fetch_from(context, &backup).map_err(|_| error))
    }

    fn fetch_from(&self, context: &Context, url: &str) -> Result<PathBuf> {
        let name: FileName = self.source_name().parse()?;
        match &self.facts.checksum {
            Checksum::Sha256(sha256) => {
                Download { name, url: url.to_owned(), sha256: sha256.clone() }.get(context)
            }
            Checksum::Sha512(expected) => {
                let check = |file: &Path| {
                    let found = format!("{:x}", Sha512::digest(fs::read(file)?));
                    ensure!(found == *expected, "its sha512 is {found}, not {expected}");
                    Ok(())
                };
                Ok(fetch::first_use(context, &name, url, &check)?.download.path(context))
            }
        }
    }
}

impl Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Checksum::Sha256(sum) => write!(f, "sha256 {sum}"),
            Checksum::Sha512(sum) => write!(f, "sha512 {sum}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Network;

    #[test]
    fn another_version_in_the_archive_is_an_error() {
        let context = Context::new(None, Network::Forbidden).unwrap();
        assert!(RootRelease::named(&context, "v0.0.0").unwrap().is_none());
        let release = RootRelease::named(&context, "v0.15.0").unwrap().unwrap();
        let root = tempfile::tempdir().unwrap();
        for package in &release.packages {
            if let Some(program) = &package.facts.program {
                let file = root.path().join("bin").join(program);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, format!("ELF {} v{}\0", package.name, package.version)).unwrap();
            }
        }
        release.verify(root.path()).unwrap();
        let busybox = root.path().join("bin/busybox");
        let refused = || {
            let error = release.verify(root.path()).unwrap_err().to_string();
            let expected = "bin/busybox of k3s-root v0.15.0 is not the program of busybox 1.37.0, as ";
            assert!(error.starts_with(expected), "{error}");
        };
        fs::write(&busybox, "BusyBox v1.36.1").unwrap();
        refused();
        fs::remove_file(&busybox).unwrap();
        refused();
        // A link could lead to a file without an end.
        fs::write(root.path().join("bin/other"), "BusyBox v1.37.0").unwrap();
        std::os::unix::fs::symlink("other", busybox).unwrap();
        refused();
    }
}
