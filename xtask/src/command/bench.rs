//! `cargo xtask bench`: measurements in pairs, with the ratio.

mod build;
mod pause;

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
}

impl Args {
    pub fn run(self, context: &Context) -> Result<()> {
        match self.benchmark {
            Benchmark::Pause => pause::run(context),
            Benchmark::Build { arguments } => build::run(context, &arguments),
        }
    }
}

struct Row {
    name: String,
    ours: f64,
    theirs: f64,
    unit: &'static str,
}

/// Prints comparisons as a table, with the ratios.
fn print(ours: &str, theirs: &str, rows: &[Row]) {
    println!("{:<44} {ours:>16} {theirs:>16} {:>8}", "", "ratio");
    // Whole numbers as such, others with two decimal places.
    let figure = |value: f64, unit: &str| match value.fract() {
        0.0 => format!("{value} {unit}"),
        _ => format!("{value:.2} {unit}"),
    };
    for Row { name, ours, theirs, unit } in rows {
        let ratio = ours / theirs;
        println!("{name:<44} {:>16} {:>16} {ratio:>8.3}", figure(*ours, unit), figure(*theirs, unit));
    }
}
