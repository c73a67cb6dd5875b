//! `cargo xtask bench`: runs the measurements in `xtask/benches/`.

use crate::context::Context;
use anyhow::Result;

/// Compare this project with the usual tools and commands (docs/performance.md has figures)
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Benchmark {
    /// Compare pause with the same program in C: size, image, instructions
    Pause,
    /// Compare a cold build with its Go commands alone; takes as long as two builds
    Build {
        /// Options of cargo xtask build
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Compare a cold build of the default images with its Go commands alone, and print the bundle's size
    Images {
        /// Options of cargo xtask images build
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

impl Args {
    pub fn run(self, context: &Context) -> Result<()> {
        let (name, arguments) = match self.benchmark {
            Benchmark::Pause => ("pause", Vec::new()),
            Benchmark::Build { arguments } => ("build", arguments),
            Benchmark::Images { arguments } => ("images", arguments),
        };
        super::cargo(context, "bench --locked --quiet --profile dev --package xtask --bench measure --")
            .args([name.to_owned()].into_iter().chain(arguments))
            .run_attached()
    }
}
