//! `cargo xtask verify --rebuild`: the files of a release, built again from its manifests and the lockfile alone.

use super::recorded;
use crate::code;
use crate::command::build;
use crate::command::images::build::{self as images_build, ImageOptions};
use crate::command::rpm::PACKAGING;
use crate::command::source_args::SourceArgs;
use crate::context::Context;
use crate::digest::Digest;
use crate::doctor::{self, Purpose};
use crate::file_lock::FileLock;
use crate::images::builtin;
use crate::images::definition::Definition;
use crate::images::manifest::ImagesManifest;
use crate::images::publish::PublishedImages;
use crate::k3s::options::{BuildOptions, BuiltinImages};
use crate::product::Product;
use crate::product::manifest::Manifest;
use crate::reference::Reference;
use crate::release::check::Checked;
use crate::release::{DistPackages, PackagedProduct, assemble, assets, consistency, rebuilt};
use crate::rpm::dist::Dist;
use crate::rpm::{Packaging, Settings, URL};
use crate::sample::Layout;
use crate::target::Target;
use crate::upstream::release::{Origin, UPSTREAM};
use crate::upstream::selection::Selection;
use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use fs_err as fs;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Options that build a release again
#[derive(Clone, Debug, clap::Args)]
pub struct RebuildArgs {
    /// Build the files again, from nothing but what the manifests name and k3s.lock.json locks, and compare every byte;
    /// this repository has to be at the release's tag
    #[arg(long)]
    rebuild: bool,

    /// The architectures to build again, with commas between them [default: all of the release]
    #[arg(long, value_name = "ARCH", value_delimiter = ',', value_parser = Target::named, requires = "rebuild")]
    arch: Vec<&'static Target>,

    /// A repository that has the commit, if k3s was not built from upstream's, or if that is elsewhere
    #[arg(long, value_name = "PATH|URL", requires = "rebuild")]
    source: Option<String>,

    /// The directory with patches that the release was built with, besides those of this repository
    #[arg(long, value_name = "DIR", requires = "rebuild")]
    patches: Option<PathBuf>,
}

/// A product of a release, by its records.
struct Recorded<'r> {
    target: &'static Target,
    manifest: &'r Manifest,
    images: Option<&'r ImagesManifest>,
}

impl RebuildArgs {
    pub fn is_asked_for(&self) -> bool {
        self.rebuild
    }

    /// Builds a release again and compares the files. Returns the results, one a line.
    pub fn run(&self, context: Context, released: &Checked) -> Result<Vec<String>> {
        doctor::require(&context, Purpose::Rpm, PACKAGING)?;
        let products = self.products(released)?;
        let first = products.first().context("a release has a product")?;
        products.iter().try_for_each(|product| require_same_code(released, product.manifest))?;
        let scratch = tempfile::tempdir()?;
        // Nothing that a step has left before is used.
        let context =
            Context { work: scratch.path().join("work"), dist: scratch.path().join("dist"), ..context };
        let selection = self.select(context, first.manifest)?;
        require_same_commit(&selection, first.manifest)?;
        let again = scratch.path().join("again");
        fs::create_dir(&again)?;
        for product in &products {
            let packaged = self.build(&selection, product, &settings(released)?)?;
            assemble::add(&selection.context, &again, &packaged)?;
        }
        let others = rebuilt::check(released, &again)?;
        let architectures: Vec<&str> = products.iter().map(|product| product.target.go).collect();
        Ok(vec![
            format!(
                "{} files are what was built again for {}",
                released.files.len() - others.len(),
                architectures.join(", ")
            ),
            format!("not built again: {}", others.join(", ")),
        ])
    }

