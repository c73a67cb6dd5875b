//! `cargo xtask bench`: figures, in pairs from one run.

use crate::bench;
use crate::context::Context;
use anyhow::Result;

/// Measure this project against what people would do by hand (docs/performance.md has figures)
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// The pause program beside the same in C: size, image, instructions
    Pause,
    /// A cold build beside its Go commands alone; takes two builds' time
    Build {
        /// What to build: the options of cargo xtask build
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

impl Args {
    pub fn run(self, context: &Context) -> Result<()> {
        match self.what {
            What::Pause => bench::pause::run(context),
            What::Build { arguments } => bench::build::run(context, &arguments),
        }
    }
}
