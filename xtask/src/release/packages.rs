//! The packages of a release: those that the spec makes of each product, and no others.

use super::assets;
use super::tag;
use crate::digest::Digest;
use crate::product::load::CHECK_CONFIG;
use crate::product::manifest::Manifest;
use crate::product::node_check;
use crate::rpm::contents::Contents;
use crate::rpm::nevra::{Nevra, SOURCE_PACKAGE, rpm_version};
use crate::rpm::read;
use crate::target::Target;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The package of the default images.
const IMAGES: &str = "k3s-airgap-images";

/// All packages, and whether one is the same for every architecture.
const PACKAGES: [(&str, bool); 5] =
    [("k3s", false), (IMAGES, false), ("k3s-cli", true), ("k3s-cri-tools", true), ("k3s-pause-image", false)];

/// Assets that packages install: the package, the path, and the asset.
const INSTALLED: [(&str, &str, &str); 5] = [
    ("k3s", "/usr/bin/k3s", assets::BINARY),
    ("k3s", "/usr/bin/k3s-check", node_check::NAME),
    ("k3s", "/usr/share/k3s/check-config.sh", CHECK_CONFIG),
    ("k3s-pause-image", "/usr/share/k3s/images/k3s-pause-image.tar", assets::FIX),
    (IMAGES, "/usr/share/k3s/images/k3s-airgap-images.tar.zst", assets::BUNDLE),
];

/// Checks the packages in a directory: each is complete, none is missing, none is unexpected, and they install the
/// files that are beside them. Returns the number of the build.
pub fn check(directory: &Path, manifests: &[Manifest], sums: &BTreeMap<String, Digest>) -> Result<u32> {
    let mut packages = Vec::new();
    let mut found = Vec::new();
    for file in assets::names(directory)?.into_iter().filter(|name| name.ends_with(".rpm")) {
        let path = directory.join(&file);
        let name = if file.ends_with(SOURCE_PACKAGE) {
            read::read_source(&path)?.0
        } else {
            let package = read::read(&path)?;
            let nevra = package.nevra.clone();
            packages.push(package);
            nevra
        };
        let kept = assets::kept_name(&name.file_name());
        ensure!(kept == file, "{file} is the package {name}, which should be called {kept}");
        found.push(name);
    }
    let release = check_names(&found, manifests)?;
    check_same(&packages)?;
    for manifest in manifests {
        let target = Target::named(&manifest.arch)?;
        for (package, path, asset) in INSTALLED {
            let asset = assets::expand(asset, target, "");
            // There may be no images.
            if let Some(digest) = sums.get(&asset) {
                check_installed(&packages, target, package, path, (&asset, digest))?;
            }
        }
    }
    Ok(release)
}

/// Checks that packages of one name differ in nothing but the release of openEuler that they are for: those for the
/// first are booted.
fn check_same(packages: &[Contents]) -> Result<()> {
    let mut firsts = BTreeMap::new();
    for package in packages {
        let Nevra { name, arch, .. } = &package.nevra;
        let first = firsts.entry((name, arch)).or_insert_with(|| common(package));
        ensure!(
            *first == common(package),
            "{} differs from the package for another openEuler",
            package.nevra
        );
    }
    Ok(())
}

/// Returns all that a package has, whatever the release of openEuler that it is for.
fn common(package: &Contents) -> BTreeMap<String, String> {
    let without = |text: &String| text.replace(&package.nevra.release, "");
    package.properties.iter().map(|(name, value)| (without(name), without(value))).collect()
}

/// Checks that these are the packages of all products for some releases of openEuler, all of one number.
/// [`super::check`] reports a missing source package. Returns the number.
fn check_names(names: &[Nevra], manifests: &[Manifest]) -> Result<u32> {
    let numbers = names.iter().map(tag::number).collect::<Result<BTreeSet<u32>>>()?;
    let mut numbers = numbers.into_iter();
    let number = numbers.next().context("there are no packages")?;
    if let Some(other) = numbers.next() {
        bail!("the packages are of more than one Release: {number} and {other}");
    }
    let releases: BTreeSet<&str> = names.iter().map(|name| name.release.as_str()).collect();
    let mut allowed = BTreeSet::new();
    for (manifest, release) in
        manifests.iter().flat_map(|it| releases.iter().map(move |release| (it, release)))
    {
        let all = of_product(manifest, release)?;
        // Sources and images are in packages of their own, which a directory need not have.
        let is_optional = |name: &Nevra| name.arch == "src" || name.name == IMAGES;
        if let Some(missing) = all.iter().find(|name| !is_optional(name) && !names.contains(name)) {
            bail!("the package {missing} is missing");
        }
        allowed.extend(all.iter().map(Nevra::to_string));
    }
    match names.iter().find(|name| !allowed.contains(&name.to_string())) {
        Some(other) => bail!("{other} is no package of these products"),
        None => Ok(number),
    }
}

/// Returns the names of a product's packages, its source package among them.
fn of_product(manifest: &Manifest, release: &str) -> Result<Vec<Nevra>> {
    let version = rpm_version(&manifest.k3s.parse()?, &manifest.commit, manifest.source_date_epoch)?;
    let arch = Target::named(&manifest.arch)?.rpm;
    let nevra = |(name, arch): (&str, &str)| Nevra {
        name: name.to_owned(),
        version: version.clone(),
        release: release.to_owned(),
        arch: arch.to_owned(),
    };
    let all = PACKAGES.into_iter().map(|(name, is_noarch)| (name, if is_noarch { "noarch" } else { arch }));
    Ok(all.chain([("k3s", "src")]).map(nevra).collect())
}

