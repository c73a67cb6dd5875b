//! One compile step by the cross compiler, and the same by Go's own riscv64 compiler under user
//! emulation, which is how a build inside a virtual riscv64 machine does each of its steps.

use super::Row;
use crate::context::Context;
use crate::process::Program;
use crate::target::Target;
use crate::toolchain::go::{AnyGo, Go};
use crate::toolchain::qemu;
use anyhow::{Result, anyhow, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use xshell::cmd;

/// The release whose compiler is measured: the one that builds k3s v1.35.
const GO: &str = "1.25.5";
/// How often each is run; the fastest counts.
const RUNS: usize = 5;

/// Compiles one package of the standard library both ways.
pub fn run(context: &Context) -> Result<()> {
    let any = AnyGo::find(context, None)?;
    let go = any.release(context, GO)?;
    let root = go
        .program
        .ancestors()
        .nth(2)
        .ok_or_else(|| anyhow!("{} has no root", go.program.display()))?
        .to_owned();
    let host = root.join("pkg/tool").join(format!("linux_{}", host_arch()?)).join("compile");
    let emulator = qemu::require(Target::named("riscv64")?)?;
    let sources = sources(&root.join("src/unicode"))?;
    let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
    let scratch = tempfile::tempdir()?;
    let native = native_compiler(context, &go, scratch.path())?;
    let (cross, emulated) = (scratch.path().join("cross.a"), scratch.path().join("emulated.a"));
    for _ in 0..RUNS {
        ours = ours.min(compile(context, &[&host], &sources, &cross)?);
        theirs = theirs.min(compile(context, &[&emulator, &native], &sources, &emulated)?);
    }
    ensure!(
        fs::read(&cross)? == fs::read(&emulated)?,
        "the two compilers made different objects, so they were not doing the same work"
    );
    let what = format!("compile package unicode, fastest of {RUNS}");
    super::print("cross", "emulated", &[Row { what, ours, theirs, unit: "s" }]);
    Ok(())
}

fn host_arch() -> Result<&'static str> {
    Target::host()
        .map(|target| target.go)
        .ok_or_else(|| anyhow!("this host is not in the table of architectures"))
}

/// Go's own compiler as a riscv64 program, compiled by its cross-compiling self.
fn native_compiler(context: &Context, go: &Go, folder: &Path) -> Result<PathBuf> {
    let output = folder.join("compile");
    let arguments = ["build", "-trimpath", "-o", &output.to_string_lossy(), "cmd/compile"].map(str::to_owned);
    let running = context.progress.step("compile compiler");
    go.command(context, &arguments)?
        .env("GOCACHE", context.cache.join("go-build"))
        .env("GOOS", "linux")
        .env("GOARCH", "riscv64")
        .env("CGO_ENABLED", "0")
        .log("bench")
        .run()?;
    running.done("for riscv64");
    Ok(output)
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".go") && !name.ends_with("_test.go") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Seconds that a compiler took.
fn compile(context: &Context, compiler: &[&PathBuf], sources: &[PathBuf], output: &Path) -> Result<f64> {
    let shell = context.shell()?;
    let (program, before) = compiler.split_first().ok_or_else(|| anyhow!("a compiler has a program"))?;
    let command = cmd!(
        shell,
        "{program} {before...} -p unicode -std -complete -pack -trimpath / -o {output} {sources...}"
    );
    let began = Instant::now();
    Program::new(context, command).env("GOARCH", "riscv64").env("GOOS", "linux").run()?;
    Ok(began.elapsed().as_secs_f64())
}
