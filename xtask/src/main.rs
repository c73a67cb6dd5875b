//! `cargo xtask`: see [`xtask`] for the way of the data and [`xtask::cli`] for the commands.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let result = match arguments.split_first() {
        Some((first, rest)) if first == xtask::process::GUARD => xtask::process::guard(rest),
        Some((first, rest)) if first == xtask::k3s::bundle::PACK => {
            xtask::k3s::bundle::pack(rest).map(|()| ExitCode::SUCCESS)
        }
        _ => xtask::cli::Cli::parse().run().map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {}", xtask::error::story(&error));
        ExitCode::FAILURE
    })
}