/// Checks whether a release has a package of this name.
pub fn is_ours(name: &str) -> bool {
    PACKAGES.iter().any(|(ours, _)| *ours == name)
}

/// Checks that a package installs an asset.
fn check_installed(
    packages: &[Contents],
    target: &Target,
    name: &str,
    path: &str,
    (asset, digest): (&str, &Digest),
) -> Result<()> {
    let is_it = |package: &&Contents| package.nevra.name == name && package.nevra.arch == target.rpm;
    ensure!(packages.iter().any(|package| is_it(&package)), "{name} for {} is missing", target.rpm);
    for package in packages.iter().filter(is_it) {
        let installed = package.properties.get(&format!("sha256 {path}")).map(String::as_str);
        ensure!(
            installed == Some(digest.as_str()),
            "{path} of the package {} is not the {asset} beside it",
            package.nevra
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(arch: &str) -> Manifest {
        let manifest = serde_json::json!({
            "k3s": "v1.33.0-rc1+k3s1", "commit": "dc03cb4b", "origin": "release", "arch": arch, "level": "",
            "source_date_epoch": 0, "modified": true, "pause_image": "", "builtin_pause": true, "builtin_images": [],
            "incomplete": [], "patches": [], "third_party": { "modules": [], "libraries": {}, "licenses": [] },
            "sources": {}, "tools": {}, "components": {}, "files": {}, "checks": [],
        });
        serde_json::from_value(manifest).unwrap()
    }

    /// Returns the error for packages with these names, or an empty text.
    fn said(names: &[&str]) -> String {
        let names: Vec<Nevra> = names
            .iter()
            .map(|name| {
                let (rest, arch) = name.rsplit_once('.').unwrap();
                let [release, version, name] = rest.rsplitn(3, '-').collect::<Vec<_>>()[..] else { panic!() };
                let [name, version, release, arch] = [name, version, release, arch].map(str::to_owned);
                Nevra { name, version, release, arch }
            })
            .collect();
        let manifests = [manifest("riscv64"), manifest("arm64")];
        check_names(&names, &manifests).err().map_or_else(String::new, |error| error.to_string())
    }

    const WHOLE: [&str; 7] = [
        "k3s-1.33.0~rc1+k3s1-1.oe2403.riscv64",
        "k3s-1.33.0~rc1+k3s1-1.oe2403.aarch64",
        "k3s-cli-1.33.0~rc1+k3s1-1.oe2403.noarch",
        "k3s-cri-tools-1.33.0~rc1+k3s1-1.oe2403.noarch",
        "k3s-pause-image-1.33.0~rc1+k3s1-1.oe2403.riscv64",
        "k3s-pause-image-1.33.0~rc1+k3s1-1.oe2403.aarch64",
        "k3s-1.33.0~rc1+k3s1-1.oe2403.src",
    ];

    #[test]
    fn requires_exactly_the_packages_of_each_product() {
        assert_eq!(said(&WHOLE), "");
        assert_eq!(said(&WHOLE[..6]), "", "of the source package it is asked elsewhere");
        for missing in &WHOLE[..6] {
            let rest: Vec<&str> = WHOLE.into_iter().filter(|name| name != missing).collect();
            assert_eq!(said(&rest), format!("the package {missing} is missing"));
        }
        let more = |name| said(&[&WHOLE[..], &[name]].concat());
        let other = "k3s-1.33.0~rc1+k3s1-1.oe2403.x86_64";
        assert_eq!(more(other), format!("{other} is no package of these products"));
        assert!(more("k3s-1.33.1+k3s1-1.oe2403.riscv64").contains("is no package of these products"));
        assert_eq!(said(&[]), "there are no packages");
    }

    #[test]
    fn packages_may_be_for_two_releases_of_openeuler() {
        let others: Vec<String> = WHOLE[..6].iter().map(|name| name.replace("oe2403", "oe2403sp1")).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        assert_eq!(said(&[&WHOLE[..], &others].concat()), "");
        assert_eq!(
            said(&[&WHOLE[..], &others[1..]].concat()),
            format!("the package {} is missing", others[0])
        );
    }

    #[test]
    fn packages_for_two_openeulers_differ_in_nothing_else() {
        let package = |dist: &str, script: &str| {
            let [name, version, arch] = ["k3s-cli", "1.33.0+k3s1", "noarch"].map(str::to_owned);
            let release = format!("1.{dist}");
            let requires = format!("Requires: k3s = 1.33.0+k3s1-{release}");
            let properties = [(requires, String::new()), ("scriptlet post".to_owned(), script.to_owned())];
            Contents { nevra: Nevra { name, version, release, arch }, properties: properties.into() }
        };
        check_same(&[package("oe2403", "exit 0"), package("oe2403sp1", "exit 0")]).unwrap();
        let error = check_same(&[package("oe2403", "exit 0"), package("oe2403sp1", "reboot")]).unwrap_err();
        let expected =
            "k3s-cli-1.33.0+k3s1-1.oe2403sp1.noarch differs from the package for another openEuler";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn rejects_packages_of_two_builds() {
        let mut mixed = WHOLE;
        mixed[2] = "k3s-cli-1.33.0~rc1+k3s1-2.oe2403.noarch";
        assert_eq!(said(&mixed), "the packages are of more than one Release: 1 and 2");
    }
}
