//! Checks a directory that is to be published against its own records. Nothing here depends on the machine or the run
//! that wrote it: it may come from elsewhere.

use super::assets::{self, ASSETS, AssetSource, Check};
use super::problems::{self, Problem};
use super::tag::Tag;
use super::{PREVIEW, booted, images, metadata, packages, root_sources};
use crate::boot;
use crate::boot::artifacts::is_for_server;
use crate::boot::platform::X86_64;
use crate::context::Context;
use crate::digest::Digest;
use crate::elf;
use crate::images::airgap;
use crate::images::manifest::ImagesManifest;
use crate::lockfile::{Adding, Lockfile};
use crate::product::SUMS;
use crate::product::load;
use crate::product::manifest::Manifest;
use crate::product::sbom;
use crate::rpm::nevra::SOURCE_PACKAGE;
use crate::rpm::read;
use crate::rpm::repository::REPO_FILE;
use crate::rpm::sign::PUBLIC_KEY;
use crate::target::Target;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A complete directory.
pub struct Checked {
    pub directory: PathBuf,
    /// One for each architecture, by its name.
    pub manifests: Vec<Manifest>,
    /// The default images of each of them, as far as they are there.
    pub images: Vec<Option<ImagesManifest>>,
    /// Every file that is published, by name.
    pub files: Vec<String>,
    /// The digest of each of them that `SHA256SUMS` names.
    pub sums: BTreeMap<String, Digest>,
    /// The number of the build, RPM's Release without the distribution.
    pub release: u32,
}

/// Checks a directory.
pub fn directory(directory: &Path) -> Result<Checked> {
    ensure!(
        directory.join(SUMS).is_file(),
        "there is no {SUMS} in {}\n  cargo xtask release leaves one in target/dist/<version>/release",
        directory.display()
    );
    let sums = load::verified_sums(directory)?;
    let files = assets::names(directory)?;
    for name in files.iter().filter(|name| !assets::is_sums(name)) {
        ensure!(sums.contains_key(name), "{SUMS} does not name {name}");
        ensure!(assets::kept_name(name) == *name, "GitHub would give {name} another name");
    }
    assets::list(directory)?;
    let is_manifest =
        |name: &&String| assets::of(name).is_some_and(|(asset, _)| asset.check == Check::Manifest);
    let manifests = files.iter().filter(is_manifest).map(|name| Manifest::read(&directory.join(name)));
    let manifests = manifests.collect::<Result<Vec<_>>>()?;
    ensure!(!manifests.is_empty(), "there is no manifest of any product in {}", directory.display());
    let mut images = Vec::new();
    for manifest in &manifests {
        let of_product = product(directory, &files, manifest, &sums)
            .and_then(|()| images::check(directory, manifest, &sums))
            .with_context(|| format!("checking the assets for {}", manifest.arch))?;
        images.push(of_product);
    }
    let release = packages::check(directory, &manifests, &sums)?;
    let checked = Checked { directory: directory.to_owned(), manifests, images, files, sums, release };
    let tag = checked.tag()?;
    let mut repositories = repositories(&checked)?;
    for name in &checked.files {
        let Some((asset, of)) = assets::of(name) else { continue };
        let is_of_product = checked.manifests.iter().any(|manifest| manifest.arch == of.go);
        ensure!(
            !asset.is_of_architecture() || is_of_product,
            "{name} is for {}, of which there is no product",
            of.go
        );
        if asset.check == Check::Repository {
            let of_packages = repositories.remove(name);
            let (target, dist) =
                of_packages.with_context(|| format!("the packages of {name} are not beside it"))?;
            repository(directory, name, target, dist, &checked.sums, &tag)
                .with_context(|| format!("reading {name}"))?;
        }
    }
    let missing = repositories.into_keys().next();
    ensure!(missing.is_none(), "{} is missing", missing.unwrap_or_default());
    Ok(checked)
}

impl Checked {
    /// Returns the problems that keep the directory from being published.
    pub fn problems(&self, context: &Context) -> Result<Vec<Problem>> {
        let lock = Lockfile::open(&context.lock_file, Adding::Forbidden)?;
        let manifests: Vec<&Manifest> = self.manifests.iter().collect();
        let mut problems = problems::of_products(&manifests, &lock);
        for (manifest, images) in self.manifests.iter().zip(&self.images) {
            problems.extend(images::problems(images.as_ref(), manifest, &lock));
        }
        problems.extend(booted::problems(&context.root, self)?);
        if !self.files.iter().any(|name| name.ends_with(SOURCE_PACKAGE)) {
            problems.push(problems::no_source());
        }
        if self.files.iter().any(|name| name == PREVIEW) {
            let text = "the directory is a preview and must not be published".to_owned();
            problems.push(Problem::Blocking(text));
        }
        Ok(problems)
    }

    /// Returns the tag under which the directory is published.
    pub fn tag(&self) -> Result<Tag> {
        let first = self.manifests.first().context("a release has a product")?;
        Ok(Tag { k3s: first.k3s.parse()?, release: self.release })
    }

    /// Returns the architectures whose files are published without a boot test. Of one, the server of a mixed cluster is
    /// booted, if there is an agent for it.
    pub fn not_booted(&self) -> Result<Vec<String>> {
        let booted = boot::target()?.go;
        let archs = || self.manifests.iter().map(|manifest| manifest.arch.as_str());
        let has_server =
            archs().any(|arch| arch == booted) && self.sums.keys().any(|name| is_for_server(name));
        let server = X86_64.target()?.go;
        let describe = |arch: &str| match has_server && arch == server {
            true => format!("{arch} (except the package k3s, in the scenario mixed)"),
            false => arch.to_owned(),
        };
        Ok(archs().filter(|arch| *arch != booted).map(describe).collect())
    }
}

