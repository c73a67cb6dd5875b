//! The shim that stays with each pod, compiled in the module of k3s' containerd fork: inside k3s' own
//! module graph it would meet another go-runc.

use super::Build;
use super::go_build::{C, Compile, Modules};
use crate::step::Step;
use anyhow::Result;

/// The step's name.
pub const STEP: &str = "shim";

/// The program in the step's result.
pub const PROGRAM: &str = "containerd-shim-runc-v2";

/// Returns the build of the shim.
pub fn compile(build: &Build) -> Result<Compile> {
    Compile::like_upstream(build, STEP, build.facts.commands.build(PROGRAM)?, C::Zig)
}

/// Returns the step that compiles it.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let compile = compile(build)?;
    let module = &build.facts.containerd;
    let mut inputs = build.module_inputs(module);
    inputs.extend(compile.lines(build));
    Ok(Step::of_commands(STEP, inputs).work(move |directory, _| {
        let tree = build.module_directory(module)?;
        compile.run(build, &tree, &Modules::ReadOnly, &directory.join(PROGRAM), None)
    }))
}
