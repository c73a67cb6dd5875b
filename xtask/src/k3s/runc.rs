//! runc, with seccomp, compiled in its own module.

use super::go_build::{C, Compile, Flags, Modules};
use super::{Build, seccomp};
use crate::step::Step;
use anyhow::Result;
use fs_err as fs;
use std::path::Path;

/// The step's name.
pub const STEP: &str = "runc";

/// The program in the step's result.
pub const PROGRAM: &str = "runc";

/// Returns the build of runc, without the flag that sets its version.
pub fn compile(build: &Build) -> Result<Compile> {
    composed(build, LDFLAGS)
}

/// Returns the step that compiles it.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let module = &build.facts.runc;
    let compile = compile(build)?;
    let mut inputs = build.module_inputs(module);
    inputs.extend(compile.lines(build));
    let mut step = Step::of_commands(STEP, inputs);
    let sysroot = step.need(seccomp::STEP);
    Ok(step.work(move |directory, results| {
        let tree = build.module_directory(module)?;
        let compile = match version_flag(&tree)? {
            Some(flag) => composed(build, &format!("{flag} {LDFLAGS}"))?,
            None => compile.clone(),
        };
        compile.run(build, &tree, &Modules::ReadOnly, &directory.join(PROGRAM), Some(results.of(sysroot)))
    }))
}

fn composed(build: &Build, ldflags: &str) -> Result<Compile> {
    let mut tags: Vec<&str> = build.facts.commands.runc_tags.iter().map(String::as_str).collect();
    // Newer scripts leave seccomp out for riscv64, because older libseccomp headers do not compile
    // there; ours do. `netgo` and `osusergo` are what the `static` target of runc's Makefile adds.
    for tag in ["seccomp", "netgo", "osusergo"] {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Compile::new(build, STEP, &Flags { tags: &tags, ldflags, cflags: "", package: "." }, C::ZigWithSeccomp)
}

/// Stripped as upstream's EXTRA_LDFLAGS say, and static.
const LDFLAGS: &str = "-w -s -extldflags '-static'";

/// Returns the linker flag that sets runc's version, if its Makefile has one; newer runc embeds the file.
fn version_flag(tree: &Path) -> Result<Option<String>> {
    if !fs::read_to_string(tree.join("Makefile"))?.contains("-X main.version=") {
        return Ok(None);
    }
    Ok(Some(format!("-X main.version={}", fs::read_to_string(tree.join("VERSION"))?.trim())))
}
