//! `cargo xtask build`: from a release to one patched binary.

use super::arch_args::ArchArg;
use super::source_args::SourceArgs;
use crate::context::Context;
use crate::error;
use crate::file_lock::FileLock;
use crate::k3s::patched::Patched;
use crate::k3s::{Build, Options, Presence};
use crate::patch::{PatchSet, Values};
use crate::product::{self, Product};
use crate::reference::Reference;
use crate::step::Plan;
use crate::target::Target;
use crate::toolchain::gomod::GoMod;
use crate::toolchain::{
    go::{AnyGo, Go},
    zig::Zig,
};
use crate::upstream::probe::Facts;
use crate::upstream::selection::Selection;
use crate::workspace::OWN_PATCHES;
use anyhow::{Context as _, Result, ensure};
use std::path::PathBuf;

/// Build k3s for riscv64 from a release, with a pause image that every pod can start
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask build --sample                          the whole pipeline in about a minute
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

/// The options that have no effect on a finished product.
pub const NO_BUILD: [&str; 9] = [
    "source",
    "vendored",
    "sample",
    "pause_image",
    "patches",
    "no_builtin_pause",
    "charts",
    "k3s_root",
    "level",
];

/// Options of a build
#[derive(Clone, Debug, clap::Args)]
pub struct BuildOptions {
    /// The image that takes the place of upstream's default pause image [default: see xtask/pins.json]
    #[arg(long, value_name = "REF", value_parser = Reference::parse)]
    pub pause_image: Option<Reference>,

    /// A directory with patches of your own (see patches/README.md)
    #[arg(long, value_name = "DIR")]
    pub patches: Option<PathBuf>,

    /// Do not carry the pause image inside k3s
    #[arg(long)]
    pub no_builtin_pause: bool,

    /// The Helm charts, traefik's above all: with `none` the product is incomplete and says so
    #[arg(long, value_enum, default_value_t = Choose::Fetch)]
    pub charts: Choose,

    /// k3s-root, the user space k3s brings along: with `none` the product is incomplete and says so
    #[arg(long, value_enum, default_value_t = Choose::Fetch)]
    pub k3s_root: Choose,

    /// The level of the architecture, as GORISCV64, GOARM64 or GOAMD64 takes it [default: the oldest]
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<String>,
}

/// The origin of optional content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Choose {
    Fetch,
    None,
}

impl From<Choose> for Presence {
    fn from(choose: Choose) -> Presence {
        match choose {
            Choose::Fetch => Presence::Included,
            Choose::None => Presence::LeftOut,
        }
    }
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        self.options.validate(&context)?;
        if self.dry_run {
            let selection = self.source.find_for_plan(context)?;
            let build = prepare(&selection, self.arch.arch, &self.options)?;
            for line in plan(&build)?.lines() {
                println!("{line}");
            }
            return Ok(());
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
    let (results, timings) = plan(&build)?
        .run(build.context, &build.directory())
        .with_context(|| format!("building k3s {} for {}", build.source.version, target.go))?;
    let product = Product::publish(&build, &results, &timings)?;
    product::report::say(&build, &product);
    Ok((build, product))
}

fn plan<'a>(build: &'a Build<'a>) -> Result<Plan<'a>> {
    product::plan(build)
        .with_context(|| format!("planning k3s {} for {}", build.source.version, build.target.go))
}

impl BuildOptions {
    /// Validates what can be checked before anything is fetched.
    pub fn validate(&self, context: &Context) -> Result<()> {
        self.patches(context).map(drop)
    }

    /// Refuses a product that a boot test could not run pods on.
    pub fn require_bootable(&self, target: &Target, machine: &Target) -> Result<()> {
        ensure!(target == machine, "boot tests run on {}; --arch {} cannot run there", machine.go, target.go);
        ensure!(
            !self.no_builtin_pause,
            "pods are to run on the pause inside k3s, and with --no-builtin-pause there is none"
        );
        Ok(())
    }

    /// Returns the options of a build as words for a shell. The user's own patches are named by their path in a
    /// source package.
    pub fn arguments(&self, build: &Build) -> String {
        let mut words = vec![format!("--arch {}", build.target.go)];
        words.push(format!("--pause-image {}", build.options.pause_image));
        words.extend(self.patches.iter().map(|_| format!("--patches {OWN_PATCHES}")));
        words.extend(self.no_builtin_pause.then(|| "--no-builtin-pause".to_owned()));
        words.extend((self.charts == Choose::None).then(|| "--charts none".to_owned()));
        words.extend((self.k3s_root == Choose::None).then(|| "--k3s-root none".to_owned()));
        words.extend(self.level.iter().map(|level| format!("--level {level}")));
        words.join(" ")
    }

    /// Returns the default pause image of the k3s that is built.
    pub fn reference(&self, context: &Context) -> Reference {
        self.pause_image.clone().unwrap_or_else(|| context.pins.pause_image.reference.clone())
    }

    fn patches(&self, context: &Context) -> Result<PatchSet> {
        PatchSet::load(&context.root, self.patches.as_deref())
    }

    /// Returns our patches that the options leave out.
    fn patches_left_out(&self) -> &'static [&'static str] {
        if self.no_builtin_pause { &["builtin-pause"] } else { &[] }
    }
}

/// Reads everything that is known before the first step.
pub fn prepare<'a>(
    selection: &'a Selection,
    target: &'static Target,
    options: &BuildOptions,
) -> Result<Build<'a>> {
    let context = &selection.context;
    let pause_image = options.reference(context);
    if pause_image.host().is_some() {
        context.progress.print(format!(
            "warning: {pause_image} names a host: a k3s with --system-default-registry will not find what is inside it\n  \
             such a k3s asks for REGISTRY/{pause_image}, but knows imported images without their host"
        ));
    }
    let options_of_build = Options {
        pause_image,
        builtin_pause: if options.no_builtin_pause { Presence::LeftOut } else { Presence::Included },
        charts: options.charts.into(),
        root: options.k3s_root.into(),
        level: options.level.clone(),
    };
    let any_go = AnyGo::find(context, selection.stand_ins.as_ref())?;
    let values = Values { pause_image: options_of_build.pause_image.clone() };
    let patched = Patched::of(selection, &options.patches(context)?, &values, options.patches_left_out())?;
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
        options: options_of_build,
        git: selection.git.clone(),
    };
    match missing {
        None => Ok(build),
        // Reported with everything else that the steps do not find.
        Some(error) => Err(error::also(error, product::plan(&build).err())),
    }
}
