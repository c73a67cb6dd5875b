//! Measurements in pairs, with the ratio: `cargo xtask bench`.

mod build;
mod pause;

use anyhow::{Result, bail};
use build::Measured;
use std::process::ExitCode;
use xtask::context::{Context, Network};

fn main() -> ExitCode {
    measure().map_or_else(
        |error| {
            eprintln!("error: {}", xtask::error::chain(&error));
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn measure() -> Result<()> {
    // cargo adds --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let mut context = Context::new(None, Network::Allowed)?;
    context.guard = env!("CARGO_BIN_EXE_xtask").into();
    match arguments.split_first() {
        Some((name, _)) if name == "pause" => pause::run(&context),
        Some((name, options)) if name == "build" => build::run(&context, Measured::Build, options),
        Some((name, options)) if name == "images" => build::run(&context, Measured::Images, options),
        _ => bail!("measures pause, build or images"),
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
