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
use clap::ValueEnum;
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
    incomplete: Vec<Optional>,
    /// The images inside the binary, in the form in which containerd keeps their names, according to the same manifest.
    builtin_images: Option<BTreeSet<String>>,
    /// Says, if there is a manifest beside the binary, whether k3s-root is inside: its iptables, conntrack, mount.
    has_k3s_root: Option<bool>,
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
    fn files(&self, scenario: Scenario) -> Result<Vec<&PathBuf>> {
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

    /// Returns the reason why the user space inside the binary is not tested, if there is a binary.
    pub fn without_bundled(&self) -> Option<&'static str> {
        self.binary.as_ref()?;
        match self.has_k3s_root {
            Some(true) => None,
            Some(false) => Some("there is no k3s-root inside"),
            None => {
                Some("there is no manifest.json beside the binary, which says whether k3s-root is inside")
            }
        }
    }

    /// Returns the reason why no upgrade is tested, if there are packages of a real k3s.
    pub fn without_upgrade(&self) -> Option<&'static str> {
        self.packages.first().filter(|_| self.is_real())?;
        if self.minors().len() < 2 {
            return Some("there are no packages of the minor before: --earlier names a directory with them");
        }
        let no_installer =
            "there is no install.sh beside the packages, which writes the unit of openEuler's k3s";
        self.installer.is_none().then_some(no_installer)
    }

    /// Returns the reason why a node with nothing disabled is not tested, if there is a binary.
    pub fn without_default_node(&self) -> Option<&'static str> {
        self.binary.as_ref()?;
        if self.incomplete.contains(&Optional::Charts) {
            return Some("there are no charts inside the binary");
        }
        self.images.is_none().then_some("--images names no directory with its images")
    }

    /// Returns the reason why a node is not tested whose registry has upstream's images, if there is a binary.
    pub fn without_registry_node(&self) -> Option<&'static str> {
        if let reason @ Some(_) = self.without_default_node() {
            return reason;
        }
        let missing = &self.images.as_ref()?.missing;
        match &self.builtin_images {
            Some(inside) if inside == missing => None,
            Some(_) => Some(
                "the images inside the binary are not exactly those that upstream does not build for riscv64",
            ),
            None => Some("there is no manifest.json beside the binary, which says which images are inside"),
        }
    }

    /// Returns the reason why no mixed cluster is tested, if there are packages of a real k3s.
    pub fn without_mixed(&self) -> Option<&'static str> {
        self.packages.first().filter(|_| self.is_real())?;
        let has_server = self.packages.iter().any(|package| is_for_server(&package.to_string_lossy()));
        (!has_server).then_some(
            "there are no packages for x86_64: --server names a directory with them, or a release has them",
        )
    }

    /// Returns the scenarios that apply to the artifacts.
    pub fn scenarios(&self) -> Vec<Scenario> {
        let applies = |scenario: &Scenario| match (scenario, scenario.installed()) {
            (Scenario::Mixed, _) => self.without_mixed().is_none(),
            (Scenario::InstallScript, _) => self.installer.is_some(),
            (Scenario::Bundled, _) => self.has_k3s_root == Some(true),
            (Scenario::RegistryNode, _) => self.without_registry_node().is_none(),
            (_, Installed::Packages | Installed::Binary) => true,
            (_, Installed::Repository) => self.without_upgrade().is_none(),
            (_, Installed::BinaryWithImages) => self.without_default_node().is_none(),
        };
        let has_files = |scenario: &Scenario| match scenario.installed() {
            Installed::Packages | Installed::Repository => !self.packages.is_empty(),
            Installed::Binary | Installed::BinaryWithImages => self.binary.is_some(),
        };
        let is_real = |scenario: &Scenario| (*scenario == Scenario::Sample) != self.is_real();
        let mut scenarios = Scenario::value_variants().to_vec();
        scenarios.retain(|scenario| is_real(scenario) && has_files(scenario) && applies(scenario));
        scenarios
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

    fn binary(has_k3s_root: Option<bool>) -> Artifacts {
        let binary = Some(PathBuf::from("k3s-riscv64"));
        Artifacts { version: "v1.35.0+k3s1".to_owned(), binary, has_k3s_root, ..Artifacts::default() }
    }

    #[test]
    fn bundled_needs_k3s_root() {
        let bundled = binary(Some(true));
        assert_eq!(bundled.scenarios(), [Scenario::Alone, Scenario::Bundled, Scenario::CgroupV1]);
        assert_eq!(bundled.without_bundled(), None);
        for other in [binary(Some(false)), binary(None)] {
            assert_eq!(other.scenarios(), [Scenario::Alone, Scenario::CgroupV1]);
            assert!(other.without_bundled().is_some_and(|reason| reason.contains("k3s-root")));
        }
    }

    #[test]
    fn install_script_needs_the_script() {
        let installer = Some(PathBuf::from("install.sh"));
        let with_installer = Artifacts { installer, ..binary(None) };
        assert_eq!(
            with_installer.scenarios(),
            [Scenario::Alone, Scenario::InstallScript, Scenario::CgroupV1]
        );
        let without_binary = Artifacts { binary: None, ..with_installer };
        assert_eq!(without_binary.scenarios(), []);
    }

    fn images(archive: &Path) -> Option<DefaultImages> {
        Some(DefaultImages {
            archive: archive.to_owned(),
            references: Vec::new(),
            missing: BTreeSet::from(["docker.io/a/pause:1".to_owned()]),
            busybox: "busybox:1".to_owned(),
        })
    }

    #[test]
    fn default_node_needs_images_and_charts() {
        let artifacts = Artifacts { images: images(Path::new("b.tar.zst")), ..binary(None) };
        assert_eq!(artifacts.scenarios(), [Scenario::Alone, Scenario::DefaultNode, Scenario::CgroupV1]);
        assert_eq!(artifacts.without_default_node(), None);
        let incomplete = Artifacts { incomplete: vec![Optional::Charts], ..artifacts };
        for (other, reason) in [(binary(None), "--images"), (incomplete, "no charts")] {
            assert_eq!(other.scenarios(), [Scenario::Alone, Scenario::CgroupV1]);
            assert!(other.without_default_node().is_some_and(|text| text.contains(reason)));
        }
    }

    #[test]
    fn registry_node_needs_missing_images_inside() {
        let artifacts = Artifacts { images: images(Path::new("b.tar.zst")), ..binary(None) };
        let inside = |names: &[&str]| {
            let builtin_images = Some(names.iter().map(|name| (*name).to_owned()).collect());
            Artifacts { builtin_images, ..artifacts.clone() }
        };
        let missing = inside(&["docker.io/a/pause:1"]);
        assert_eq!(missing.without_registry_node(), None);
        assert_eq!(
            missing.scenarios(),
            [Scenario::Alone, Scenario::DefaultNode, Scenario::RegistryNode, Scenario::CgroupV1]
        );
        let without_images = Artifacts { images: None, ..missing.clone() };
        for (other, reason) in [
            (inside(&[]), "not exactly those"),
            (inside(&["docker.io/a/pause:1", "docker.io/a/b:1"]), "not exactly those"),
            (artifacts, "no manifest.json"),
            (without_images, "--images"),
        ] {
            assert!(!other.scenarios().contains(&Scenario::RegistryNode));
            assert!(other.without_registry_node().is_some_and(|text| text.contains(reason)), "{reason}");
        }
    }

    #[test]
    fn upgrade_needs_the_minor_before() {
        let of_minors = |minors: &[u32]| {
            let mut earlier = Earlier::default();
            minors.iter().for_each(|minor| earlier.add(&format!("v1.{minor}.0+k3s1"), Vec::new()));
            Artifacts {
                version: "v1.35.1+k3s1".to_owned(),
                packages: vec![PathBuf::from("k3s.rpm")],
                installer: Some(PathBuf::from("install.sh")),
                earlier,
                ..Artifacts::default()
            }
        };
        let artifacts = of_minors(&[31, 33, 34, 35, 36]);
        assert_eq!(artifacts.minors(), [33, 34, 35]);
        assert_eq!(artifacts.without_upgrade(), None);
        assert!(artifacts.scenarios().contains(&Scenario::Upgrade));
        for (other, reason) in [
            (of_minors(&[33, 35, 36]), "no packages of the minor before"),
            (Artifacts { installer: None, ..artifacts }, "no install.sh"),
        ] {
            assert!(!other.scenarios().contains(&Scenario::Upgrade));
            assert!(other.without_upgrade().is_some_and(|text| text.contains(reason)));
        }
        assert_eq!(binary(None).without_upgrade(), None, "a binary without packages");
    }

    #[test]
    fn mixed_needs_packages_of_two_architectures() {
        let names = ["k3s-1.riscv64.rpm", "k3s-cli-1.noarch.rpm", "k3s-1.x86_64.rpm"];
        let packages = names.map(|name| PathBuf::from(format!("/packages/{name}"))).to_vec();
        let version = "v1.35.0+k3s1".to_owned();
        let both = Artifacts { version, packages, ..Artifacts::default() };
        assert_eq!(both.without_mixed(), None);
        assert!(both.scenarios().contains(&Scenario::Mixed));
        let files = |scenario| both.files(scenario).unwrap().len();
        assert_eq!((files(Scenario::Mixed), files(Scenario::TwoNodes)), (3, 2));
        let one = Artifacts { packages: both.packages[..2].to_vec(), ..both.clone() };
        assert!(one.without_mixed().is_some_and(|reason| reason.contains("--server")));
        assert!(!one.scenarios().contains(&Scenario::Mixed));
    }

    #[test]
    fn sample_has_its_own_scenario() {
        let packages = vec![PathBuf::from("k3s.rpm")];
        let packages = Artifacts { version: "v1.35.0+k3s1".to_owned(), packages, ..Artifacts::default() };
        let of_packages = [
            Scenario::Packages,
            Scenario::PauseImageFix,
            Scenario::Erase,
            Scenario::PowerLoss,
            Scenario::SlowStorage,
            Scenario::TwoNodes,
        ];
        assert_eq!(packages.scenarios(), of_packages);
        assert_eq!(packages.without_bundled(), None);
        let sample = Artifacts { version: "v0.35.0+k3s1.sample".to_owned(), ..packages };
        assert_eq!(sample.scenarios(), [Scenario::Sample]);
        let binary = Artifacts { version: sample.version, ..binary(None) };
        assert_eq!(binary.scenarios(), [], "the sample's binary is a stub");
    }

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
