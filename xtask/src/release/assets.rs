//! The files of a release, under names that GitHub keeps as they are.

use super::Part;
use crate::digest::Digest;
use crate::image::{Compression, PauseImage, docker_archive, installed};
use crate::product::finished::{CHECK_CONFIG, LICENSE, NOTICES};
use crate::product::{self, MANIFEST, Product, SUMS};
use crate::rpm::found;
use crate::rpm::naming::{Dist, SOURCE_PACKAGE};
use crate::rpm::repository::REPO_FILE;
use crate::rpm::sign::PUBLIC_KEY;
use crate::target::Target;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use std::path::Path;

/// How the name of every package ends.
const PACKAGE: &str = ".rpm";

/// The largest file that GitHub takes, in bytes: "each file must be under 2 GiB" (docs.github.com, About
/// releases).
const LARGEST: u64 = 2 << 30;

/// The archive of a repository, as `repository-oe2403-riscv64.tar`.
pub fn repository(dist: &Dist, target: &Target) -> String {
    format!("repository-{}-{}.tar", dist.name, target.rpm)
}

/// The program, as `k3s-riscv64`, which for amd64 is not the name upstream gives it.
pub fn program(target: &Target) -> String {
    format!("k3s-{}", target.go)
}

/// The image of the product, under the name that this k3s asks for.
pub fn pause_image(target: &Target) -> String {
    format!("pause-image-{}.tar", target.go)
}

/// The image under the names that unmodified k3s asks for.
pub fn cure(target: &Target) -> String {
    format!("pause-image-for-installed-k3s-{}.tar", target.go)
}

pub fn manifest(arch: &str) -> String {
    format!("manifest-{arch}.json")
}

pub fn notices(target: &Target) -> String {
    format!("{NOTICES}-{}", target.go)
}

/// A file's name as GitHub keeps it. The `~` and `^` of package versions would be made dots by GitHub, and
/// `SHA256SUMS` would name files that are not there (docs.github.com, "Upload a release asset").
pub fn kept_name(name: &str) -> String {
    name.replace(['~', '^'], ".")
}

/// Puts a product and its packages into the folder.
pub fn add(folder: &Path, part: &Part, dist: &Dist) -> Result<()> {
    let Part { target, product, packages } = part;
    for (from, to) in [
        (target.k3s_binary(), program(target)),
        (pause_image(target), pause_image(target)),
        (MANIFEST.to_owned(), manifest(target.go)),
        (NOTICES.to_owned(), notices(target)),
        (LICENSE.to_owned(), LICENSE.to_owned()),
        (CHECK_CONFIG.to_owned(), CHECK_CONFIG.to_owned()),
    ] {
        let file = product.folder.join(&from);
        ensure!(file.is_file(), "{from} is missing in {}", product.folder.display());
        put(&file, folder, &to)?;
    }
    fs::write(folder.join(cure(target)), cured(product, target)?)?;
    for name in self::packages(&packages.folder)? {
        put_package(&packages.folder.join(&name), folder, &kept_name(&name))?;
    }
    put(&packages.folder.join(REPO_FILE), folder, REPO_FILE)?;
    let key = packages.folder.join(PUBLIC_KEY);
    if key.is_file() {
        put(&key, folder, PUBLIC_KEY)?;
    }
    pack(&packages.folder, target.rpm, &folder.join(repository(dist, target)))
}

/// Copies a file into the folder. Two architectures may bring the same file, but no two files of one name.
fn put(from: &Path, folder: &Path, name: &str) -> Result<()> {
    let to = folder.join(name);
    if to.exists() {
        ensure!(
            Digest::of_file(from)? == Digest::of_file(&to)?,
            "{} is not the {name} of another architecture",
            from.display()
        );
        return Ok(());
    }
    fs::copy(from, to)?;
    Ok(())
}

/// Copies a package into the folder. Of those that are for no architecture the first one stays: packages of
/// any architecture tell by which they were made, and hold the same; source packages tell it as well in the
/// spec that they hold.
fn put_package(from: &Path, folder: &Path, name: &str) -> Result<()> {
    let there = folder.join(name);
    if !there.exists() {
        return put(from, folder, name);
    }
    ensure!(
        name.ends_with(SOURCE_PACKAGE) || payload(from)? == payload(&there)?,
        "{} holds something else than the {name} of another architecture",
        from.display()
    );
    Ok(())
}

/// The digest of what a package installs, given that its header and payload have the digests they name.
pub fn payload(package: &Path) -> Result<String> {
    payload_in(fs::File::open(package)?).with_context(|| format!("reading {}", package.display()))
}

