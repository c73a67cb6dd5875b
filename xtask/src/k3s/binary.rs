//! The one binary: a small program that carries the bundle and unpacks it at its first start.

use super::go_build::{C, Compile, Modules};
use super::{Build, bundle, source_tree};
use crate::digest::Digest;
use crate::dir;
use crate::step::Step;
use crate::tree_path::TreePath;
use crate::upstream::layout::EmbedMethod;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// The name of the step that compiles the wrapper's packages.
const WRAPPER: &str = "wrapper";

/// The name of the step that builds the finished binary.
pub const STEP: &str = "binary";

/// Returns the step that compiles the wrapper's packages around an empty bundle, while the bundle is still being built:
/// its actual result is Go's build cache.
pub fn wrapper_step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let compile = compile(build, WRAPPER)?;
    let mut step = Step::of_commands(WRAPPER, compile.lines(build));
    let tree = step.need(source_tree::STEP);
    Ok(step.work(move |directory, results| {
        let tree = results.of(tree).join(source_tree::TREE);
        build_around(build, &compile, &tree, None, &directory.join(WRAPPER))
    }))
}

/// Returns the step that builds the finished binary.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let compile = compile(build, STEP)?;
    let mut step = Step::of_commands(STEP, compile.lines(build));
    let (bundle, tree) = (step.need(bundle::STEP), step.need(source_tree::STEP));
    step.need(WRAPPER);
    Ok(step.work(move |directory, results| {
        let tree = results.of(tree).join(source_tree::TREE);
        let bundle = results.of(bundle).join(bundle::ARCHIVE);
        build_around(build, &compile, &tree, Some(&bundle), &directory.join(build.target.k3s_binary()))
    }))
}

/// Returns the build of `cmd/k3s`.
pub fn compile(build: &Build, step: &'static str) -> Result<Compile> {
    let upstream = build.facts.commands.build(&format!("artifacts/{}", build.target.k3s_binary()))?;
    Compile::like_upstream(build, step, upstream, C::None)
}

/// Compiles `cmd/k3s` in a copy of the tree that contains the bundle, and no other: the wrapper takes the first it
/// finds.
fn build_around(
    build: &Build,
    compile: &Compile,
    tree: &Path,
    bundle: Option<&Path>,
    output: &Path,
) -> Result<()> {
    let scratch = tempfile::tempdir_in(output.parent().context("an output is in a directory")?)?;
    let copy = scratch.path().join("tree");
    dir::copy(tree, &copy)?;
    let (data, placeholder) = match build.facts.embed_method {
        EmbedMethod::GoEmbed => ("pkg/data/embed", None),
        EmbedMethod::GoBindata => ("build/data", Some("empty.tar.zst")),
    };
    let data = TreePath::parse(data)?.directory_below(&copy)?;
    match bundle {
        Some(bundle) => {
            // The wrapper unpacks it to a directory of this name.
            fs::copy(bundle, data.join(format!("{}.tar.zst", Digest::of_file(bundle)?)))?;
        }
        None => placeholder.map_or(Ok(()), |name| fs::write(data.join(name), ""))?,
    }
    match build.facts.embed_method {
        EmbedMethod::GoEmbed => {}
        EmbedMethod::GoBindata => source_tree::generate(build, &copy)?,
    }
    compile.run(build, &copy, &Modules::ReadOnly, output, None)
}
