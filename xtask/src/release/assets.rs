//! The assets of a release: the one table from which they are assembled, checked and described.

use super::{NOTES, PREVIEW, PackagedProduct, SIGNATURE, assemble, root_sources};
use crate::boot::results::RESULTS;
use crate::images::publish::LIST;
use crate::product::load::{CHECK_CONFIG, INSTALL, LICENSE, NOTICES};
use crate::product::{MANIFEST, SUMS, node_check, sbom};
use crate::rpm::sign::PUBLIC_KEY;
use crate::target::{TARGETS, Target};
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::Path;

/// A kind of file that is published.
#[derive(Debug)]
pub struct Asset {
    /// The file name. `<arch>` stands for the architecture as Go names it, `<basearch>` as RPM does, `<dist>` for
    /// the distribution, and `*` for whatever rpmbuild puts there.
    pub name: &'static str,
    pub source: AssetSource,
    pub check: Check,
    pub proof: Proof,
    pub description: &'static str,
}

/// The origin of an asset.
#[derive(Clone, Copy, Debug)]
pub enum AssetSource {
    /// The product's file of this name; `<suffix>` stands for the one of upstream's binaries.
    Product(&'static str),
    /// The file of this name in the directory of images.
    Images,
    /// The packages of others in the images, with their sources.
    ImageSources,
    /// The sources of the programs in k3s-root.
    RootSources,
    /// The files of this name beside the packages of a product.
    Packages,
    /// The repository of the packages, one for each release of openEuler.
    Repository,
    /// Written from a product.
    Generated(fn(&PackagedProduct, &Path) -> Result<()>),
    /// Written last, for the complete release.
    Release,
}

/// The check of an asset before it is published, besides that of its digest in `SHA256SUMS` and, where it is a file
/// of the product, in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is there.
    Present,
    /// It may be missing.
    Optional,
    /// It is an executable for its architecture.
    Executable,
    /// It is a repository of the packages beside it.
    Repository,
    /// It contains checksums, which have to be those of `SHA256SUMS`.
    Sums,
    /// It is one of the packages, which are checked together.
    Package,
    /// It is a bill of materials, which is compared with the files that it lists and their manifest.
    Materials,
    /// It is the manifest that all others are checked against.
    Manifest,
}

/// The relation of an asset to the boot tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A scenario tests the very file.
    Booted,
    /// It was made from a file that is tested, and [`Check`] compares the two.
    Derived,
    /// It is read, not run: text, records, sources.
    Text,
}

use AssetSource::{Generated, ImageSources, Images, Packages, Product, Release, RootSources};
use Check::{Executable, Manifest, Materials, Optional, Package, Present, Repository, Sums};
use Proof::{Booted, Derived, Text};

pub const BINARY: &str = "k3s<suffix>";
const PAUSE_IMAGE: &str = "pause-image-<arch>.tar";
/// Upstream's name of the checksums of one architecture.
pub const INSTALL_SUMS: &str = "sha256sum-<arch>.txt";
pub const FIX: &str = "pause-image-for-installed-k3s-<arch>.tar";
/// Upstream's name of the bundle.
pub const BUNDLE: &str = "k3s-airgap-images-<arch>.tar.zst";
pub const SBOM: &str = "k3s-<arch>.spdx.json";
pub const IMAGES_SBOM: &str = "images-<arch>.spdx.json";
pub const REPOSITORY: &str = "repository-<dist>-<basearch>.tar";

