//! `cargo xtask bench`: figures, side by side from one run.

use super::build::{self, BuildOptions};
use super::choice::Choice;
use super::rpm::PackageOptions;
use crate::bench;
use crate::context::Context;
use crate::step::Plan;
use crate::target::Target;
use anyhow::Result;
use std::path::PathBuf;

/// Measure this project against what people would do by hand
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// The pause program beside the same in C: size, image, instructions
    Pause,
    /// One compile step by the cross compiler beside the same under emulation
    Emulated,
    /// A cold build beside its bare commands; takes two builds' time
    Build {
        /// What to build: the options of cargo xtask build
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Packaging beside rpmbuild alone, and the ways to compress a package; takes ten minutes
    Rpm {
        /// A finished product
        #[arg(long, value_name = "DIR")]
        product: PathBuf,
        #[command(flatten)]
        options: PackageOptions,
    },
    /// Boots of k3s beside one whose SQLite is not optimised, as upstream's flags have it; takes an hour
    Boot(Box<Chosen>),
    /// The commands of a build and nothing else, one after another
    #[command(hide = true)]
    Bare(Box<Chosen>),
}

#[derive(Clone, Debug, clap::Args)]
struct Chosen {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    options: BuildOptions,
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        match self.what {
            What::Pause => bench::pause::run(&context),
            What::Emulated => bench::emulated::run(&context),
            What::Build { arguments } => bench::build::run(&context, &arguments),
            What::Rpm { product, options } => bench::rpm::run(&context, &product, &options),
            What::Boot(chosen) => {
                let Chosen { choice, options } = *chosen;
                bench::boot::run(&choice.find(context)?, &options)
            }
            What::Bare(chosen) => {
                let Chosen { choice, options } = *chosen;
                let chosen = choice.find(context)?;
                let build = build::prepare(&chosen, Target::named(&options.arch)?, &options)?;
                // Upstream's scripts end with the binary; the checks of the product are ours.
                Plan::new(build.steps()?)?.run_bare(&build.folder())
            }
        }
    }
}
