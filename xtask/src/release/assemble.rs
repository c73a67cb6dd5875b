//! Puts products and their packages into the directory that is published.

use super::assets::{self, ASSETS, AssetSource};
use super::{DistPackages, PackagedProduct, root_sources};
use crate::archive;
use crate::context::Context;
use crate::digest::Digest;
use crate::dir;
use crate::images::sources;
use crate::k3s::root_release::RootRelease;
use crate::product;
use crate::product::manifest::Manifest;
use crate::product::third_party::{K3S_ROOT, ThirdParty};
use crate::rpm::nevra::SOURCE_PACKAGE;
use crate::rpm::read::payload_digest;
use crate::rpm::sources::pause_image;
use crate::target::Target;
use anyhow::{Result, ensure};
use fs_err as fs;
use std::path::Path;

/// Puts every asset of a product, its packages and its images into the directory.
pub fn add(context: &Context, directory: &Path, packaged: &PackagedProduct) -> Result<()> {
    let PackagedProduct { target, product, packages, images, .. } = packaged;
    for asset in &ASSETS {
        let name = assets::expand(asset.name, target, "");
        match asset.source {
            AssetSource::Product(file) => {
                put(&product.directory.join(assets::expand(file, target, "")), directory, &name)?;
            }
            AssetSource::Images => {
                if let Some(images) = images {
                    put(&images.directory.join(&name), directory, &name)?;
                }
            }
            AssetSource::ImageSources => {
                if let Some(images) = images {
                    sources::write(context, target, &images.manifest, &directory.join(name))?;
                }
            }
            AssetSource::RootSources => {
                let file = directory.join(name);
                // Those of all architectures are the same.
                if let (false, Some(release)) = (file.exists(), root_release(context, &product.manifest)?) {
                    root_sources::write(context, &release, &file)?;
                }
            }
            AssetSource::Generated(write) => write(packaged, &directory.join(name))?,
            AssetSource::Repository => {
                for DistPackages { dist, repository, .. } in packages {
                    let name = assets::expand(asset.name, target, &dist.to_string());
                    write_repository(repository, target, &directory.join(name))?;
                }
            }
            AssetSource::Packages | AssetSource::Release => {}
        }
    }
    for DistPackages { published, .. } in packages {
        for file in dir::entries(&published.directory)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if assets::of(&name).is_some_and(|(asset, _)| matches!(asset.source, AssetSource::Packages)) {
                put(&file, directory, &assets::kept_name(&name))?;
            }
        }
    }
    Ok(())
}

/// Returns the release of k3s-root in a product, if its packages are known.
fn root_release(context: &Context, manifest: &Manifest) -> Result<Option<RootRelease>> {
    let ThirdParty { libraries, k3s_root, .. } = &manifest.third_party;
    let tag = libraries.get(K3S_ROOT).filter(|_| !k3s_root.is_empty());
    Ok(tag.map(|tag| RootRelease::named(context, tag)).transpose()?.flatten())
}

/// Copies a file into the directory. Two architectures may have the same file, but not two of one name.
///
/// Of `noarch` packages the first one stays: their headers name the architecture that they were built on, and their
/// payload is the same. Source packages name it in their spec as well.
fn put(from: &Path, directory: &Path, name: &str) -> Result<()> {
    ensure!(from.is_file(), "{} is missing", from.display());
    let to = directory.join(name);
    if !to.exists() {
        fs::copy(from, to)?;
        return Ok(());
    }
    let is_same = match name {
        _ if name.ends_with(SOURCE_PACKAGE) => true,
        _ if name.ends_with(".rpm") => {
            payload_digest(fs::File::open(from)?)? == payload_digest(fs::File::open(&to)?)?
        }
        _ => Digest::of_file(from)? == Digest::of_file(&to)?,
    };
    ensure!(is_same, "{} is not the {name} of another architecture", from.display());
    Ok(())
}

/// Writes the product's pause image under the names that unmodified releases of k3s pull.
pub fn fix(packaged: &PackagedProduct, file: &Path) -> Result<()> {
    Ok(fs::write(file, pause_image(&packaged.product, packaged.target)?)?)
}

/// Writes the checksum of the binary where upstream's installer looks for it.
pub fn install_sums(packaged: &PackagedProduct, file: &Path) -> Result<()> {
    let binary = packaged.target.k3s_binary();
    Ok(fs::write(file, product::sums(&packaged.product.directory, &[binary])?)?)
}

/// Packs a repository below the architecture's name, so that those of several architectures can be unpacked into one
/// directory, where `$basearch` in a .repo file selects one. The source package, of no use to a node, is left out.
fn write_repository(repository: &Path, target: &Target, file: &Path) -> Result<()> {
    let mut tar = tar::Builder::new(fs::File::create(file)?);
    let is_for_nodes = |path: &Path| !path.to_string_lossy().ends_with(SOURCE_PACKAGE);
    archive::append_tree(&mut tar, repository, Path::new(target.rpm), is_for_nodes)?;
    tar.finish()?;
    Ok(())
}

/// Returns the text of `SHA256SUMS`: all files but itself and its signature.
pub fn sums(directory: &Path) -> Result<String> {
    let names: Vec<String> =
        assets::names(directory)?.into_iter().filter(|name| !assets::is_sums(name)).collect();
    product::sums(directory, &names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_different_files_of_one_name() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let directory = place.path().join("directory");
        fs::create_dir(&directory).unwrap();
        put(&file("one/LICENSE", "a"), &directory, "LICENSE").unwrap();
        put(&file("two/LICENSE", "a"), &directory, "LICENSE").unwrap();
        let error = put(&file("three/LICENSE", "b"), &directory, "LICENSE").unwrap_err().to_string();
        assert!(error.contains("three/LICENSE is not the LICENSE of another architecture"), "{error}");
    }

    #[test]
    fn checksums_omit_themselves_and_their_signature() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["k3s-riscv64", "NOTES.md", "SHA256SUMS", "SHA256SUMS.asc", "SHA256SUMS.old"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let sums = sums(directory.path()).unwrap();
        let named: Vec<&str> = sums.lines().filter_map(|line| line.split("  ").nth(1)).collect();
        assert_eq!(named, ["NOTES.md", "SHA256SUMS.old", "k3s-riscv64"]);
    }
}
