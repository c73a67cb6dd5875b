//! zizmor, which looks for security problems in GitHub workflows.

use super::wheel::Wheel;
use crate::context::Context;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// Returns the path of zizmor, which is fetched on first use.
pub fn zizmor(context: &Context) -> Result<PathBuf> {
    let pin = &context.pins.zizmor;
    let program = format!("zizmor-{}.data/scripts/zizmor", pin.version);
    let wheel = Wheel { name: "zizmor", package: "zizmor", pin, program: Path::new(&program) };
    wheel.get(context).with_context(|| format!("cannot get zizmor {}", pin.version))
}
