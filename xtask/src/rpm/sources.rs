//! Input of rpmbuild: `SPECS/k3s.spec` with its values, and `SOURCES/` with the files that it names.

use super::Packaging;
use super::documents;
use super::template;
use crate::alias::Alias;
use crate::clock;
use crate::dir;
use crate::image::{Compression, PauseImage, docker_archive, installed};
use crate::images::manifest::licenses_name;
use crate::images::publish::{LIST, PublishedImages};
use crate::k3s::Optional;
use crate::product::Product;
use crate::product::load::{CHECK_CONFIG, LICENSE, NOTICES};
use crate::product::node_check;
use crate::reference::Reference;
use crate::target::Target;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// rpmbuild's `%{_topdir}`.
pub struct Topdir {
    pub path: PathBuf,
    /// The same directory as rpmbuild is given it.
    pub alias: Alias,
}

/// The spec below the topdir.
pub const SPEC: &str = "SPECS/k3s.spec";

/// The spec of the default images.
pub const IMAGES_SPEC: &str = "SPECS/k3s-airgap-images.spec";

/// The bundle of the default images, under the name that their spec gives it.
const BUNDLE: &str = "k3s-airgap-images.tar.zst";

impl Topdir {
    /// Creates an empty one.
    pub fn new(path: PathBuf) -> Result<Topdir> {
        dir::remove(&path)?;
        let alias = Alias::of(&path)?;
        let topdir = Topdir { path, alias };
        fs::create_dir_all(topdir.sources())?;
        fs::create_dir_all(topdir.path.join("SPECS"))?;
        Ok(topdir)
    }

    pub fn sources(&self) -> PathBuf {
        self.path.join("SOURCES")
    }

    pub fn spec(&self) -> PathBuf {
        self.path.join(SPEC)
    }

    /// Directory where rpmbuild leaves the packages.
    pub fn packages(&self) -> PathBuf {
        self.path.join("RPMS")
    }

    /// Directory where rpmbuild leaves the source package.
    pub fn source_packages(&self) -> PathBuf {
        self.path.join("SRPMS")
    }
}

/// The binary and the pause image, under the names that the spec gives them.
pub const PROGRAM: &str = "k3s";
pub const PAUSE_IMAGE: &str = "k3s-pause-image.tar";

/// The list of changes to k3s.
pub const PATCHES: &str = "PATCHES";

/// Files that are installed under another name than they have in `rpm/`.
const RENAMED: [(&str, &str); 5] = [
    ("/etc/sysconfig/k3s", "k3s.sysconfig"),
    ("/etc/sysconfig/k3s-agent", "k3s-agent.sysconfig"),
    ("/usr/share/bash-completion/completions/k3s", "k3s.bash"),
    ("/usr/share/doc/k3s/README.md", "README.package.md"),
    ("/usr/share/zsh/site-functions/_k3s", "_k3s"),
];

/// Returns the source that an installed file is a copy of.
pub fn source_of(installed: &str) -> &str {
    let renamed = RENAMED.iter().find(|(path, _)| *path == installed);
    renamed.map_or_else(|| installed.rsplit('/').next().unwrap_or(installed), |(_, source)| source)
}

/// Stages all sources, with the time of the product: rpm lowers times that are newer than SOURCE_DATE_EPOCH, and keeps
/// older ones.
pub fn lay_out(packaging: &Packaging, topdir: &Topdir) -> Result<()> {
    let ours = packaging.context.root.join("rpm");
    let sources = topdir.sources();
    dir::copy_files(&ours, &sources, |_| true)?;
    let product = packaging.product;
    for (file, source) in [
        (packaging.target.k3s_binary().as_str(), PROGRAM),
        (CHECK_CONFIG, CHECK_CONFIG),
        (node_check::NAME, node_check::NAME),
        (LICENSE, LICENSE),
        (NOTICES, NOTICES),
    ] {
        fs::copy(product.directory.join(file), sources.join(source))?;
    }
    fs::write(sources.join(PAUSE_IMAGE), pause_image(product, packaging.target)?)?;
    fs::write(sources.join(PATCHES), documents::patches(&product.manifest))?;
    fs::write(sources.join("k3s.bundled"), documents::bundled(&packaging.products()))?;
    let spec = template::fill(&fs::read_to_string(ours.join("k3s.spec"))?, &values(packaging))
        .context("filling in rpm/k3s.spec")?;
    fs::write(topdir.spec(), spec)?;
    if let Some(images) = &packaging.images {
        lay_out_images(packaging, images, topdir)?;
    }
    dir::normalize(&topdir.path, packaging.time())
}

