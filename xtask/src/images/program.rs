//! Programs of images, compiled from their Go modules in the module cache, as runc and the shim are.

use super::planned::PlannedProgram;
use crate::digest::Digest;
use crate::dir;
use crate::elf;
use crate::k3s::Build;
use crate::k3s::go_build::Modules;
use crate::step::Step;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// The program in the step's result.
pub const PROGRAM: &str = "program";

/// Returns the step that compiles the program.
pub fn step<'a>(build: &'a Build<'a>, name: &'static str, program: &'a PlannedProgram) -> Step<'a> {
    let module = &program.module;
    let mut inputs = vec![format!("module {} {} {}", module.path, module.version, program.source.sum)];
    inputs.extend(program.added.iter().map(|(path, text)| format!("{path} sha256:{}", Digest::of(text))));
    inputs.extend(program.compile.lines(build));
    Step::of_commands(name, inputs).work(move |directory, _| {
        let output = directory.join(PROGRAM);
        let scratch = tempfile::tempdir_in(directory)?;
        let module = match program.added.is_empty() {
            true => program.source.dir.clone(),
            false => with_added_files(program, scratch.path())?,
        };
        program.compile.run(build, &module, &Modules::ReadOnly, &output, None)?;
        static_for_target(build, &output)
    })
}

/// Copies the module, since Go takes no overlay for files of the module cache, and adds the files.
fn with_added_files(program: &PlannedProgram, scratch: &Path) -> Result<std::path::PathBuf> {
    let copy = scratch.join("module");
    dir::copy(&program.source.dir, &copy)?;
    for (path, text) in &program.added {
        fs::write(path.room_below(&copy)?, text)?;
    }
    Ok(copy)
}

/// Checks that the program needs nothing else of its image.
fn static_for_target(build: &Build, program: &Path) -> Result<()> {
    let cache = object::ReadCache::new(fs::File::open(program)?);
    elf::check(&cache, build.target.elf_machine).with_context(|| format!("checking {}", program.display()))
}
