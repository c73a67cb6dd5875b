//! Rust for the pause program: it needs a compiler, the target's `core`, and a linker, and nothing else.

use super::zig::Zig;
use crate::context::{Context, Network};
use crate::process::{self, Command, cmd};
use crate::target::Target;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// A compiler that has `core` for one target.
#[derive(Clone, Debug)]
pub struct Rust {
    pub program: PathBuf,
    /// `rustc 1.95.0 (59807616e 2026-04-14)`.
    pub version: String,
    /// The target triple whose `core` is there.
    pub triple: &'static str,
    sysroot: PathBuf,
}

impl Rust {
    /// Returns the host's rustc if it has `core` for the target, or can have it from rustup.
    pub fn for_target(context: &Context, target: &Target) -> Result<Rust> {
        let rustc = process::find("rustc").context("there is no rustc here")?;
        if let Some(rust) = Rust::with_core(context, &rustc, target)? {
            return Ok(rust);
        }
        let add = || {
            ensure!(context.network == Network::Allowed, "--offline forbids fetching it by rustup");
            add_by_rustup(context, target)?;
            Rust::with_core(context, &rustc, target)?.context("rustup added nothing")
        };
        add().with_context(|| format!("rustc has no core for {}", target.go))
    }

    /// Begins a `rustc` command.
    pub fn rustc<'a>(&self, context: &'a Context, arguments: &[String]) -> Command<'a> {
        Command::from_argv(context, [&self.program]).args(arguments)
    }

    /// Begins a command of the linker in its GNU form: the toolchain's own lld, else zig's, which is the same linker.
    pub fn linker<'a>(&self, context: &'a Context, arguments: &[String]) -> Result<Command<'a>> {
        let host = read(context, &self.program, &["--print", "host-tuple"])?;
        let lld = self.sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
        if lld.is_file() {
            return Ok(cmd!(context, "{lld} -flavor gnu {arguments...}"));
        }
        let zig = Zig::get(context)
            .context("this Rust has no linker for other machines, and zig's could not be used")?;
        let program = &zig.program;
        Ok(cmd!(context, "{program} ld.lld {arguments...}").envs(zig.environment(None)?))
    }

    fn with_core(context: &Context, rustc: &Path, target: &Target) -> Result<Option<Rust>> {
        for triple in target.rust {
            let directory = read(context, rustc, &["--print", "target-libdir", "--target", triple])?;
            let has_core = fs::read_dir(&directory).is_ok_and(|mut files| {
                files.any(|file| {
                    file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
                })
            });
            if has_core {
                return Ok(Some(Rust {
                    program: rustc.to_owned(),
                    version: read(context, rustc, &["--version"])?,
                    triple,
                    sysroot: read(context, rustc, &["--print", "sysroot"])?.into(),
                }));
            }
        }
        Ok(None)
    }
}

fn add_by_rustup(context: &Context, target: &Target) -> Result<()> {
    let rustup = process::find("rustup").context("there is no rustup")?;
    let triple = target.rust[0];
    let running = context.progress.step("rustup");
    cmd!(context, "{rustup} target add {triple}").inherit("RUSTUP_", &[]).log("rustup").run()?;
    running.done(triple);
    Ok(())
}

fn read(context: &Context, rustc: &Path, arguments: &[&str]) -> Result<String> {
    Command::from_argv(context, [rustc]).args(arguments).read()
}
