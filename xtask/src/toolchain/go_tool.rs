//! Programs in Go that we run: the version that the pins name, compiled from its module by any Go.

use super::go;
use crate::claim::Claim;
use crate::context::{Context, Network};
use crate::pins::GoToolPin;
use crate::process::Program;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::path::{Path, PathBuf};
use xshell::cmd;

/// The path of the program of this name, which is compiled on first use.
pub fn program(context: &Context, name: &str, pin: &GoToolPin) -> Result<PathBuf> {
    let tools = context.tools();
    let done = tools.join(format!("{name}-{}", pin.version));
    let program = done.join(name);
    if program.is_file() {
        return Ok(program);
    }
    if context.network == Network::Forbidden {
        bail!("{name} {} is not in the cache, and --offline forbids fetching it", pin.version);
    }
    let _claim = Claim::on(context, &tools.join(format!("{name}.lock")))?;
    if program.is_file() {
        return Ok(program);
    }
    let making = tools.join(format!("{name}.making"));
    if making.exists() {
        fs::remove_dir_all(&making)?;
    }
    let running = context.progress.step(format!("get {name}"));
    install(context, name, &format!("{}@{}", pin.package, pin.version), &making)
        .with_context(|| format!("cannot get {name} {}", pin.version))?;
    fs::rename(&making, &done)?;
    running.done(&pin.version);
    Ok(program)
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
