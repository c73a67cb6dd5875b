//! Linters of GitHub workflows: actionlint for their syntax, zizmor for their security.

use super::go_tool;
use super::wheel::Wheel;
use crate::context::Context;
use crate::process::{Command, cmd};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// Returns the path of zizmor, which is fetched on first use.
pub fn zizmor(context: &Context) -> Result<PathBuf> {
    let pin = &context.pins.zizmor;
    let program = format!("zizmor-{}.data/scripts/zizmor", pin.version);
    let wheel = Wheel { name: "zizmor", package: "zizmor", pin, program: Path::new(&program) };
    wheel.get(context).with_context(|| format!("cannot get zizmor {}", pin.version))
}

/// Begins actionlint on these files. It passes their `run` lines to the shellcheck on the search path.
pub fn by_actionlint<'a>(context: &'a Context, workflows: &[PathBuf]) -> Result<Command<'a>> {
    let actionlint = go_tool::actionlint(context)?;
    Ok(cmd!(context, "{actionlint} -shellcheck=shellcheck -pyflakes= {workflows...}"))
}

/// Begins zizmor on these files, at its strictest and without asking GitHub.
pub fn by_zizmor<'a>(context: &'a Context, workflows: &[PathBuf]) -> Result<Command<'a>> {
    let zizmor = zizmor(context)?;
    let configuration = context.root.join(".github/zizmor.yml");
    let options = ["--offline", "--pedantic", "--no-progress", "--strict-collection", "--config"];
    Ok(cmd!(context, "{zizmor} {options...} {configuration} {workflows...}"))
}
