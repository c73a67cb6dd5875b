//! `cargo xtask bench`: measurements, always of two things in one run, printed as a ratio.

mod build;
mod pause;

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
            What::Pause => pause::run(context),
            What::Build { arguments } => build::run(context, &arguments),
        }
    }
}

/// One comparison.
struct Row {
    what: String,
    ours: f64,
    theirs: f64,
    unit: &'static str,
}

/// Prints comparisons as a table: what, ours, what it is compared with, and the ratio.
fn print(ours: &str, theirs: &str, rows: &[Row]) {
    println!("{:<44} {ours:>16} {theirs:>16} {:>8}", "", "ratio");
    for row in rows {
        let ratio = row.ours / row.theirs;
        println!(
            "{:<44} {:>16} {:>16} {ratio:>8.3}",
            row.what,
            figure(row.ours, row.unit),
            figure(row.theirs, row.unit)
        );
    }
}

/// Formats whole numbers as such, others with two decimal places.
fn figure(value: f64, unit: &str) -> String {
    if value.fract() == 0.0 { format!("{value} {unit}") } else { format!("{value:.2} {unit}") }
}
