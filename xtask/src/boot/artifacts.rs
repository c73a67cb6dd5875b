//! Artifacts under test: packages, a binary and images, of one version.

use super::earlier::Earlier;
use super::images::DefaultImages;
use super::platform::X86_64;
use super::scenario::{Installed, Scenario};
use crate::digest::Digest;
use crate::dir;
use crate::elf;
use crate::k3s::Optional;
use crate::product::MANIFEST;
use crate::product::load::INSTALL;
use crate::product::manifest::Manifest;
use crate::reference::Reference;
use crate::rpm::nevra::{SOURCE_PACKAGE, is_installable};
use crate::rpm::read;
use crate::target::Target;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Packages, a binary, or both, and the default images for the binary.
#[derive(Clone, Debug, Default)]
pub struct Artifacts {
    /// Version, and directory below `target/dist` that the results are written to.
    pub version: String,
    /// Version and release of the packages.
    pub build: Option<String>,
    /// Those for the platform under test, and perhaps that for the server of a mixed cluster.
    pub packages: Vec<PathBuf>,
    /// Those of earlier minors.
    pub earlier: Earlier,
    pub binary: Option<PathBuf>,
    /// The installer of the same product.
    pub installer: Option<PathBuf>,
    pub images: Option<DefaultImages>,
    /// Optional content that the binary does not have, according to the manifest beside it.
    pub(super) incomplete: Vec<Optional>,
    /// The images inside the binary, in the form in which containerd keeps their names, according to the same manifest.
    pub(super) builtin_images: Option<BTreeSet<String>>,
    /// Says, if there is a manifest beside the binary, whether k3s-root is inside: its iptables, conntrack, mount.
    pub(super) has_k3s_root: Option<bool>,
    /// Patched name of the pause image, according to the same manifest.
    pub pause_image: Option<String>,
    /// Assets of the same release that were made from these files, by their names.
    pub derived: BTreeMap<String, Digest>,
}

/// End of the sample's version (see [`crate::upstream::release::Origin`]).
const SAMPLE: &str = ".sample";