/// Checks the assets of one architecture, and those of all.
fn product(
    directory: &Path,
    files: &[String],
    manifest: &Manifest,
    sums: &BTreeMap<String, Digest>,
) -> Result<()> {
    let target = Target::named(&manifest.arch)?;
    let has_images = files.contains(&airgap::archive_name(target));
    for asset in &ASSETS {
        let Some(name) = files.iter().find(|name| asset.is(name, target)) else {
            let may_be_missing = match asset.source {
                AssetSource::Images | AssetSource::ImageSources => !has_images,
                AssetSource::RootSources => manifest.third_party.k3s_root.is_empty(),
                _ => matches!(asset.check, Check::Optional | Check::Package),
            };
            ensure!(may_be_missing, "{} is missing", assets::expand(asset.name, target, "*"));
            continue;
        };
        if let AssetSource::Product(file) = asset.source
            && asset.check != Check::Manifest
        {
            let file = assets::expand(file, target, "");
            let entry = manifest.files.get(&file);
            let entry = entry.with_context(|| format!("its manifest does not name {file}"))?;
            ensure!(sums.get(name) == Some(&entry.sha256), "{name} is not the file that its manifest names");
        }
        if let AssetSource::RootSources = asset.source {
            root_sources::check(&directory.join(name), &manifest.third_party.k3s_root)
                .with_context(|| format!("reading {name}"))?;
        }
        match asset.check {
            Check::Executable => elf::check(fs::read(directory.join(name))?.as_slice(), target.elf_machine)
                .with_context(|| format!("{name} is not for {}", target.go))?,
            Check::Sums => {
                for (file, sum) in load::sums(&directory.join(name))? {
                    ensure!(sums.get(&file) == Some(&sum), "{name} and {SUMS} differ on {file}");
                }
            }
            // That of the images is compared with their manifest.
            Check::Materials if matches!(asset.source, AssetSource::Product(_)) => {
                let binary = fs::read(directory.join(target.k3s_binary()))?;
                sbom::check(&fs::read(directory.join(name))?, manifest, &binary)
                    .with_context(|| format!("comparing {name} with {}", target.k3s_binary()))?;
            }
            Check::Materials
            | Check::Present
            | Check::Optional
            | Check::Package
            | Check::Repository
            | Check::Manifest => {}
        }
    }
    Ok(())
}

/// Returns the repositories that the packages need: their names, and the architecture and distribution of each.
fn repositories(checked: &Checked) -> Result<BTreeMap<String, (&'static Target, &str)>> {
    let packages = checked.files.iter().filter(|name| !name.ends_with(SOURCE_PACKAGE));
    let dists: BTreeSet<&str> = packages.filter_map(|name| assets::dist(name)).collect();
    let mut repositories = BTreeMap::new();
    for manifest in &checked.manifests {
        let target = Target::named(&manifest.arch)?;
        let of = |dist| (assets::expand(assets::REPOSITORY, target, dist), (target, dist));
        repositories.extend(dists.iter().copied().map(of));
    }
    Ok(repositories)
}

/// Returns whether a repository has a file or directory of this name besides packages.
fn is_metadata(name: &Path) -> bool {
    let parts: Vec<Option<&str>> = name.iter().map(|part| part.to_str()).collect();
    match parts[..] {
        [] | [Some("repodata" | REPO_FILE | PUBLIC_KEY)] => true,
        [Some("repodata"), Some(file)] => file != "..",
        _ => false,
    }
}

/// Checks that a repository contains the packages for its architecture that are beside it, besides them only packages
/// of earlier releases, and dnf's metadata.
fn repository(
    directory: &Path,
    archive: &str,
    target: &Target,
    dist: &str,
    sums: &BTreeMap<String, Digest>,
    tag: &Tag,
) -> Result<()> {
    let [own, noarch] = [target.rpm, "noarch"].map(|arch| format!(".{dist}.{arch}.rpm"));
    let mut missing: BTreeSet<&str> = sums.keys().map(String::as_str).collect();
    missing.retain(|name| name.ends_with(&own) || name.ends_with(&noarch));
    for entry in tar::Archive::new(fs::File::open(directory.join(archive))?).entries()? {
        let entry = entry?;
        let path = entry.path()?.into_owned();
        let inside = path
            .strip_prefix(target.rpm)
            .with_context(|| format!("{} is not below {}", path.display(), target.rpm))?;
        let kind = entry.header().entry_type();
        ensure!(kind.is_file() || kind.is_dir(), "{} is neither a file nor a directory", path.display());
        let name = inside.to_string_lossy().into_owned();
        if !name.ends_with(".rpm") {
            ensure!(is_metadata(inside), "{} is no file of a repository", path.display());
            continue;
        }
        let kept = assets::kept_name(&name);
        ensure!(
            name.ends_with(&own) || name.ends_with(&noarch),
            "{name} is not for {dist} on {}",
            target.rpm
        );
        let Some(beside) = sums.get(&kept) else {
            let earlier = read::name(entry).with_context(|| format!("reading {name}"))?;
            let is_earlier =
                packages::is_ours(&earlier.name) && earlier.file_name() == name && Tag::of(&earlier)? != *tag;
            ensure!(is_earlier, "{name} is not beside it, and of no earlier release");
            continue;
        };
        let same = match name.ends_with(&own) {
            true => Digest::of_reader(entry)? == *beside,
            // Its header names the architecture that it was built on.
            false => read::read_entry(entry)? == read::read(&directory.join(&kept))?,
        };
        ensure!(same, "{name} is not the one beside it");
        missing.remove(kept.as_str());
    }
    ensure!(missing.is_empty(), "{} is missing in it", missing.into_iter().collect::<Vec<_>>().join(" and "));
    metadata::check(&directory.join(archive))
}
