//! Compares pause with the same program in C, static against glibc, optimized for size and stripped.

use super::Row;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask::context::Context;
use xtask::image::{Compression, PauseImage, docker_archive};
use xtask::process::{self, cmd};
use xtask::reference::Reference;
use xtask::target::{TARGETS, Target};
use xtask::toolchain::qemu;

/// Many times longer than any of these programs takes until it waits for signals.
const STARTUP: Duration = Duration::from_secs(3);

/// Compiles both for every architecture, and compares files, images and instructions.
pub fn run(context: &Context) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for target in &TARGETS {
        let compiler = format!("{}-linux-gnu-gcc", target.rpm);
        if process::find(&compiler).is_none() {
            context.progress.print(format!("not measured: {}, since {compiler} is missing", target.go));
            continue;
        }
        let ours = xtask::pause::build(context, target)?;
        let theirs = compile_c(context, target, scratch.path())?;
        let mut row = |name: &str, unit, measure: &dyn Fn(&Path) -> Result<usize>| -> Result<()> {
            let name = format!("{}: {name}", target.go);
            let figures = [measure(&ours)?, measure(&theirs)?];
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let [ours, theirs] = figures.map(|figure| figure as f64);
            rows.push(Row { name, ours, theirs, unit });
            Ok(())
        };
        row("executable", "bytes", &|executable| Ok(fs::read(executable)?.len()))?;
        row("image archive", "bytes", &|executable| archive_size(target, executable))?;
        row("instructions until it waits", "", &|executable| instructions(context, target, executable))?;
    }
    ensure!(
        !rows.is_empty(),
        "there is no C compiler to compare with\n  cargo xtask doctor --fix --for bench"
    );
    super::print("Rust", "C", &rows);
    Ok(())
}

fn compile_c(context: &Context, target: &Target, directory: &Path) -> Result<PathBuf> {
    let compiler = format!("{}-linux-gnu-gcc", target.rpm);
    let output = directory.join(format!("pause-{}", target.go));
    let source = context.root.join("pause/reference/pause.c");
    cmd!(context, "{compiler} -Os -static -s -DVERSION=reference -o {output} {source}").run()?;
    Ok(output)
}

fn archive_size(target: &'static Target, executable: &Path) -> Result<usize> {
    let image = PauseImage::new(target, fs::read(executable)?, "bench")?;
    let name = Reference::parse("bench/pause:1")?;
    Ok(docker_archive::archive(&image, &[name], Compression::None)?.len())
}

/// Returns the number of instructions until the program waits for signals. qemu's user emulation logs each one if it
/// neither joins nor chains them.
fn instructions(context: &Context, target: &Target, executable: &Path) -> Result<usize> {
    let emulator = qemu::require(target)?;
    let log = tempfile::NamedTempFile::new()?;
    let path = log.path();
    // Newer qemu has renamed -singlestep.
    let help = cmd!(context, "{emulator} -h").read().unwrap_or_default();
    let one = if help.contains("one-insn-per-tb") { "-one-insn-per-tb" } else { "-singlestep" };
    let traced = cmd!(context, "{emulator} {one} -d exec,nochain,strace -D {path} {executable}");
    // The program logs nothing while it waits.
    traced.watch("a line that never comes", STARTUP)?;
    let text = fs::read_to_string(path)?;
    let count = text.lines().filter(|line| line.starts_with("Trace ")).count();
    (count > 0).then_some(count).context("qemu logged no instruction")
}
