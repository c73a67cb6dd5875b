//! Subject of a boot test: packages, a binary, or both, of one version.

use crate::digest::Digest;
use crate::elf;
use crate::product::MANIFEST;
use crate::product::manifest::Manifest;
use crate::rpm::nevra::SOURCE_PACKAGE;
use crate::rpm::read;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::scenario::Proof;

/// Packages, a binary, or both, to be tested.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Directory below `target/dist` that the record is written to.
    pub version: String,
    packages: Vec<PathBuf>,
    binary: Option<PathBuf>,
    /// User space of the binary, according to the manifest beside it.
    user_space: Option<UserSpace>,
    pause_image: Option<String>,
}

/// Origin of the iptables, conntrack, mount and so on that a binary uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UserSpace {
    /// From the k3s-root that the binary contains.
    Own,
    Distribution,
}

/// The end of the sample's version (see [`crate::upstream::release::Origin`]).
const SAMPLE: &str = ".sample";

impl Subject {
    /// Returns the packages in a directory; each has to be readable and for the guest's architecture.
    pub fn packages_in(directory: &Path) -> Result<Subject> {
        let mut packages = Vec::new();
        let mut version = None;
        let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(|entry| entry.file_name());
        for path in entries.iter().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.ends_with(".rpm") || name.ends_with(SOURCE_PACKAGE) {
                continue;
            }
            let nevra = read::read(&path)?.nevra;
            let arch = super::target()?.rpm;
            ensure!(
                [arch, "noarch"].contains(&nevra.arch.as_str()),
                "{} is for {}, and what is booted is {arch}",
                path.display(),
                nevra.arch
            );
            if nevra.name == "k3s" {
                version = Some(nevra.version);
            }
            packages.push(path);
        }
        let version = version.with_context(|| {
            format!("there is no package of k3s in {}; cargo xtask rpm makes one", directory.display())
        })?;
        Ok(Subject { version: format!("v{version}"), packages, ..Subject::default() })
    }

    /// Adds data of the product that the packages in this directory were built from, if they are still where
    /// `cargo xtask rpm` has written them: its version, which a package may have to spell in another way, and
    /// the pause image's name.
    pub fn of_product(self, dist: &Path, directory: &Path) -> Result<Subject> {
        let below = || -> Option<PathBuf> {
            let (dist, directory) = (fs::canonicalize(dist).ok()?, fs::canonicalize(directory).ok()?);
            Some(directory.strip_prefix(dist).ok()?.iter().next()?.into())
        };
        let Some(version) = below() else { return Ok(self) };
        let manifest = dist.join(&version).join(super::target()?.go).join(MANIFEST);
        let manifest = manifest.is_file().then(|| Manifest::read(&manifest)).transpose()?;
        let version = version.to_string_lossy().into_owned();
        Ok(Subject { version, pause_image: manifest.map(|manifest| manifest.pause_image), ..self })
    }

    /// Returns a k3s binary for the guest's architecture; its version is read from the manifest beside it.
    pub fn of_binary(file: &Path) -> Result<Subject> {
        let bytes = fs::File::open(file)?;
        let headers = object::ReadCache::new(bytes.into_file());
        elf::check(&headers, super::target()?.elf_machine)
            .with_context(|| format!("{} is no k3s that could be booted on riscv64", file.display()))?;
        let manifest = file.parent().map(|directory| directory.join(MANIFEST));
        let manifest = manifest.filter(|manifest| manifest.is_file());
        let manifest = manifest.map(|manifest| Manifest::read(&manifest)).transpose()?;
        Ok(Subject {
            version: manifest.as_ref().map_or("unknown".to_owned(), |manifest| manifest.k3s.clone()),
            binary: Some(file.to_owned()),
            user_space: manifest.as_ref().map(UserSpace::of),
            pause_image: manifest.map(|manifest| manifest.pause_image),
            ..Subject::default()
        })
    }

    /// Adds packages and keeps the binary's version.
    pub fn with_packages_of(self, packages: Subject) -> Subject {
        Subject { packages: packages.packages, ..self }
    }

    /// Copies the files to a new directory, since a later build may replace the originals.
    pub fn copied(self, directory: &Path) -> Result<Subject> {
        fs::create_dir(directory)?;
        let copy = |file: &PathBuf| -> Result<PathBuf> {
            let place = directory.join(file.file_name().context("a package and a binary are files")?);
            fs::copy(file, &place)?;
            Ok(place)
        };
        Ok(Subject {
            packages: self.packages.iter().map(copy).collect::<Result<_>>()?,
            binary: self.binary.as_ref().map(copy).transpose()?,
            ..self
        })
    }

    /// Returns the digest of each file, by its name.
    pub fn digests(&self) -> Result<BTreeMap<String, Digest>> {
        let digest = |file: &PathBuf| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, Digest::of_file(file)?))
        };
        self.packages.iter().chain(&self.binary).map(digest).collect()
    }

    /// Returns the reason why the user space inside the binary is not tested, if there is a binary.
    pub fn without_bundled(&self) -> Option<&'static str> {
        self.binary.as_ref()?;
        match self.user_space {
            Some(UserSpace::Own) => None,
            Some(UserSpace::Distribution) => Some("there is no k3s-root inside"),
            None => Some("no manifest.json beside the binary tells whether k3s-root is inside"),
        }
    }

    /// Returns the scenarios that apply to the subject.
    pub fn proofs(&self) -> Vec<Proof> {
        if self.version.ends_with(SAMPLE) {
            // Its binary is a stub, on which nothing runs.
            return if self.packages.is_empty() { vec![] } else { vec![Proof::Sample] };
        }
        let of_packages: &[Proof] =
            if self.packages.is_empty() { &[] } else { &[Proof::Packages, Proof::Cure] };
        let alone = self.binary.is_some().then_some(Proof::Alone);
        let bundled = (self.user_space == Some(UserSpace::Own)).then_some(Proof::Bundled);
        of_packages.iter().copied().chain(alone).chain(bundled).collect()
    }

    pub fn packages(&self) -> Result<&[PathBuf]> {
        match self.packages.as_slice() {
            [] => bail!("there are no packages of k3s {}", self.version),
            packages => Ok(packages),
        }
    }

    pub fn binary(&self) -> Result<&Path> {
        self.binary.as_deref().with_context(|| format!("there is no binary of k3s {}", self.version))
    }

    /// Returns the pause image's patched name, if it is known.
    pub fn pause_image(&self) -> Option<&str> {
        self.pause_image.as_deref()
    }
}

