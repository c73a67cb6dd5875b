//! Tools in Go that we run: the version that the pins name, compiled from its module by any Go.

use super::go::AnyGo;
use super::tool_directory::ToolDirectory;
use crate::context::Context;
use crate::pins::GoToolPin;
use anyhow::{Context as _, Result};
use std::path::PathBuf;

/// Returns the path of crane, which talks to registries; it is compiled on first use.
pub fn crane(context: &Context) -> Result<PathBuf> {
    executable(context, "crane", &context.pins.crane)
}

/// Returns the path of actionlint, which is compiled on first use.
pub fn actionlint(context: &Context) -> Result<PathBuf> {
    executable(context, "actionlint", &context.pins.actionlint)
}

fn executable(context: &Context, name: &str, pin: &GoToolPin) -> Result<PathBuf> {
    let directory = ToolDirectory { name, version: &pin.version };
    let package = format!("{}@{}", pin.package, pin.version);
    let files = directory.get(context, |files| {
        let go = AnyGo::find(context, None).and_then(|go| go.install(context, &package, files));
        go.with_context(|| format!("cannot get {name} {}", pin.version))
    })?;
    Ok(files.join(name))
}