impl Artifacts {
    /// Returns the packages in a directory. Each has to be readable and for this architecture.
    ///
    /// The version and the pause image's name are those of the product that the packages were built from, if
    /// they are still where `cargo xtask rpm` writes them: a package may have to spell its version in another way.
    pub fn from_packages(dist: &Path, directory: &Path, target: &Target) -> Result<Artifacts> {
        let mut packages = Vec::new();
        let (mut version, mut build) = (None, None);
        for path in dir::entries(directory)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.ends_with(".rpm") || name.ends_with(SOURCE_PACKAGE) {
                continue;
            }
            let nevra = read::read(&path)?.nevra;
            let arch = target.rpm;
            ensure!(
                [arch, "noarch"].contains(&nevra.arch.as_str()),
                "{} is for {}, and the VM is {arch}",
                path.display(),
                nevra.arch
            );
            // A scenario selects the packages for an architecture by the end of their names.
            ensure!(
                name.ends_with(&format!(".{}.rpm", nevra.arch)),
                "{} is the package {}\n  Give it this name again.",
                path.display(),
                nevra.file_name()
            );
            if nevra.name == "k3s" {
                version = Some(format!("v{}", nevra.version));
                build = Some(format!("{}-{}", nevra.version, nevra.release));
            }
            packages.push(path);
        }
        let version = version.with_context(|| {
            format!("no package of k3s in {}\n  cargo xtask rpm builds one", directory.display())
        })?;
        let artifacts = Artifacts { version, build, packages, ..Artifacts::default() };
        let Some(product) = product_of(dist, directory) else { return Ok(artifacts) };
        let built = dist.join(&product).join(target.go);
        let (manifest, installer) = (manifest_in(&built)?, installer_in(&built));
        let pause_image = manifest.map(|manifest| manifest.pause_image);
        Ok(Artifacts { version: product.to_string_lossy().into_owned(), pause_image, installer, ..artifacts })
    }

    /// Returns a k3s binary for the guest's architecture. Its version is read from the manifest beside it.
    pub fn from_binary(file: &Path) -> Result<Artifacts> {
        let manifest = file.parent().map(manifest_in).transpose()?.flatten();
        Artifacts::of_manifest(file, manifest.as_ref())
    }

    /// Returns a k3s binary for the guest's architecture, with the properties that a manifest names.
    pub fn of_manifest(file: &Path, manifest: Option<&Manifest>) -> Result<Artifacts> {
        let headers = object::ReadCache::new(fs::File::open(file)?.into_file());
        elf::check(&headers, super::target()?.elf_machine)
            .with_context(|| format!("{} is not a k3s for riscv64", file.display()))?;
        Ok(Artifacts {
            version: manifest.map_or("unknown".to_owned(), |manifest| manifest.k3s.clone()),
            binary: Some(file.to_owned()),
            installer: file.parent().and_then(installer_in),
            has_k3s_root: manifest.map(|manifest| manifest.contains(Optional::K3sRoot)),
            incomplete: manifest.map(|manifest| manifest.incomplete.clone()).unwrap_or_default(),
            builtin_images: manifest.map(builtin_images).transpose()?,
            pause_image: manifest.map(|manifest| manifest.pause_image.clone()),
            ..Artifacts::default()
        })
    }

    /// Adds the archive of a repository, as a release has it.
    pub fn with_repository(mut self, archive: PathBuf) -> Result<Artifacts> {
        self.earlier.add_repository(archive)?;
        Ok(self)
    }

    /// Adds directories of packages of earlier minors.
    pub fn with_earlier(mut self, dist: &Path, directories: &[PathBuf]) -> Result<Artifacts> {
        for directory in directories {
            let Artifacts { version, packages, .. } =
                Artifacts::from_packages(dist, directory, super::target()?)?;
            self.earlier.add(&version, packages);
        }
        Ok(self)
    }

    /// Adds the package for the server of a mixed cluster. Packages for all architectures are those under test.
    pub fn with_server(mut self, server: Artifacts) -> Result<Artifacts> {
        ensure!(
            server.build == self.build,
            "the packages of --server are of k3s {}, and those under test of {}\n  \
             cargo xtask rpm --arch amd64 builds them of the same k3s, with the same options.",
            server.build.unwrap_or_default(),
            self.build.unwrap_or_default()
        );
        self.packages
            .extend(server.packages.into_iter().filter(|package| is_for_server(&package.to_string_lossy())));
        Ok(self)
    }

    /// Returns the packages that a machine of this architecture installs.
    pub fn packages_for(&self, target: &Target) -> impl Iterator<Item = &PathBuf> {
        self.packages.iter().filter(|package| is_installable(&package.to_string_lossy(), target))
    }

    /// Returns the minors that can be installed one after the other, up to that under test.
    pub fn minors(&self) -> Vec<u32> {
        self.earlier.minors(&self.version)
    }

    /// Returns whether the k3s is a real one: the sample's is a stub, on which nothing runs.
    pub fn is_real(&self) -> bool {
        !self.version.ends_with(SAMPLE)
    }

    /// Copies the files to a new directory, since a later build may replace the originals.
    pub fn copy_to(self, directory: &Path) -> Result<Artifacts> {
        fs::create_dir(directory)?;
        let copy = |file: &PathBuf| -> Result<PathBuf> {
            let copy = directory.join(file_name(file)?);
            fs::copy(file, &copy)?;
            Ok(copy)
        };
        let images = self.images.as_ref();
        let images = images
            .map(|it| copy(&it.archive).map(|archive| DefaultImages { archive, ..it.clone() }))
            .transpose()?;
        Ok(Artifacts {
            images,
            packages: self.packages.iter().map(copy).collect::<Result<_>>()?,
            binary: self.binary.as_ref().map(copy).transpose()?,
            earlier: self.earlier.copied(copy)?,
            installer: self.installer.as_ref().map(copy).transpose()?,
            ..self
        })
    }

    /// Returns the default images, which a scenario needs.
    pub fn images(&self) -> Result<&DefaultImages> {
        self.images.as_ref().context("the scenario needs the default images")
    }

    /// Returns the files that a scenario tests.
    pub(super) fn files(&self, scenario: Scenario) -> Result<Vec<&PathBuf>> {
        let images = self.images.as_ref().map(|images| &images.archive);
        let (binary, installer) = (self.binary.iter(), self.installer.iter());
        let packages = self.packages_for(super::target()?);
        Ok(match (scenario, scenario.installed()) {
            (Scenario::Mixed, _) => self.packages.iter().collect(),
            (Scenario::Sample, _) => packages.chain(installer).collect(),
            (Scenario::InstallScript, _) => binary.chain(installer).collect(),
            (_, Installed::Packages) => packages.collect(),
            (_, Installed::Repository) => packages.chain(self.earlier.files()).chain(installer).collect(),
            (_, Installed::Binary) => binary.collect(),
            (_, Installed::BinaryWithImages) => binary.chain(images).collect(),
        })
    }

    /// Returns the digest of each file that a scenario tests, by its name.
    pub fn digests(&self, scenario: Scenario) -> Result<BTreeMap<String, Digest>> {
        let digest =
            |file: &PathBuf| Ok((file_name(file)?.to_string_lossy().into_owned(), Digest::of_file(file)?));
        self.files(scenario)?.into_iter().map(digest).collect()
    }
}

