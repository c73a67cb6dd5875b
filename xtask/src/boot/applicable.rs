//! Scenarios that apply to artifacts, and the reasons why others do not.

use super::artifacts::{Artifacts, is_for_server};
use super::scenario::{Installed, Scenario};
use crate::k3s::Optional;
use clap::ValueEnum;

impl Artifacts {
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

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::boot::earlier::Earlier;
    use crate::boot::images::DefaultImages;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

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

    /// Returns default images in this archive.
    pub fn images(archive: &Path) -> Option<DefaultImages> {
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
}