/// Every asset. Where the names of two match a file, the first one counts.
pub static ASSETS: [Asset; 28] = [
    asset(BINARY, Product(BINARY), Executable, Booted, "the k3s binary"),
    asset(
        INSTALL,
        Product(INSTALL),
        Present,
        Booted,
        "installs k3s: upstream's script, which downloads from here",
    ),
    asset(
        INSTALL_SUMS,
        Generated(assemble::install_sums),
        Sums,
        Derived,
        "the checksum that install.sh verifies",
    ),
    asset(PAUSE_IMAGE, Product(PAUSE_IMAGE), Present, Derived, "the pause image of this k3s"),
    asset(FIX, Generated(assemble::fix), Present, Derived, "the pause image of unmodified releases of k3s"),
    asset(BUNDLE, Images, Present, Booted, "the default images, for machines without a registry"),
    asset(LIST, Images, Present, Text, "the names of the default images"),
    asset("images-<arch>.json", Images, Present, Text, "contents of the default images, checksums"),
    asset(
        "images-<arch>.cdx.json",
        Images,
        Present,
        Text,
        "their modules and packages, for vulnerability scanners",
    ),
    asset(IMAGES_SBOM, Images, Materials, Derived, "everything in the default images: their SBOM (SPDX)"),
    asset("images-<arch>-licenses.txt", Images, Present, Text, "the licences of what is in them"),
    asset(
        "images-<arch>-sources.tar",
        ImageSources,
        Present,
        Text,
        "Debian's packages in them, with their sources",
    ),
    asset(root_sources::NAME, RootSources, Present, Text, "the sources of the programs of k3s-root"),
    asset("k3s-*.src.rpm", Packages, Package, Text, "source package: builds the same without a network"),
    asset("k3s-*.rpm", Packages, Package, Booted, "package"),
    asset(REPOSITORY, AssetSource::Repository, Repository, Derived, "the packages as a repository for dnf"),
    asset(PUBLIC_KEY, Packages, Optional, Text, "the key that signatures are verified with"),
    asset("manifest-<arch>.json", Product(MANIFEST), Manifest, Text, "versions, checksums, patches, checks"),
    asset(SBOM, Product(sbom::NAME), Materials, Derived, "everything in the k3s binary: its SBOM (SPDX)"),
    asset(
        "THIRD-PARTY-NOTICES-<arch>",
        Product(NOTICES),
        Present,
        Text,
        "the licences of what is compiled in",
    ),
    asset(LICENSE, Product(LICENSE), Present, Text, "the licence of k3s"),
    asset(
        node_check::NAME,
        Product(node_check::NAME),
        Present,
        Derived,
        "checks whether a machine can be a node",
    ),
    asset(CHECK_CONFIG, Product(CHECK_CONFIG), Present, Derived, "upstream's check of a kernel"),
    asset(RESULTS, Release, Optional, Text, "results of the boot tests: what was tested, and its checksums"),
    asset(NOTES, Release, Present, Text, "the text of the release"),
    asset(SUMS, Release, Present, Text, "the checksums of all other assets"),
    asset(SIGNATURE, Release, Optional, Text, "the signature of the checksums"),
    asset(PREVIEW, Release, Optional, Text, "why this is no release"),
];

const fn asset(
    name: &'static str,
    source: AssetSource,
    check: Check,
    proof: Proof,
    description: &'static str,
) -> Asset {
    Asset { name, source, check, proof, description }
}

impl Asset {
    /// Returns whether the asset is of one architecture, which its name has.
    pub fn is_of_architecture(&self) -> bool {
        self.name.contains('<')
    }

    /// Checks whether a file is this asset, of whatever distribution.
    pub fn is(&self, file: &str, target: &Target) -> bool {
        let name = expand(self.name, target, "*");
        match name.split_once('*') {
            Some((start, end)) => file.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
            None => file == name,
        }
    }
}

/// Returns the release of openEuler that a package is for, by its file name.
pub fn dist(package: &str) -> Option<&str> {
    Some(package.strip_suffix(".rpm")?.rsplit_once('.')?.0.rsplit_once('.')?.1)
}

/// Puts an architecture and a distribution into a file name.
pub fn expand(name: &str, target: &Target, dist: &str) -> String {
    let values = [
        ("<arch>", target.go),
        ("<basearch>", target.rpm),
        ("<suffix>", target.k3s_suffix),
        ("<dist>", dist),
    ];
    values.iter().fold(name.to_owned(), |name, (placeholder, value)| name.replace(placeholder, value))
}

