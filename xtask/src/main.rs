//! `cargo xtask`: see [`xtask`] for the way of the data and [`xtask::cli`] for the commands.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let result = if arguments.peek().is_some_and(|first| first == xtask::process::GUARD) {
        xtask::process::guard(arguments.skip(1).collect())
    } else {
        xtask::cli::Cli::parse().run().map(|()| ExitCode::SUCCESS)
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {}", xtask::error::story(&error));
        ExitCode::FAILURE
    })
}
