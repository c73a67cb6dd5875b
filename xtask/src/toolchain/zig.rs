//! zig, the C cross compiler: exactly the pinned version, since another one compiles other bytes.

use super::python::Python;
use crate::claim::Claim;
use crate::context::{Context, Network};
use crate::process::{self, Program};
use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use xshell::cmd;

/// A zig that has been found or fetched.
#[derive(Clone, Debug)]
pub struct Zig {
    pub program: PathBuf,
    /// Where zig keeps the C libraries it has compiled.
    cache: PathBuf,
}

/// Flags for every C file: optimised, without debug information and without the run-time checks that
/// `zig cc` adds by default, which Go's linker has no library for.
pub const CFLAGS: &str = "-O2 -g0 -fno-sanitize=undefined";

impl Zig {
    /// The pinned zig: the one on the search path, else the Python package `ziglang`, unpacked into
    /// the cache and never installed.
    pub fn get(context: &Context) -> Result<Zig> {
        let cache = context.cache.join("zig");
        if let Some(program) = process::find("zig") {
            let shell = context.shell()?;
            let found = Program::new(context, cmd!(shell, "{program} version")).read().unwrap_or_default();
            if found == context.pins.zig.version {
                return Ok(Zig { program, cache });
            }
        }
        let folder = context.cache.join("tools").join(format!("zig-{}", context.pins.zig.version));
        let program = folder.join("ziglang/zig");
        if !program.is_file() {
            unpack_wheel(context, &folder).with_context(|| {
                format!(
                    "cannot get zig {}\n  Or put zig of exactly this version on the search path.",
                    context.pins.zig.version
                )
            })?;
        }
        Ok(Zig { program, cache })
    }

    /// A zig that could not be had, so that the rest of a build can be planned all the same.
    pub fn absent() -> Zig {
        Zig { program: PathBuf::new(), cache: PathBuf::new() }
    }

    /// The search path with zig's folder first, so that `CC=zig cc …` names no path of this machine.
    pub fn search_path(&self) -> std::ffi::OsString {
        let folder = self.program.parent().map(PathBuf::from).unwrap_or_default();
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(folder).chain(std::env::split_paths(&rest));
        std::env::join_paths(folders).unwrap_or(rest)
    }

    /// The environment zig needs wherever it is called from.
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("ZIG_GLOBAL_CACHE_DIR", self.cache.clone()), ("ZIG_LOCAL_CACHE_DIR", self.cache.clone())]
    }
}

/// Fetches the wheel with the user's pip settings, verified by the pinned sum, and unpacks it.
fn unpack_wheel(context: &Context, folder: &Path) -> Result<()> {
    let pin = &context.pins.zig;
    let sum = pin.wheels.get(std::env::consts::ARCH).ok_or_else(|| {
        anyhow!("no package of zig is pinned for {} hosts (xtask/pins.json)", std::env::consts::ARCH)
    })?;
    if context.network == Network::Forbidden {
        bail!("zig {} is not in the cache, and --offline forbids fetching it", pin.version);
    }
    let parent = folder.parent().context("the tools have a folder")?;
    let _claim = Claim::on(context, &parent.join("zig.lock"))?;
    if folder.is_dir() {
        return Ok(());
    }
    let python = Python::with_pip(context)?;
    let running = context.progress.step("fetch zig");
    fs::create_dir_all(parent)?;
    let scratch = tempfile::tempdir_in(parent)?;
    let requirement = scratch.path().join("zig.txt");
    fs::write(&requirement, format!("ziglang=={} --hash=sha256:{sum}\n", pin.version))?;
    let (download, unpacked) = (scratch.path().join("wheel"), scratch.path().join("unpacked"));
    let pip = "-m pip download --quiet --no-deps --only-binary=:all: --require-hashes".split(' ');
    let pip = pip.map(Path::new).chain([Path::new("-r"), &requirement, Path::new("-d"), &download]);
    python
        .program(context, pip)?
        .inherit("PIP_", &["PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_DEST"])
        .log("zig")
        .run()?;
    let wheel = fs::read_dir(&download)?.next().context("pip downloaded nothing")??.path();
    let zipfile = ["-m", "zipfile", "-e"].map(Path::new).into_iter().chain([&*wheel, &unpacked]);
    python.program(context, zipfile)?.log("zig").run()?;
    fs::set_permissions(unpacked.join("ziglang/zig"), std::fs::Permissions::from_mode(0o755))?;
    fs::rename(&unpacked, folder)?;
    running.done(&pin.version);
    Ok(())
}
