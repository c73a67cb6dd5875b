//! The server: kubelet, API server, containerd and all else in one program.

use super::go_build::{C, Compile, Modules};
use super::{Build, seccomp, source_tree};
use crate::step::Step;
use anyhow::Result;

/// The step's name.
pub const STEP: &str = "server";

/// The program in the step's result.
pub const PROGRAM: &str = "k3s";

/// Returns the build of `cmd/server`.
pub fn compile(build: &Build) -> Result<Compile> {
    let c = if build.facts.server_has_seccomp { C::ZigWithSeccomp } else { C::Zig };
    Compile::like_upstream(build, STEP, build.facts.commands.build("bin/k3s")?, c)
}

/// Returns the step that compiles it.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let compile = compile(build)?;
    let mut step = Step::of_commands(STEP, compile.lines(build));
    let tree = step.need(source_tree::STEP);
    let sysroot = build.facts.server_has_seccomp.then(|| step.need(seccomp::STEP));
    Ok(step.work(move |directory, results| {
        let tree = results.of(tree).join(source_tree::TREE);
        let sysroot = sysroot.map(|sysroot| results.of(sysroot));
        compile.run(build, &tree, &Modules::ReadOnly, &directory.join(PROGRAM), sysroot)
    }))
}
