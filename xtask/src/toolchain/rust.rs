//! Rust for the pause program: it needs a compiler, the target's `core`, and a linker, and nothing else.

use super::debian;
use super::zig::Zig;
use crate::context::{Context, Network};
use crate::process::{self, Command, cmd};
use crate::target::Target;
use anyhow::{Context as _, Result, anyhow};
use fs_err as fs;
use std::path::PathBuf;

/// A compiler that has `core` for one target.
#[derive(Clone, Debug)]
pub struct Rust {
    /// `rustc`, preceded by its own loader where it needs one.
    command: Vec<PathBuf>,
    /// `rustc 1.95.0 (59807616e 2026-04-14)`.
    pub version: String,
    /// The target triple whose `core` is there.
    pub triple: &'static str,
    sysroot: PathBuf,
}

impl Rust {
    /// Returns the host's rustc if it has `core` for the target, or can have it from rustup; else Debian's.
    pub fn for_target(context: &Context, target: &Target) -> Result<Rust> {
        let Some(rustc) = process::find("rustc") else {
            return Rust::of_debian(context, target).context("there is no rustc here");
        };
        let command = vec![rustc];
        if let Some(rust) = Rust::with_core(context, &command, target)? {
            return Ok(rust);
        }
        let why = if context.network == Network::Forbidden {
            "--offline forbids fetching it by rustup".to_owned()
        } else {
            let added = add_by_rustup(context, target);
            if let (Ok(()), Some(rust)) = (&added, Rust::with_core(context, &command, target)?) {
                return Ok(rust);
            }
            added.err().map_or_else(|| "rustup added nothing".to_owned(), |error| format!("{error:#}"))
        };
        Rust::of_debian(context, target)
            .with_context(|| format!("rustc has no core for {}: {why}", target.go))
    }

    /// Begins a `rustc` command.
    pub fn rustc<'a>(&self, context: &'a Context, arguments: &[String]) -> Command<'a> {
        Command::from_argv(context, &self.command).args(arguments)
    }

    /// Begins a command of clippy, which takes rustc's arguments.
    pub fn clippy<'a>(&self, context: &'a Context, arguments: &[String]) -> Command<'a> {
        let mut command = self.command.clone();
        if let Some(program) = command.last_mut() {
            program.set_file_name("clippy-driver");
        }
        Command::from_argv(context, command).args(arguments)
    }

    /// Begins a command of the linker in its GNU form: the toolchain's own lld, else zig's, which is the same linker.
    pub fn linker<'a>(&self, context: &'a Context, arguments: &[String]) -> Result<Command<'a>> {
        let host = read(context, &self.command, &["--print", "host-tuple"])?;
        let lld = self.sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
        if lld.is_file() {
            return Ok(cmd!(context, "{lld} -flavor gnu {arguments...}"));
        }
        let zig = Zig::get(context)
            .context("this Rust has no linker for other machines, and zig's could not be used")?;
        let program = &zig.program;
        Ok(cmd!(context, "{program} ld.lld {arguments...}").envs(zig.environment()?))
    }

    fn with_core(context: &Context, command: &[PathBuf], target: &Target) -> Result<Option<Rust>> {
        for triple in target.rust {
            let directory = read(context, command, &["--print", "target-libdir", "--target", triple])?;
            let has_core = fs::read_dir(&directory).is_ok_and(|mut files| {
                files.any(|file| {
                    file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
                })
            });
            if has_core {
                return Ok(Some(Rust {
                    command: command.to_vec(),
                    version: read(context, command, &["--version"])?,
                    triple,
                    sysroot: read(context, command, &["--print", "sysroot"])?.into(),
                }));
            }
        }
        Ok(None)
    }

    /// Debian's rustc with `core` for the target, and clippy beside it.
    fn of_debian(context: &Context, target: &Target) -> Result<Rust> {
        let library = format!("libstd-rust-dev:{}", target.debian);
        let mut architectures = vec![debian::host()?.debian];
        if target.debian != architectures[0] {
            architectures.push(target.debian);
        }
        let packages = ["rustc", "rust-clippy", &library];
        let directory = debian::unpacked(context, &format!("rust-{}", target.go), &architectures, &packages)?;
        let command = debian::command(&directory, "rustc")?;
        Rust::with_core(context, &command, target)?
            .ok_or_else(|| anyhow!("Debian's Rust in {} has no core for {}", directory.display(), target.go))
    }
}

fn add_by_rustup(context: &Context, target: &Target) -> Result<()> {
    let rustup = process::find("rustup").ok_or_else(|| anyhow!("there is no rustup"))?;
    let triple = target.rust[0];
    let running = context.progress.step("rustup");
    cmd!(context, "{rustup} target add {triple}").inherit("RUSTUP_", &[]).log("rustup").run()?;
    running.done(triple);
    Ok(())
}

fn read(context: &Context, command: &[PathBuf], arguments: &[&str]) -> Result<String> {
    Command::from_argv(context, command).args(arguments).read()
}
