//! The pause program beside the one in C that people compile by hand: static, against glibc, for size,
//! stripped.

use super::Row;
use crate::context::Context;
use crate::image::{Compression, PauseImage, docker_archive};
use crate::process::{self, cmd};
use crate::reference::Reference;
use crate::target::{TARGETS, Target};
use crate::toolchain::qemu;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longer than any of these programs takes to its waiting call, many times over.
const SETTLED: Duration = Duration::from_secs(3);

/// Compiles both for every architecture and compares files, images and instructions.
pub fn run(context: &Context) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for target in &TARGETS {
        let compiler = format!("{}-gcc", target.gnu);
        if process::find(&compiler).is_none() {
            context.progress.print(format!("not measured: {}, for want of {compiler}", target.go));
            continue;
        }
        let ours = crate::pause::build(context, target)?;
        let theirs = compile_c(context, target, scratch.path())?;
        rows.push(row(format!("{}: program", target.go), size(&ours)?, size(&theirs)?, "bytes"));
        rows.push(row(
            format!("{}: image archive", target.go),
            archive(target, &ours)?,
            archive(target, &theirs)?,
            "bytes",
        ));
        let (ours, theirs) = (instructions(context, target, &ours)?, instructions(context, target, &theirs)?);
        rows.push(row(format!("{}: instructions until it waits", target.go), ours, theirs, ""));
    }
    ensure!(
        !rows.is_empty(),
        "there is no C compiler to compare with\n  cargo xtask doctor --fix --for bench"
    );
    super::print("Rust", "C", &rows);
    Ok(())
}

fn row(what: String, ours: f64, theirs: f64, unit: &'static str) -> Row {
    Row { what, ours, theirs, unit }
}

fn compile_c(context: &Context, target: &Target, directory: &Path) -> Result<PathBuf> {
    let compiler = format!("{}-gcc", target.gnu);
    let output = directory.join(format!("pause-{}", target.go));
    let source = context.root.join("pause/reference/pause.c");
    cmd!(context, "{compiler} -Os -static -s -DVERSION=reference -o {output} {source}").run()?;
    Ok(output)
}

#[expect(clippy::cast_precision_loss, reason = "sizes of small files")]
fn size(file: &Path) -> Result<f64> {
    Ok(fs::metadata(file)?.len() as f64)
}

#[expect(clippy::cast_precision_loss, reason = "sizes of small files")]
fn archive(target: &'static Target, program: &Path) -> Result<f64> {
    let image = PauseImage::new(target, fs::read(program)?, "bench")?;
    let name = Reference::parse("bench/pause:1")?;
    Ok(docker_archive::archive(&image, &[name], Compression::None)?.len() as f64)
}

/// Instructions of the emulated program up to its waiting system call: qemu's user emulation logs each
/// one when it neither joins nor chains them.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn instructions(context: &Context, target: &Target, program: &Path) -> Result<f64> {
    let emulator = qemu::require(target)?;
    let log = tempfile::NamedTempFile::new()?;
    let path = log.path();
    // Newer qemu has renamed -singlestep.
    let help = cmd!(context, "{emulator} -h").read().unwrap_or_default();
    let one = if help.contains("one-insn-per-tb") { "-one-insn-per-tb" } else { "-singlestep" };
    let traced = cmd!(context, "{emulator} {one} -d exec,nochain,strace -D {path} {program}");
    // By then it has long been waiting, and nothing more is logged.
    traced.watch("a line that never comes", SETTLED)?;
    let text = fs::read_to_string(path)?;
    let count = text.lines().filter(|line| line.starts_with("Trace ")).count();
    (count > 0).then_some(count as f64).context("qemu logged no instruction")
}
