//! One file for each command of the command line.

pub mod arch_args;
pub mod bench;
pub mod boot;
pub mod build;
pub mod bump;
pub mod cache;
pub mod doctor;
pub mod images;
pub mod patch;
pub mod pause;
pub mod release;
pub mod rpm;
pub mod source_args;
pub mod test;
pub mod verify;
pub mod watch;

use crate::context::Context;
use crate::process::{Command, cmd};
use crate::toolchain::lint;
use anyhow::Result;
use std::path::Path;

/// Returns a cargo command with the user's environment.
pub fn cargo<'a>(context: &'a Context, arguments: &str) -> Command<'a> {
    let arguments = arguments.split(' ');
    of_user(cmd!(context, "cargo {arguments...}"))
}

/// Returns a command of cargo-deny with a configuration and the user's environment.
pub fn cargo_deny<'a>(context: &'a Context, config: &Path, arguments: &str) -> Result<Command<'a>> {
    let (cargo_deny, manifest) = (lint::cargo_deny(context)?, context.root.join("Cargo.toml"));
    let arguments = arguments.split(' ');
    Ok(of_user(cmd!(context, "{cargo_deny} --manifest-path {manifest} --config {config} {arguments...}")))
}

/// Gives a command the user's environment.
fn of_user(command: Command<'_>) -> Command<'_> {
    // `cargo xtask` has set variables of our own package. Build scripts that depend on them would run again, and
    // everything that depends on these.
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let ours = names.filter(|name| {
        name == "CARGO" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    });
    let ours: Vec<String> = ours.collect();
    let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
    command.inherit("", &ours)
}
