//! zig, the C cross compiler: exactly the pinned version, since another one compiles other bytes.

use super::wheel::Wheel;
use crate::context::Context;
use crate::process::{self, Program};
use anyhow::{Context as _, Result};
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
        let pin = &context.pins.zig;
        let wheel = Wheel { name: "zig", package: "ziglang", pin, program: Path::new("ziglang/zig") };
        let program = wheel.get(context).with_context(|| {
            format!(
                "cannot get zig {}\n  Or put zig of exactly this version on the search path.",
                pin.version
            )
        })?;
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
