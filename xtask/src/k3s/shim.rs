//! The shim that stays with each pod, compiled in the module of k3s' containerd fork: inside k3s' own
//! module graph it would meet another go-runc.

use super::Build;
use super::go_build::{C, Compile, Modules};
use crate::step::Step;
use anyhow::Result;

const NAME: &str = "containerd-shim-runc-v2";

/// How the shim is compiled.
pub fn compile(build: &Build) -> Result<Compile> {
    Compile::like_upstream(build, "shim", build.facts.recipe.build(NAME)?, C::Zig)
}

/// The step that compiles it.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let compile = compile(build)?;
    let module = &build.facts.containerd;
    let mut inputs = build.module_inputs(module);
    inputs.extend(compile.lines(build));
    Ok(Step {
        name: "shim",
        recipe: &[include_str!("shim.rs"), include_str!("go_build.rs")],
        needs: vec![],
        inputs,
        run: Box::new(move |directory, _| {
            let tree = build.module_directory(module)?;
            compile.run(build, &tree, &Modules::ReadOnly, &directory.join(NAME), None)
        }),
    })
}
