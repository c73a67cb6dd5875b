//! Rust for the pause program: it needs a compiler, the target's `core`, and a linker, and nothing else.

use super::debian::Apt;
use super::zig::Zig;
use crate::context::{Context, Network};
use crate::process::{self, Program};
use crate::target::Target;
use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;
use std::path::{Path, PathBuf};
use xshell::cmd;

/// A compiler that has `core` for one target.
#[derive(Clone, Debug)]
pub struct Rust {
    /// `rustc`, with what has to stand before it where it runs under a loader of its own.
    command: Vec<PathBuf>,
    /// `rustc 1.95.0 (59807616e 2026-04-14)`.
    pub version: String,
    /// The target triple whose `core` is there.
    pub triple: &'static str,
    sysroot: PathBuf,
}

impl Rust {
    /// The host's rustc if it has `core` for the target, or can have it from rustup; else Debian's.
    pub fn for_target(context: &Context, target: &Target) -> Result<Rust> {
        let Some(rustc) = process::find("rustc") else {
            return Rust::of_debian(context, target).context("there is no rustc here");
        };
        let command = vec![rustc];
        if let Some(rust) = Rust::with_core(context, &command, target)? {
            return Ok(rust);
        }
        if context.network == Network::Forbidden {
            bail!("rustc has no core for {}, and --offline forbids fetching it", target.go);
        }
        let added = add_by_rustup(context, target);
        if let (Ok(()), Some(rust)) = (&added, Rust::with_core(context, &command, target)?) {
            return Ok(rust);
        }
        let why = added.err().map_or_else(|| "rustup added nothing".to_owned(), |error| format!("{error:#}"));
        Rust::of_debian(context, target)
            .with_context(|| format!("rustc has no core for {}: {why}", target.go))
    }

    /// Begins a `rustc` command.
    pub fn rustc<'a>(&self, context: &'a Context, arguments: &[String]) -> Result<Program<'a>> {
        rustc(context, &self.command, arguments)
    }

    /// Begins a command of the linker in its GNU form: the toolchain's own lld, else zig's, which is
    /// the same linker.
    pub fn linker<'a>(&self, context: &'a Context, arguments: &[String]) -> Result<Program<'a>> {
        let shell = context.shell()?;
        let host = read(context, &self.command, &["--print", "host-tuple"])?;
        let lld = self.sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
        if lld.is_file() {
            return Ok(Program::new(context, cmd!(shell, "{lld} -flavor gnu {arguments...}")));
        }
        let zig = Zig::get(context)
            .context("this Rust comes without a linker for other machines, and zig would lend its own")?;
        let program = &zig.program;
        Ok(Program::new(context, cmd!(shell, "{program} ld.lld {arguments...}")).envs(zig.environment()))
    }

    fn with_core(context: &Context, command: &[PathBuf], target: &Target) -> Result<Option<Rust>> {
        for triple in target.rust {
            let folder = read(context, command, &["--print", "target-libdir", "--target", triple])?;
            let has_core = fs::read_dir(&folder).is_ok_and(|mut files| {
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

    /// Debian's rustc with `core` for the target, unpacked into the cache and started by its own
    /// loader, so that it runs on an older host.
    fn of_debian(context: &Context, target: &Target) -> Result<Rust> {
        let host = Target::host().ok_or_else(|| anyhow!("no Rust of Debian's is known for this host"))?;
        let folder = context
            .cache
            .join("tools")
            .join(format!("rust-debian-{}-{}", context.pins.debian.suite, target.go));
        if !folder.is_dir() {
            let running = context.progress.step("fetch Rust");
            let apt = Apt::open(context, &[host.debian, target.debian])?;
            let library = format!("libstd-rust-dev:{}", target.debian);
            let packages = apt.packages(&["rustc", &library])?;
            super::debian::unpack(context, &packages, &folder)?;
            running.done(format!("from Debian {}", context.pins.debian.suite));
        }
        let loader = loader_in(&folder)?;
        let libraries = folder.join("usr/lib").join(host.gnu);
        let command = vec![loader, "--library-path".into(), libraries, folder.join("usr/bin/rustc")];
        Rust::with_core(context, &command, target)?
            .ok_or_else(|| anyhow!("Debian's Rust in {} has no core for {}", folder.display(), target.go))
    }
}

/// The dynamic loader of an unpacked Debian system.
fn loader_in(folder: &Path) -> Result<PathBuf> {
    for entry in walkdir::WalkDir::new(folder.join("usr")).max_depth(4).sort_by_file_name() {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("ld-linux-") && entry.file_type().is_file() {
            return Ok(entry.into_path());
        }
    }
    bail!("no dynamic loader lies below {}", folder.display())
}

fn add_by_rustup(context: &Context, target: &Target) -> Result<()> {
    let rustup = process::find("rustup").ok_or_else(|| anyhow!("there is no rustup"))?;
    let triple = target.rust[0];
    let shell = context.shell()?;
    let running = context.progress.step("rustup");
    Program::new(context, cmd!(shell, "{rustup} target add {triple}"))
        .inherit("RUSTUP_", &[])
        .log("rustup")
        .run()?;
    running.done(triple);
    Ok(())
}

fn rustc<'a>(context: &'a Context, command: &[PathBuf], arguments: &[String]) -> Result<Program<'a>> {
    let (program, before) = command.split_first().context("a compiler has a program")?;
    let shell = context.shell()?;
    Ok(Program::new(context, cmd!(shell, "{program} {before...} {arguments...}")))
}

fn read(context: &Context, command: &[PathBuf], arguments: &[&str]) -> Result<String> {
    let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    rustc(context, command, &arguments)?.read()
}
