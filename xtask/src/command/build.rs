//! `cargo xtask build`: from a release to one patched binary.

use super::arch_args::ArchArg;
use super::source_args::SourceArgs;
use crate::context::Context;
use crate::error;
use crate::file_lock::FileLock;
use crate::images::builtin::Images;
use crate::images::definition::Definition;
use crate::k3s::Build;
use crate::k3s::options::BuildOptions;
use crate::k3s::patched::Patched;
use crate::patch::Values;
use crate::product::{self, Product};
use crate::step::Plan;
use crate::target::Target;
use crate::toolchain::gomod::GoMod;
use crate::toolchain::{
    go::{AnyGo, Go},
    zig::Zig,
};
use crate::upstream::probe::Facts;
use crate::upstream::selection::Selection;
use anyhow::{Context as _, Error, Result};

/// Build k3s for riscv64 from a release, with a default pause image that has a riscv64 build
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask build --sample                          the complete pipeline in one to two minutes
  cargo xtask build --k3s v1.33.0+k3s1                an upstream release
  cargo xtask build --source ~/k3s --ref my-branch    your own tree
  cargo xtask build --k3s stable --dry-run            what would be done")]
pub struct Args {
    #[command(flatten)]
    pub source: SourceArgs,

    #[command(flatten)]
    pub arch: ArchArg,

    #[command(flatten)]
    pub options: BuildOptions,

    /// Print the plan and build nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        self.options.validate(&context)?;
        if self.dry_run {
            let selection = self.source.find_for_plan(context)?;
            let build = prepare(&selection, self.arch.arch, &self.options)?;
            return with_plan(&build, |plan| {
                plan.lines().iter().for_each(|line| println!("{line}"));
                Ok(())
            });
        }
        let selection = self.source.find(context)?;
        run(&selection, self.arch.arch, &self.options).map(drop)
    }
}

/// Builds the selected source, or finds it built, and returns the product with its build.
pub fn run<'a>(
    selection: &'a Selection,
    target: &'static Target,
    options: &BuildOptions,
) -> Result<(Build<'a>, Product)> {
    let _lock = FileLock::acquire(&selection.context, &selection.lock_path(target.go))?;
    let build = prepare(selection, target, options)?;
    let product = make(&build)?;
    product::report::print(&build, &product);
    Ok((build, product))
}

/// Builds what was prepared, or finds it built, and returns the product.
pub fn make(build: &Build) -> Result<Product> {
    let (results, timings) = with_plan(build, |plan| {
        plan.run(build.context, &build.directory())
            .with_context(|| format!("building k3s {} for {}", build.source.version, build.target.go))
    })?;
    Product::publish(build, &results, &timings)
}

/// Calls a function with the plan of a product and of the images inside it.
fn with_plan<T>(build: &Build, action: impl FnOnce(Plan) -> Result<T>) -> Result<T> {
    let planning = || format!("planning k3s {} for {}", build.source.version, build.target.go);
    let definitions = Definition::of_origin(build.context, build.source.origin).with_context(planning)?;
    let images = Images::of(build, &definitions)
        .map_err(|error| with_other_problems(build, error))
        .with_context(planning)?;
    let steps = images.steps(build).with_context(planning)?;
    action(product::plan(build, steps).with_context(planning)?)
}

/// Adds to an error everything else that the plan of a product does not find.
fn with_other_problems(build: &Build, error: Error) -> Error {
    let plan = Images::None.steps(build).and_then(|steps| product::plan(build, steps));
    error::also(error, plan.err())
}

/// Reads everything that is known before the first step.
pub fn prepare<'a>(
    selection: &'a Selection,
    target: &'static Target,
    options: &BuildOptions,
) -> Result<Build<'a>> {
    let context = &selection.context;
    let pause_image = options.pause_image(context);
    if let Some(warning) = pause_image.host_warning() {
        context.progress.print(format!("warning: {warning}"));
    }
    let any_go = AnyGo::find(context, selection.stand_ins.as_ref())?;
    let values = Values { pause_image: pause_image.clone(), releases: options.releases.clone() };
    let patched = Patched::of(selection, &options.patches(context)?, &values)?;
    let gomod = GoMod::read(&patched.tree)?;
    let mut source = selection.source.clone();
    if gomod.local_modules().next().is_some() {
        source.version = source.version.local();
    }
    let facts = Facts::read(context, &any_go, &patched.tree, gomod, &source, target, selection.scripts)?;
    let tools = error::both(any_go.release(context, &facts.golang), Zig::get(context));
    let (go, zig, missing) = match tools {
        Ok((go, zig)) => (go, zig, None),
        Err(error) => (Go::absent(&facts.golang), Zig::absent(), Some(error)),
    };
    let build = Build {
        context,
        lock: &selection.lock,
        target,
        source,
        patched,
        facts,
        any_go,
        go,
        zig,
        options: options.clone(),
        pause_image,
        vendored_images: selection.vendored_images.clone(),
        git: selection.git.clone(),
    };
    match missing {
        None => Ok(build),
        Some(error) => Err(with_other_problems(&build, error)),
    }
}