/// The same, of a package that is read from somewhere else.
pub fn payload_in(reader: impl std::io::Read) -> Result<String> {
    let package = ::rpm::Package::parse(&mut std::io::BufReader::new(reader))?;
    ensure!(
        found::is_undamaged(&package)?,
        "the package is damaged: its header or payload has not the digest it names"
    );
    let tag = ::rpm::IndexTag::RPMTAG_PAYLOADSHA256;
    let digest = package.metadata.header.get_entry_data_as_string_array(tag)?;
    Ok(digest.first().context("the package names no digest of its payload")?.to_string())
}

/// The product's pause program under the names that releases of k3s ask for as upstream publishes them.
fn cured(product: &Product, target: &'static Target) -> Result<Vec<u8>> {
    let program = fs::read(product.folder.join(crate::pause::PROGRAM))?;
    let image = PauseImage::new(target, program, env!("CARGO_PKG_VERSION"))?;
    docker_archive::archive(&image, &installed::names()?, Compression::None)
}

/// Packs a repository below the architecture's name, so that those of several architectures, unpacked in one
/// place, are what `$basearch` in a .repo file tells apart. The source package, of no use to a node, is left
/// out.
fn pack(repository: &Path, arch: &str, archive: &Path) -> Result<()> {
    let mut tar = tar::Builder::new(fs::File::create(archive)?);
    tar.mode(tar::HeaderMode::Deterministic);
    for entry in walkdir::WalkDir::new(repository).sort_by_file_name() {
        let entry = entry.with_context(|| format!("packing {}", repository.display()))?;
        if entry.file_name().to_string_lossy().ends_with(SOURCE_PACKAGE) {
            continue;
        }
        let name = Path::new(arch).join(entry.path().strip_prefix(repository)?);
        tar.append_path_with_name(entry.path(), name)?;
    }
    tar.finish()?;
    Ok(())
}

/// The packages that lie in a folder, by name.
pub fn packages(folder: &Path) -> Result<Vec<String>> {
    Ok(names(folder)?.into_iter().filter(|name| name.ends_with(PACKAGE)).collect())
}

/// The files of a folder, sorted. A repository's own folder is left out, any other is an error.
pub fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string();
        let name = name.map_err(|name| anyhow::anyhow!("{} is no name for a file", name.display()))?;
        if entry.file_type()?.is_file() {
            names.push(name);
        } else if name != "repodata" {
            bail!("{} is no file", entry.path().display());
        }
    }
    names.sort();
    Ok(names)
}

/// Every file of a release with its size, in bytes.
pub fn sizes(folder: &Path) -> Result<Vec<(String, u64)>> {
    let sized = |name: String| {
        let size = fs::metadata(folder.join(&name))?.len();
        ensure!(size < LARGEST, "{name} is too large for GitHub: {size} bytes, of {LARGEST} at most");
        Ok((name, size))
    };
    names(folder)?.into_iter().map(sized).collect()
}

/// Whether a file is `SHA256SUMS` or its signature, the only ones that it cannot name.
pub fn is_sums(name: &str) -> bool {
    name.strip_prefix(SUMS).is_some_and(|rest| ["", ".asc"].contains(&rest))
}

/// The text of `SHA256SUMS`: all files but itself and its signature.
pub fn sums(folder: &Path) -> Result<String> {
    let names: Vec<String> = names(folder)?.into_iter().filter(|name| !is_sums(name)).collect();
    product::sums(folder, &names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_only_what_github_would_take_from_them() {
        let kept = "k3s-1.35.0+k3s1-1.oe2403.riscv64.rpm";
        assert_eq!(kept_name(kept), kept);
        assert_eq!(kept_name("k3s-1.35.0~rc1+k3s1-1.oe2403.src.rpm"), "k3s-1.35.0.rc1+k3s1-1.oe2403.src.rpm");
    }

    #[test]
    fn two_architectures_may_bring_one_file_but_no_two_of_one_name() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let folder = place.path().join("folder");
        fs::create_dir(&folder).unwrap();
        put(&file("one/LICENSE", "a"), &folder, "LICENSE").unwrap();
        put(&file("two/LICENSE", "a"), &folder, "LICENSE").unwrap();
        let error = put(&file("three/LICENSE", "b"), &folder, "LICENSE").unwrap_err().to_string();
        assert!(error.contains("three/LICENSE is not the LICENSE of another architecture"), "{error}");
    }

    #[test]
    fn the_sums_leave_out_only_themselves_and_their_signature() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["k3s-riscv64", "NOTES.md", "SHA256SUMS", "SHA256SUMS.asc", "SHA256SUMS.old"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let sums = sums(folder.path()).unwrap();
        let named: Vec<&str> = sums.lines().filter_map(|line| line.split("  ").nth(1)).collect();
        assert_eq!(named, ["NOTES.md", "SHA256SUMS.old", "k3s-riscv64"]);
    }
}
