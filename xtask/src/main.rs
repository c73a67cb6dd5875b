//! `cargo xtask`: see [`xtask`] for the modules and [`xtask::cli`] for the commands.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let result = match arguments.split_first() {
        Some((first, rest)) if first == xtask::process::GUARD => xtask::process::guard(rest),
        Some((first, rest)) if first == xtask::process::SANDBOX => xtask::process::enter_sandbox(rest),
        Some((first, rest)) if first == xtask::archive::PACK => {
            xtask::archive::pack(rest).map(|()| ExitCode::SUCCESS)
        }
        _ => {
            end_with_the_reader();
            xtask::cli::Cli::parse().run().map(|()| ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {}", xtask::error::chain(&error));
        ExitCode::FAILURE
    })
}

/// Lets `cargo xtask … | head` end this process quietly; Rust's runtime would turn the closed pipe into a panic.
fn end_with_the_reader() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: nothing else in this process has set a handler, and the default one runs none of our code.
    let restored = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    debug_assert!(restored.is_ok(), "SIGPIPE may have its default action");
}
