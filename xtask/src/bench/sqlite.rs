//! SQLite's inserts under user emulation, in turns: compiled by our C flags, and by upstream's own.

use super::Row;
use crate::k3s::Build;
use crate::k3s::compile::{C, Compile, Flags, Modules};
use crate::process::Program;
use crate::toolchain::qemu;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::{Path, PathBuf};
use xshell::cmd;

/// How many pairs of runs there are.
const PAIRS: usize = 5;

const PROGRAM: &str = include_str!("sqlite/insert.go");

/// Compiles the program into a new folder, as the build compiles its server and with the SQLite that is in it.
pub fn compile(build: &Build, tree: &Path, folder: &Path) -> Result<PathBuf> {
    fs::create_dir(folder)?;
    // k3s' own choice of modules, without its packages.
    for name in ["go.mod", "go.sum"] {
        fs::copy(tree.join(name), folder.join(name))?;
    }
    fs::write(folder.join("insert.go"), PROGRAM)?;
    let flags = Flags {
        tags: &["netcgo", "osusergo"],
        ldflags: "-w -s -extldflags '-static'",
        cflags: &build.facts.recipe.build("bin/k3s")?.cgo_cflags,
        package: ".",
    };
    let program = folder.join("insert");
    Compile::new(build, "bench", &flags, C::Zig)?
        .run(build, folder, &Modules::ReadOnly, &program, None)
        .context("compiling SQLite and what inserts into it")?;
    Ok(program)
}

/// Runs the two in turns.
pub fn compare(build: &Build, ours: &Path, theirs: &Path) -> Result<Vec<Row>> {
    let emulator = &qemu::require(build.target)?;
    let seconds = |program: &Path| -> Result<f64> {
        let shell = build.context.shell()?;
        let run = Program::new(build.context, cmd!(shell, "{emulator} {program}"));
        // The database lies beside the program, where both have the same disk below them.
        let folder = program.parent().context("a program lies in a folder")?;
        let told = run.env("TMPDIR", folder).read()?;
        told.parse().with_context(|| format!("{} tells {told:?}, which is no time", program.display()))
    };
    let pairs = super::in_turns(PAIRS, || seconds(ours), || seconds(theirs))?;
    Ok(super::rows("SQLite inserts under qemu-user", "s", &pairs))
}