/// Returns whether a file is the package that the server of a mixed cluster installs, beside those for all architectures.
pub fn is_for_server(package: &str) -> bool {
    let name = package.rsplit('/').next().unwrap_or(package);
    let version =
        name.strip_prefix("k3s-").and_then(|rest| rest.strip_suffix(&format!(".{}.rpm", X86_64.name)));
    version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}

/// Returns the images inside a k3s, in the form in which containerd keeps their names.
fn builtin_images(manifest: &Manifest) -> Result<BTreeSet<String>> {
    let pause = manifest.builtin_pause.then_some(&manifest.pause_image);
    let others = manifest.builtin_images.iter().map(|image| &image.reference);
    pause.into_iter().chain(others).map(|image| Ok(Reference::parse(image)?.normalised())).collect()
}

/// Returns the name of an artifact.
pub(super) fn file_name(artifact: &Path) -> Result<&OsStr> {
    artifact.file_name().with_context(|| format!("{} is not a file", artifact.display()))
}

/// Returns the name of the product whose directory in `dist` contains the packages.
fn product_of(dist: &Path, packages: &Path) -> Option<PathBuf> {
    let (dist, packages) = (fs::canonicalize(dist).ok()?, fs::canonicalize(packages).ok()?);
    Some(packages.strip_prefix(dist).ok()?.iter().next()?.into())
}

/// Returns the installer in the directory of a product, if there is one.
fn installer_in(directory: &Path) -> Option<PathBuf> {
    Some(directory.join(INSTALL)).filter(|file| file.is_file())
}

/// Reads the manifest in a directory, if there is one.
fn manifest_in(directory: &Path) -> Result<Option<Manifest>> {
    let file = directory.join(MANIFEST);
    file.is_file().then(|| Manifest::read(&file)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::applicable::tests::images;

    #[test]
    fn copies_are_independent_of_originals() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("k3s-riscv64");
        let bundle = directory.path().join("images.tar.zst");
        fs::write(&file, "first").unwrap();
        fs::write(&bundle, "images").unwrap();
        let artifacts =
            Artifacts { binary: Some(file.clone()), images: images(&bundle), ..Artifacts::default() };
        let copy = artifacts.copy_to(&directory.path().join("copies")).unwrap();
        fs::write(&file, "second").unwrap();
        fs::write(&bundle, "other images").unwrap();
        let digests = copy.digests(Scenario::DefaultNode).unwrap();
        assert_eq!(digests["k3s-riscv64"], Digest::of("first"));
        assert_eq!(digests["images.tar.zst"], Digest::of("images"));
        assert_eq!(
            copy.digests(Scenario::Alone).unwrap().len(),
            1,
            "what a scenario does not test is not listed"
        );
    }
}
