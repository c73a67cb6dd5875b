//! crane, which speaks with registries for us: the version that the pins name, compiled by any Go.

use crate::claim::Claim;
use crate::context::{Context, Network};
use crate::process::Program;
use crate::toolchain::go;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::path::{Path, PathBuf};
use xshell::cmd;

/// The path of crane, which is compiled on first use.
pub fn crane(context: &Context) -> Result<PathBuf> {
    let pin = &context.pins.crane;
    let tools = context.cache.join("tools");
    let done = tools.join(format!("crane-{}", pin.version));
    let program = done.join("crane");
    if program.is_file() {
        return Ok(program);
    }
    if context.network == Network::Forbidden {
        bail!("crane {} is not in the cache, and --offline forbids fetching it", pin.version);
    }
    let _claim = Claim::on(context, &tools.join("crane.lock"))?;
    if program.is_file() {
        return Ok(program);
    }
    let making = tools.join("crane.making");
    if making.exists() {
        fs::remove_dir_all(&making)?;
    }
    let running = context.progress.step("get crane");
    install(context, &format!("{}@{}", pin.package, pin.version), &making)
        .with_context(|| format!("cannot get crane {}, which does the pushing", pin.version))?;
    fs::rename(&making, &done)?;
    running.done(&pin.version);
    Ok(program)
}

/// Go takes the module from where it takes all of the user's modules, and the checksum database vouches
/// for it. Being a tool and no part of a product, it is compiled as the user's settings say, but for this
/// machine.
fn install(context: &Context, package: &str, folder: &Path) -> Result<()> {
    let go = go::program(context)?;
    let shell = context.shell()?;
    Program::new(context, cmd!(shell, "{go} install {package}"))
        .inherit("GO", &["GOOS", "GOARCH", "GOFLAGS", "GOWORK"])
        .env("GOBIN", folder)
        // What the module is too new for, Go fetches a newer self for (go.dev/doc/toolchain).
        .env("GOTOOLCHAIN", "auto")
        .dir(&context.cache)
        .log("crane")
        .run()?;
    Ok(())
}
