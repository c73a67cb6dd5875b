//! crane, which speaks with registries for us.

use crate::context::Context;
use crate::toolchain::go_tool;
use anyhow::Result;
use std::path::PathBuf;

/// The path of crane, which is compiled on first use.
pub fn crane(context: &Context) -> Result<PathBuf> {
    go_tool::program(context, "crane", &context.pins.crane)
}