/// Returns the asset that a file is, and the architecture that its name was expanded with.
pub fn of(file: &str) -> Option<(&'static Asset, &'static Target)> {
    ASSETS.iter().find_map(|asset| Some((asset, TARGETS.iter().find(|target| asset.is(file, target))?)))
}

/// A published file.
pub struct File {
    pub name: String,
    /// In bytes.
    pub size: u64,
    pub description: String,
}

/// The largest file that GitHub takes, in bytes: "each file must be under 2 GiB" (docs.github.com, About
/// releases).
const LARGEST: u64 = 2 << 30;

/// Lists the files of a release, each of which has to be an asset.
pub fn list(directory: &Path) -> Result<Vec<File>> {
    let file = |name: String| {
        let (asset, target) = of(&name).with_context(|| format!("{name} is no asset of a release"))?;
        let size = fs::metadata(directory.join(&name))?.len();
        ensure!(size < LARGEST, "{name} is too large for GitHub: {size} bytes, of {LARGEST} at most");
        let of_target = if asset.is_of_architecture() { format!(", {}", target.go) } else { String::new() };
        Ok(File { name, size, description: format!("{}{of_target}", asset.description) })
    };
    names(directory)?.into_iter().map(file).collect()
}

/// Returns the names of the files in a directory, sorted. Anything else in it is an error.
pub fn names(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().into_string();
        let name = name.map_err(|name| anyhow::anyhow!("{} is no name for a file", name.display()))?;
        ensure!(entry.file_type()?.is_file(), "{} is no file", entry.path().display());
        names.push(name);
    }
    names.sort();
    Ok(names)
}

/// Returns a file's name as GitHub keeps it. GitHub turns the `~` and `^` of package versions into dots, and
/// `SHA256SUMS` would name missing files (docs.github.com, "Upload a release asset").
pub fn kept_name(name: &str) -> String {
    name.replace(['~', '^'], ".")
}

/// Checks whether a file is `SHA256SUMS` or its signature, the only ones that it cannot name.
pub fn is_sums(name: &str) -> bool {
    [SUMS, SIGNATURE].contains(&name)
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
    fn finds_the_asset_that_a_file_is() {
        let found = |file| of(file).map(|(asset, target)| (asset.name, target.go));
        for (file, name, arch) in [
            ("k3s-riscv64", "k3s<suffix>", "riscv64"),
            ("k3s-arm64", "k3s<suffix>", "arm64"),
            ("k3s", "k3s<suffix>", "amd64"),
            ("sha256sum-amd64.txt", "sha256sum-<arch>.txt", "amd64"),
            ("k3s-airgap-images-riscv64.tar.zst", "k3s-airgap-images-<arch>.tar.zst", "riscv64"),
            ("k3s-1.35.0+k3s1-1.oe2403.src.rpm", "k3s-*.src.rpm", "riscv64"),
            ("k3s-cli-1.35.0+k3s1-1.oe2403.noarch.rpm", "k3s-*.rpm", "riscv64"),
            ("repository-oe2403-aarch64.tar", "repository-<dist>-<basearch>.tar", "arm64"),
        ] {
            assert_eq!(found(file), Some((name, arch)), "{file}");
        }
        for file in ["virus", "k3s-amd64", "SHA256SUMS.old", "manifest-mips.json"] {
            assert_eq!(found(file), None, "{file}");
        }
    }

    #[test]
    fn releasing_lists_every_asset() {
        let text = include_str!("../../../.github/RELEASING.md");
        let rows = text.lines().skip_while(|line| !line.starts_with("| asset ")).skip(2);
        let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
        let expected: Vec<String> =
            ASSETS.iter().map(|asset| format!("| `{}` | {} |", asset.name, asset.description)).collect();
        assert_eq!(rows, expected);
    }
}
