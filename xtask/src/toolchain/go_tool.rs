//! Programs in Go that we run: the version that the pins name, compiled from its module by any Go.

use super::go;
use super::tool_directory::ToolDirectory;
use crate::context::Context;
use crate::pins::GoToolPin;
use crate::process::Program;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use xshell::cmd;

/// The path of the program of this name, which is compiled on first use.
pub fn program(context: &Context, name: &str, pin: &GoToolPin) -> Result<PathBuf> {
    let directory = ToolDirectory { name, version: &pin.version };
    let package = format!("{}@{}", pin.package, pin.version);
    let files = directory.get(context, |files| {
        install(context, name, &package, files).with_context(|| format!("cannot get {name} {}", pin.version))
    })?;
    Ok(files.join(name))
}

/// Go takes the module from where it takes all of the user's modules, and the checksum database vouches
/// for it. Being a tool and no part of a product, it is compiled as the user's settings say, but for this
/// machine.
fn install(context: &Context, name: &str, package: &str, folder: &Path) -> Result<()> {
    let go = go::program(context)?;
    let shell = context.shell()?;
    Program::new(context, cmd!(shell, "{go} install {package}"))
        .inherit("GO", &["GOOS", "GOARCH", "GOFLAGS", "GOWORK"])
        .env("GOBIN", folder)
        // What the module is too new for, Go fetches a newer self for (go.dev/doc/toolchain).
        .env("GOTOOLCHAIN", "auto")
        .dir(&context.cache)
        .log(name)
        .run()?;
    Ok(())
}
