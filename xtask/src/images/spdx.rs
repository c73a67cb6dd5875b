//! `images-<arch>.spdx.json`: the bill of materials of the bundle, with the packages and the files in each image.

use super::airgap::archive_name;
use super::manifest::{ImageEntry, ImagesManifest};
use crate::context::Context;
use crate::image::layer_files;
use crate::k3s::Build;
use crate::product::licenses::ThirdPartyPackage;
use crate::product::sbom::{Licenses, Sums, module};
use crate::purl;
use crate::reference::Reference;
use crate::spdx::{Checksum, Listed, ListedFile, NameVersion, Part, Sbom};
use crate::target::Target;
use crate::toolchain::debian::{self, source::SourcePackage};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;

/// Returns the document's name.
pub fn name(target: &Target) -> String {
    format!("images-{}.spdx.json", target.go)
}

/// Returns the packages in an image.
pub fn parts(
    context: &Context,
    image: &ImageEntry,
    packages: &[ThirdPartyPackage],
    sums: &Sums,
) -> Result<Vec<Part>> {
    let licenses: Licenses = packages.iter().map(|it| (it.name.as_str(), &it.licenses)).collect();
    let mut parts: Vec<Part> = image.all_modules().iter().map(|it| module(it, &licenses, sums)).collect();
    for package in &image.debian {
        let (name, version) = (package.name(), package.version());
        let source = SourcePackage::of(context, &debian::fetch(context, package)?)?;
        let architecture = package.file.rsplit(['_', '.']).nth(1).unwrap_or_default();
        let of = format!("Debian {name} {version}");
        parts.push(Part {
            name: name.to_owned(),
            purl: Some(purl::debian(name, &version, architecture)),
            licenses: licenses.get(of.as_str()).map(|it| (*it).clone()).unwrap_or_default(),
            version: Some(version),
            checksum: Some(Checksum::Sha256(package.sha256.clone())),
            source: Some(format!("Debian's source package {} {}", source.name, source.version)),
            ..Part::default()
        });
    }
    Ok(parts)
}

/// Returns the document of a bundle.
pub fn document(
    build: &Build,
    bundle: &[u8],
    manifest: &ImagesManifest,
    parts: Vec<Vec<Part>>,
) -> Result<String> {
    let product = Part {
        name: "k3s-airgap-images".to_owned(),
        version: Some(manifest.k3s.clone()),
        licenses: manifest.licenses.clone(),
        ..Part::default()
    };
    let images = manifest.images.iter().map(|image| container(&image.reference, Some(&image.id)));
    let pause =
        manifest.pause.iter().map(|reference| (container(reference, manifest.pause_id.as_ref()), Vec::new()));
    let sbom = Sbom {
        product,
        arch: manifest.arch.clone(),
        time: build.source.time,
        files: files(manifest, bundle)?,
        parts: pause.chain(images.zip(parts)).collect(),
    };
    sbom.text()
}

/// Checks a document against the manifest of the images, which lists the same packages, and against the bundle.
pub fn check(document: &[u8], manifest: &ImagesManifest, bundle: &[u8]) -> Result<()> {
    let mut packages: BTreeSet<NameVersion> = manifest.references().map(split).collect();
    for image in &manifest.images {
        packages.extend(image.all_modules().iter().map(|it| (it.path.clone(), it.compiled_version())));
        packages.extend(image.debian.iter().map(|it| (it.name().to_owned(), it.version())));
    }
    Listed::read(document)?.check(&packages, &files(manifest, bundle)?)
}

/// Returns the bundle, and the files in the layers of its images.
fn files(manifest: &ImagesManifest, bundle: &[u8]) -> Result<Vec<ListedFile>> {
    let mut files = vec![ListedFile::of(archive_name(Target::named(&manifest.arch)?), bundle)];
    let mut images = layer_files::of_images(bundle)?;
    for reference in manifest.references() {
        let inside = images.remove(&Reference::parse(reference)?.normalised());
        let inside = inside.with_context(|| format!("the bundle has no image {reference}"))?;
        files.extend(inside.into_iter().map(|file| file.within(split(reference))));
    }
    let other = images.into_keys().next();
    other.map_or(Ok(files), |name| bail!("the bundle has the image {name}, which its manifest does not name"))
}

fn container(reference: &str, id: Option<&String>) -> Part {
    let (name, version) = split(reference);
    let source = id.map(|id| format!("the image whose configuration is {id}"));
    Part { name, version: Some(version), source, ..Part::default() }
}

fn split(reference: &str) -> NameVersion {
    let (name, version) = reference.rsplit_once(':').unwrap_or((reference, ""));
    (name.to_owned(), version.to_owned())
}