    /// Returns the products of a release that are to be built again.
    fn products<'r>(&self, released: &'r Checked) -> Result<Vec<Recorded<'r>>> {
        let all = released.manifests.iter().zip(&released.images).map(|(manifest, images)| {
            Ok(Recorded { target: Target::named(&manifest.arch)?, manifest, images: images.as_ref() })
        });
        let mut all = all.collect::<Result<Vec<_>>>()?;
        for target in &self.arch {
            let is_there = all.iter().any(|product| product.target == *target);
            ensure!(is_there, "the release has no product for {}", target.go);
        }
        all.retain(|product| self.arch.is_empty() || self.arch.contains(&product.target));
        Ok(all)
    }

    /// Selects the commit that the manifest names.
    fn select(&self, context: Context, manifest: &Manifest) -> Result<Selection> {
        let Manifest { k3s, commit, origin, .. } = manifest;
        let locked = SourceArgs {
            k3s: None,
            source: None,
            reference: None,
            version: None,
            vendored: None,
            sample: false,
            sample_layout: Layout::Embed,
            trust_scripts: false,
            locked: true,
        };
        let source = match (origin, &self.source) {
            (Origin::Sample, _) => return sample(context, &locked, manifest),
            (_, Some(_)) => SourceArgs {
                source: self.source.clone(),
                reference: Some(commit.clone()),
                version: Some(k3s.parse()?),
                ..locked
            },
            (Origin::Release, None) => SourceArgs { k3s: Some(k3s.clone()), ..locked },
            (Origin::Tree, None) => bail!(
                "k3s {k3s} was built from {commit}, which is not the commit of a tag of upstream's\n  \
                 name a repository that has it: --source PATH|URL"
            ),
        };
        let mut selection = source.find(context)?;
        // The same commit is the same source, wherever it was found.
        selection.source.origin = *origin;
        Ok(selection)
    }

    /// Builds a product again, with its images and packages.
    fn build(
        &self,
        selection: &Selection,
        recorded: &Recorded,
        settings: &[Settings],
    ) -> Result<PackagedProduct> {
        let Recorded { target, manifest, images } = *recorded;
        let context = &selection.context;
        let definitions = Definition::of_origin(context, manifest.origin)?;
        let options = recorded::options(manifest, &definitions, self.patches.clone())?;
        let product = product(selection, target, manifest, &options)?;
        let images = match images {
            None => None,
            Some(images) => {
                let substitutes = images.images.iter().filter(|image| image.substitute);
                let substitutes = substitutes.map(|image| (image.reference.as_str(), image.version.as_str()));
                let options = BuildOptions {
                    substitutes: recorded::substitutes(&definitions, substitutes)?,
                    ..options
                };
                let (directory, _) =
                    images_build::run(selection, &[target], &options, &ImageOptions::default())?;
                Some(PublishedImages::open(&directory, target, &manifest.k3s)?)
            }
        };
        let packages = settings.iter().map(|settings| {
            let packaging = Packaging::new(context, &product, target, settings, None)?;
            let published = Packaging { images: images.clone(), ..packaging }.publish()?;
            Ok(DistPackages { dist: settings.dist, repository: published.directory.clone(), published })
        });
        let packages = packages.collect::<Result<_>>()?;
        Ok(PackagedProduct { target, product, packages, images })
    }
}

/// Refuses a release that other code has built.
fn require_same_code(released: &Checked, manifest: &Manifest) -> Result<()> {
    let here = code::all();
    ensure!(
        manifest.code.as_ref() == Some(&here),
        "the release was built by another cargo xtask: its code has the digest {}, and here it is {here}\n  \
         In the repository that has published the release: git checkout {}",
        manifest.code.as_ref().map_or("(not recorded)", Digest::as_str),
        released.tag()?
    );
    Ok(())
}

/// Refuses another commit than the one that was built.
fn require_same_commit(selection: &Selection, manifest: &Manifest) -> Result<()> {
    let Manifest { k3s, commit, origin, .. } = manifest;
    let here = match origin {
        Origin::Release => selection.lock.commit(UPSTREAM, k3s),
        Origin::Tree | Origin::Sample => Some(selection.source.commit.id.clone()),
    };
    let here = here.as_deref().unwrap_or("not locked");
    ensure!(here == commit, "k3s {k3s} is {here} here, and the release was built from {commit}");
    Ok(())
}

/// Selects the sample in the layout that has this version.
fn sample(mut context: Context, locked: &SourceArgs, manifest: &Manifest) -> Result<Selection> {
    for layout in Layout::value_variants() {
        let source = SourceArgs { sample: true, sample_layout: *layout, ..locked.clone() };
        let selection = source.find(context)?;
        if selection.source.version.to_string() == manifest.k3s {
            return Ok(selection);
        }
        context = selection.context;
    }
    bail!("no layout of the sample is {}", manifest.k3s)
}

/// Builds k3s again, unless what is known before says that it would be another one.
fn product(
    selection: &Selection,
    target: &'static Target,
    manifest: &Manifest,
    options: &BuildOptions,
) -> Result<Product> {
    let _lock = FileLock::acquire(&selection.context, &selection.lock_path(target.go))?;
    let mut build = build::prepare(selection, target, options)?;
    let images: BTreeSet<&str> =
        manifest.builtin_images.iter().map(|image| image.reference.as_str()).collect();
    if builtin::references(&build)?.iter().map(Reference::as_str).collect::<BTreeSet<_>>() != images {
        build.options.builtin_images = BuiltinImages::All;
    }
    let problems = consistency::with_build(manifest, &build)?;
    let list: String = problems.iter().map(|problem| format!("\n- {problem}")).collect();
    ensure!(problems.is_empty(), "the build here cannot be that of the release:{list}");
    build::make(&build)
}

/// Returns the settings of the release's packages, for each release of openEuler.
fn settings(released: &Checked) -> Result<Vec<Settings>> {
    let packages = released.files.iter().filter(|name| name.ends_with(".rpm"));
    let dists =
        packages.filter_map(|name| assets::dist(name)).map(str::parse).collect::<Result<BTreeSet<Dist>>>()?;
    let of = |dist| Settings { dist, release: released.release, url: URL.to_owned(), key: None };
    Ok(dists.into_iter().map(of).collect())
}