/// Stages the sources of the package of the default images.
fn lay_out_images(packaging: &Packaging, images: &PublishedImages, topdir: &Topdir) -> Result<()> {
    let sources = topdir.sources();
    fs::copy(&images.archive, sources.join(BUNDLE))?;
    let licenses = images.directory.join(licenses_name(packaging.target));
    fs::copy(licenses, sources.join("images-licenses.txt"))?;
    let references = images.manifest.references();
    let list: Vec<String> =
        references.map(|name| Ok(Reference::parse(name)?.normalised())).collect::<Result<_>>()?;
    fs::write(sources.join(LIST), list.join("\n") + "\n")?;
    let k3s = values(packaging);
    let shared = ["k3s_version", "k3s_tag", "k3s_release", "k3s_arches", "k3s_date", "k3s_vendor"];
    let mut values: BTreeMap<_, _> = shared.into_iter().map(|name| (name, k3s[name].clone())).collect();
    let licenses: Vec<&str> = images.manifest.licenses.iter().map(String::as_str).collect();
    values.insert("images_license", licenses.join(" AND "));
    values.insert("images_note", documents::images_note(&images.manifest));
    let spec = packaging.context.root.join("rpm/k3s-airgap-images.spec");
    let spec = template::fill(&fs::read_to_string(spec)?, &values)
        .context("filling in rpm/k3s-airgap-images.spec")?;
    Ok(fs::write(topdir.path.join(IMAGES_SPEC), spec)?)
}

/// Returns the pause image of a product under the names that unmodified releases of k3s pull.
pub fn pause_image(product: &Product, target: &'static Target) -> Result<Vec<u8>> {
    let program = fs::read(product.directory.join(crate::pause::PROGRAM))?;
    let image = PauseImage::new(target, program, env!("CARGO_PKG_VERSION"))?;
    docker_archive::archive(&image, &installed::names()?, Compression::None)
}

/// Returns the values for the marked lines of the spec.
fn values(packaging: &Packaging) -> BTreeMap<&'static str, String> {
    let manifest = &packaging.product.manifest;
    let has = |optional| if manifest.contains(optional) { "1" } else { "0" };
    let tool = |name: &str| manifest.tools.get(name).map_or("0", String::as_str).to_owned();
    let rust = tool("rustc").split(' ').nth(1).unwrap_or("0").to_owned();
    let products = packaging.products();
    let arches: Vec<&str> = products.iter().map(|(target, _)| target.rpm).collect();
    let licenses = products.iter().flat_map(|(_, product)| &product.manifest.third_party.licenses);
    let licenses: BTreeSet<&str> = licenses.map(String::as_str).collect();
    BTreeMap::from([
        ("k3s_version", packaging.version.as_str().into()),
        ("k3s_tag", manifest.k3s.as_str().into()),
        ("k3s_commit", manifest.commit.as_str().into()),
        ("k3s_release", packaging.settings.release.to_string()),
        ("k3s_arches", arches.join(" ")),
        ("k3s_date", clock::changelog_day(packaging.time())),
        ("k3s_vendor", documents::vendor(manifest).into()),
        ("k3s_license", Vec::from_iter(licenses).join(" AND ")),
        ("k3s_note", documents::note(manifest)),
        ("k3s_with_root", has(Optional::K3sRoot).into()),
        ("pause_version", env!("CARGO_PKG_VERSION").into()),
        ("builder_version", env!("CARGO_PKG_VERSION").into()),
        ("builder_options", packaging.rebuild.as_ref().map_or("", |rebuild| &rebuild.options).into()),
        ("go_version", tool("go")),
        ("rust_version", rust),
        ("zig_version", tool("zig")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_source_of_an_installed_file() {
        assert_eq!(source_of("/usr/bin/k3s"), "k3s");
        assert_eq!(source_of("/etc/sysconfig/k3s"), "k3s.sysconfig");
        assert_eq!(source_of("/usr/share/doc/k3s/UPGRADE.md"), "UPGRADE.md");
    }
}
