//! runc, with seccomp, compiled in its own module.

use super::Build;
use super::go_build::{C, Compile, Flags, Modules};
use crate::step::Step;
use anyhow::Result;
use fs_err as fs;
use std::path::Path;

/// How runc is compiled, but for the flag that tells it its version.
pub fn compile(build: &Build) -> Result<Compile> {
    composed(build, LDFLAGS)
}

/// The step that compiles it.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let module = &build.facts.runc;
    let compile = compile(build)?;
    let mut inputs = build.module_inputs(module);
    inputs.extend(compile.lines(build));
    Ok(Step {
        name: "runc",
        recipe: &[include_str!("runc.rs"), include_str!("go_build.rs")],
        needs: vec!["libseccomp"],
        inputs,
        run: Box::new(move |directory, outputs| {
            let tree = build.module_directory(module)?;
            let compile = match version_flag(&tree)? {
                Some(flag) => composed(build, &format!("{flag} {LDFLAGS}"))?,
                None => compile.clone(),
            };
            compile.run(
                build,
                &tree,
                &Modules::ReadOnly,
                &directory.join("runc"),
                Some(outputs.of("libseccomp")?),
            )
        }),
    })
}

fn composed(build: &Build, ldflags: &str) -> Result<Compile> {
    let mut tags: Vec<&str> = build.facts.recipe.runc_tags.iter().map(String::as_str).collect();
    // Newer scripts leave seccomp out for riscv64, because older libseccomp headers do not compile
    // there; ours do. `netgo` and `osusergo` are what the `static` target of runc's Makefile adds.
    for tag in ["seccomp", "netgo", "osusergo"] {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Compile::new(build, "runc", &Flags { tags: &tags, ldflags, cflags: "", package: "." }, C::ZigWithSeccomp)
}

/// Stripped as upstream's EXTRA_LDFLAGS say, and static.
const LDFLAGS: &str = "-w -s -extldflags '-static'";

/// The flag that tells runc its version, where its Makefile passes one; newer runc embeds the file.
fn version_flag(tree: &Path) -> Result<Option<String>> {
    if !fs::read_to_string(tree.join("Makefile"))?.contains("-X main.version=") {
        return Ok(None);
    }
    Ok(Some(format!("-X main.version={}", fs::read_to_string(tree.join("VERSION"))?.trim())))
}
