//! The server: kubelet, API server, containerd and all else in one program.

use super::Build;
use super::go_build::{C, Compile, Modules};
use crate::step::Step;
use anyhow::Result;

/// How `cmd/server` is compiled.
pub fn compile(build: &Build) -> Result<Compile> {
    let c = if build.facts.server_has_seccomp { C::ZigWithSeccomp } else { C::Zig };
    Compile::like_upstream(build, "server", build.facts.recipe.build("bin/k3s")?, c)
}

/// The step that compiles it.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let compile = compile(build)?;
    Ok(Step {
        name: "server",
        recipe: &[include_str!("server.rs"), include_str!("go_build.rs")],
        needs: if build.facts.server_has_seccomp { vec!["tree", "libseccomp"] } else { vec!["tree"] },
        inputs: compile.lines(build),
        run: Box::new(move |directory, outputs| {
            let sysroot = build.facts.server_has_seccomp.then(|| outputs.of("libseccomp")).transpose()?;
            compile.run(
                build,
                &super::source_tree::of(outputs)?,
                &Modules::ReadOnly,
                &directory.join("k3s"),
                sysroot,
            )
        }),
    })
}
