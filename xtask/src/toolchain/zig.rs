//! zig, the C cross compiler: exactly the pinned version, since another one compiles other bytes.

use super::wheel::Wheel;
use crate::alias::Alias;
use crate::context::Context;
use crate::process::{self, cmd};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A zig that has been found or fetched.
#[derive(Clone, Debug)]
pub struct Zig {
    pub program: PathBuf,
    directories: Option<Arc<Directories>>,
}

/// Directories under paths that zig and its callers can use.
#[derive(Debug)]
struct Directories {
    /// The directory of the program, which is in a search path.
    program: Alias,
    /// The directory of the C libraries that zig has compiled.
    cache: Alias,
    /// The directory of temporary files.
    temporary: Alias,
}

/// Flags for every C file: optimised, without debug information and without the run-time checks that
/// `zig cc` adds by default, which Go's linker has no library for.
pub const CFLAGS: &str = "-O2 -g0 -fno-sanitize=undefined";

impl Zig {
    /// Returns the pinned zig: the one on the search path, else the Python package `ziglang`, unpacked into
    /// the cache and never installed.
    pub fn get(context: &Context) -> Result<Zig> {
        if let Some(program) = process::find("zig") {
            let found = cmd!(context, "{program} version").read().unwrap_or_default();
            if found == context.pins.zig.version {
                return Zig::at(context, program);
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
        Zig::at(context, program)
    }

    fn at(context: &Context, program: PathBuf) -> Result<Zig> {
        let directory = program.parent().context("a program is in a directory")?;
        let cache = context.cache.join("zig");
        // zig cannot use a link to a missing directory.
        fs::create_dir_all(&cache)?;
        let directories = Directories {
            program: Alias::of(directory)?,
            cache: Alias::of(&cache)?,
            temporary: Alias::of(&tempfile::env::temp_dir())?,
        };
        Ok(Zig { program, directories: Some(Arc::new(directories)) })
    }

    /// Returns a placeholder for a zig that could not be fetched, so that the rest of a build can still be planned.
    pub fn absent() -> Zig {
        Zig { program: PathBuf::new(), directories: None }
    }

    /// Returns the environment of a program that calls zig: zig's directory is the first of the search path, or follows
    /// another one, so that `CC=zig cc …` names no path of this machine, and its caches are ours.
    pub fn environment(&self, first: Option<&Path>) -> Result<Vec<(&'static str, OsString)>> {
        let directories = self.directories.as_deref().context("zig was not fetched")?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let search = first.into_iter().chain([directories.program.path()]).map(Path::to_owned);
        let path = std::env::join_paths(search.chain(std::env::split_paths(&path)))?;
        let cache = directories.cache.path();
        Ok(vec![
            ("PATH", path),
            ("ZIG_GLOBAL_CACHE_DIR", cache.into()),
            ("ZIG_LOCAL_CACHE_DIR", cache.into()),
            ("TMPDIR", directories.temporary.path().into()),
        ])
    }
}