impl UserSpace {
    fn of(manifest: &Manifest) -> UserSpace {
        if manifest.lacks("k3s-root") { UserSpace::Distribution } else { UserSpace::Own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(user_space: Option<UserSpace>) -> Subject {
        let binary = Some(PathBuf::from("k3s-riscv64"));
        Subject { version: "v1.35.0+k3s1".to_owned(), binary, user_space, ..Subject::default() }
    }

    #[test]
    fn the_user_space_of_a_binary_is_proved_where_it_is_inside_and_otherwise_told() {
        let own = binary(Some(UserSpace::Own));
        assert_eq!(own.proofs(), [Proof::Alone, Proof::Bundled]);
        assert_eq!(own.without_bundled(), None);
        for lacking in [binary(Some(UserSpace::Distribution)), binary(None)] {
            assert_eq!(lacking.proofs(), [Proof::Alone]);
            assert!(lacking.without_bundled().is_some_and(|reason| reason.contains("k3s-root")));
        }
    }

    #[test]
    fn packages_are_proved_with_their_cure_and_the_sample_in_its_own_way() {
        let packages = vec![PathBuf::from("k3s.rpm")];
        let packages = Subject { version: "v1.35.0+k3s1".to_owned(), packages, ..Subject::default() };
        assert_eq!(packages.proofs(), [Proof::Packages, Proof::Cure]);
        assert_eq!(packages.without_bundled(), None);
        let sample = Subject { version: "v0.35.0+k3s1.sample".to_owned(), ..packages };
        assert_eq!(sample.proofs(), [Proof::Sample]);
        let binary = Subject { version: sample.version, ..binary(None) };
        assert_eq!(binary.proofs(), [], "the sample's binary is a stub");
    }

    #[test]
    fn copies_stay_what_they_were() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("k3s-riscv64");
        fs::write(&file, "first").unwrap();
        let subject = Subject { binary: Some(file.clone()), ..Subject::default() };
        let copied = subject.copied(&directory.path().join("copies")).unwrap();
        fs::write(&file, "second").unwrap();
        assert_eq!(copied.digests().unwrap()["k3s-riscv64"], Digest::of("first"));
    }
}
