//! `images-<arch>-sources.tar`: the Debian packages that files of the images are from, and their source packages, which
//! licences require. Debian's own archive keeps neither for long.
//!
//! The lockfile locks the packages. Nothing is built from the sources: apt finds them by the name and version in each
//! package, and the archive's signed index has their checksums.

use super::manifest::ImagesManifest;
use crate::archive;
use crate::context::Context;
use crate::digest::Digest;
use crate::target::Target;
use crate::toolchain::debian::{self, Apt, source::SourcePackage};
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Extension of the file that describes a source package (dsc(5)).
const DESCRIPTION: &str = ".dsc";

/// Returns the archive's name.
pub fn name(target: &Target) -> String {
    format!("{}.tar", directory(target))
}

/// Returns the directory in the archive.
fn directory(target: &Target) -> String {
    format!("images-{}-sources", target.go)
}

/// Fetches the packages of images with their sources, and writes the archive.
pub fn write(context: &Context, target: &Target, images: &ImagesManifest, archive: &Path) -> Result<()> {
    let mut tar = tar::Builder::new(fs::File::create(archive)?);
    for (name, file) in files(context, target, images)? {
        archive::append(&mut tar, &file, &Path::new(&directory(target)).join(name))?;
    }
    tar.finish()?;
    Ok(())
}

/// Returns the verified files, by their names in the archive.
fn files(context: &Context, target: &Target, images: &ImagesManifest) -> Result<BTreeMap<String, PathBuf>> {
    let (mut files, mut sources) = (BTreeMap::new(), BTreeMap::new());
    for (name, package) in images.debian_packages() {
        let file = debian::fetch(context, package)?;
        sources.extend(SourcePackage::all_of(context, &file)?.into_iter().map(|source| (source, package)));
        files.insert(name, file);
    }
    if !sources.is_empty() {
        let apt = Apt::open(context, &context.pins.debian.suite, &[target.debian])?;
        for (source, package) in sources {
            files.extend(source.fetch(&apt).with_context(|| debian::superseded(package))?);
        }
    }
    Ok(files)
}

/// Checks that an archive has every Debian package of the images, and a source package of each.
pub fn check(archive: &Path, images: &ImagesManifest) -> Result<()> {
    let mut packages = images.debian_packages();
    let mut sources: BTreeSet<&str> = packages.values().map(|package| package.source()).collect();
    for entry in tar::Archive::new(fs::File::open(archive)?).entries()? {
        let entry = entry?;
        let path = entry.path()?.into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(package) = packages.remove(&*name) {
            ensure!(Digest::of_reader(entry)? == package.sha256, "{name} is not the one in the images");
        } else if let Some((source, _)) = name.split_once('_').filter(|_| name.ends_with(DESCRIPTION)) {
            sources.remove(source);
        }
    }
    let sources = sources.iter().map(|source| format!("the source package {source}"));
    let missing: Vec<String> = packages.into_keys().chain(sources).collect();
    ensure!(missing.is_empty(), "{} is missing in it", missing.join(" and "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PACKAGE: &str = "busybox-static_1.37.0-6+b9_riscv64.deb";

    /// Returns the result for an archive of these files.
    fn checked(files: &[(&str, &str)]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sources.tar");
        let mut tar = tar::Builder::new(fs::File::create(&path).unwrap());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, Path::new("sources").join(name), text.as_bytes()).unwrap();
        }
        tar.finish().unwrap();
        let file = format!("pool/main/b/busybox/{}", PACKAGE.replace('+', "%2b"));
        let image = json!({
            "reference": "a:1", "id": "", "version": "", "substitute": false, "left_out": null, "module": null,
            "modules": [], "debian": [{"file": file, "sha256": Digest::of("package")}],
        });
        let images = json!({
            "k3s": "", "arch": "riscv64", "pause": [], "pause_id": null, "images": [image], "licenses": [],
            "files": {},
        });
        let result = check(&path, &serde_json::from_value(images).unwrap());
        result.err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn archive_has_packages_and_their_sources() {
        let (package, source) = ((PACKAGE, "package"), ("busybox_1.37.0-6.dsc", "source"));
        assert_eq!(checked(&[package, source]), "");
        assert_eq!(checked(&[source]), format!("{PACKAGE} is missing in it"));
        let missing = "the source package busybox is missing in it";
        assert_eq!(checked(&[package]), missing);
        assert_eq!(checked(&[package, ("busybox_1.37.0.orig.tar.bz2", "")]), missing);
        let other = (PACKAGE, "another");
        assert_eq!(checked(&[other, source]), format!("{PACKAGE} is not the one in the images"));
    }
}
