//! `cargo xtask images build`: the images that a k3s pulls by default, in one bundle.

use crate::command::arch_args::ArchList;
use crate::command::build;
use crate::command::source_args::SourceArgs;
use crate::context::Context;
use crate::dir::shown;
use crate::file_lock::FileLock;
use crate::images::airgap;
use crate::images::definition::Definition;
use crate::images::manifest::ImagesManifest;
use crate::images::publish;
use crate::images::selection::{Selected, default_references, listed_references};
use crate::k3s::Build;
use crate::k3s::options::{BuildOptions, Substitutes};
use crate::step::Plan;
use crate::target::Target;
use crate::upstream::selection::Selection;
use anyhow::{Context as _, Result};
use fs_err as fs;
use indicatif::HumanBytes;
use std::path::PathBuf;

/// Build the images that a k3s pulls by default, and the bundle of them for machines without a registry
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask images build --sample                   the complete path, in seconds
  cargo xtask images build --k3s v1.35                the eight images of the newest v1.35 release
  cargo xtask images build --only busybox,klipper-lb  two of them
  cargo xtask images build --list k3s-images.txt      under exactly the names of a list")]
pub struct Args {
    #[command(flatten)]
    source: SourceArgs,

    #[command(flatten)]
    arch: ArchList,

    #[command(flatten)]
    images: ImageOptions,

    /// Print the plan and build nothing
    #[arg(long)]
    dry_run: bool,
}

/// Options that select images. By default they are all that a k3s asks for
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ImageOptions {
    /// Only these images, by the names of the files in images/, and pause
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,

    /// Build the images of this list, one reference on each line, instead of those that the k3s asks for
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,

    #[command(flatten)]
    substitutes: Substitutes,
}

impl ImageOptions {
    /// Returns the options of the k3s whose images they are.
    pub fn build_options(&self) -> BuildOptions {
        BuildOptions { substitutes: self.substitutes.clone(), ..BuildOptions::default() }
    }
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        let options = self.images.build_options();
        if self.dry_run {
            let selection = self.source.find_for_plan(context)?;
            for target in self.arch.targets() {
                with_plan(&selection, target, &options, &self.images, |_, plan| {
                    plan.lines().iter().for_each(|line| println!("{line}"));
                    Ok(())
                })?;
            }
            return Ok(());
        }
        let selection = self.source.find(context)?;
        let (directory, manifests) = run(&selection, &self.arch.targets(), &options, &self.images)?;
        println!("{}", shown(&directory));
        manifests.iter().for_each(print);
        Ok(())
    }
}

/// Builds images of the selected k3s, or finds them built, and returns their directory.
pub fn run(
    selection: &Selection,
    targets: &[&'static Target],
    options: &BuildOptions,
    images: &ImageOptions,
) -> Result<(PathBuf, Vec<ImagesManifest>)> {
    let mut built = Vec::new();
    for target in targets {
        let results = with_plan(selection, target, options, images, |build, plan| {
            let (results, _) = plan
                .run(build.context, &build.directory())
                .with_context(|| format!("building the images of k3s {}", build.source.version))?;
            Ok(results)
        })?;
        built.push((*target, results));
    }
    publish::publish(&selection.context, &selection.source.version.to_string(), &built)
}

/// Calls a function with the plan of the bundle for an architecture.
fn with_plan<T>(
    selection: &Selection,
    target: &'static Target,
    options: &BuildOptions,
    images: &ImageOptions,
    action: impl FnOnce(&Build, Plan) -> Result<T>,
) -> Result<T> {
    with_images(selection, target, options, images, |build, selected| {
        action(build, Plan::new(airgap::steps(build, selected)?)?)
    })
}

/// Calls a function with the selected images for an architecture.
pub fn with_images<T>(
    selection: &Selection,
    target: &'static Target,
    options: &BuildOptions,
    images: &ImageOptions,
    action: impl FnOnce(&Build, &Selected) -> Result<T>,
) -> Result<T> {
    let definitions = Definition::of_origin(&selection.context, selection.source.origin)?;
    let _lock = FileLock::acquire(&selection.context, &selection.lock_path(target.go))?;
    let build = build::prepare(selection, target, options)?;
    let selected = images.select(&build, &definitions)?;
    action(&build, &selected)
}

impl ImageOptions {
    fn select<'d>(&self, build: &Build, definitions: &'d [Definition]) -> Result<Selected<'d>> {
        let references = match &self.list {
            Some(list) => listed_references(&fs::read_to_string(list)?)
                .with_context(|| format!("reading {}", list.display()))?,
            None => default_references(build)?,
        };
        Selected::of(build, definitions, references, &self.only)
    }
}

/// Prints the bundle of an architecture, and what is not as in upstream's images.
fn print(manifest: &ImagesManifest) {
    for (name, file) in &manifest.files {
        println!("  {name}  {}", HumanBytes(file.size));
    }
    for name in &manifest.pause {
        println!("    {name}  from pause/");
    }
    for image in &manifest.images {
        let from =
            image.module.as_deref().map(|module| module.rsplit_once(' ').map_or(module, |(name, _)| name));
        let packages = image.debian.iter().map(|it| format!("{} {}", it.name(), it.version()));
        let from: Vec<String> = from.map(str::to_owned).into_iter().chain(packages).collect();
        println!("    {}  from {}", image.reference, from.join(", "));
        if image.substitute {
            println!("      substitute: {} in place of what the tag names", image.version);
        }
        if let Some(left_out) = &image.left_out {
            println!("      left out: {left_out}");
        }
    }
}
