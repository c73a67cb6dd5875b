//! The one binary: a small program that carries the bundle and unpacks it at its first start.

use super::Build;
use super::go_build::{C, Compile, Modules};
use crate::dir;
use crate::step::Step;
use crate::tree_path::TreePath;
use crate::upstream::probe::EmbedMethod;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// The step that compiles the wrapper's packages around an empty bundle, while the bundle is still in
/// the making: what it leaves is Go's build cache.
pub fn packages_step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let compile = compile(build, "wrapper")?;
    Ok(Step {
        name: "wrapper",
        recipe: &[include_str!("binary.rs"), include_str!("go_build.rs")],
        needs: vec!["tree"],
        inputs: compile.lines(build),
        run: Box::new(move |directory, outputs| {
            let scratch = tempfile::tempdir_in(directory)?;
            make(
                build,
                &compile,
                &super::source_tree::of(outputs)?,
                None,
                &scratch.path().join("tree"),
                &directory.join("wrapper"),
            )
        }),
    })
}

/// The step that makes the finished binary.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let compile = compile(build, "binary")?;
    Ok(Step {
        name: "binary",
        recipe: &[include_str!("binary.rs"), include_str!("go_build.rs")],
        needs: vec!["bundle", "tree", "wrapper"],
        inputs: compile.lines(build),
        run: Box::new(move |directory, outputs| {
            let scratch = tempfile::tempdir_in(directory)?;
            let bundle = outputs.of("bundle")?;
            let output = directory.join(build.target.k3s_binary());
            make(
                build,
                &compile,
                &super::source_tree::of(outputs)?,
                Some(bundle),
                &scratch.path().join("tree"),
                &output,
            )
        }),
    })
}

/// How `cmd/k3s` is compiled.
pub fn compile(build: &Build, step: &'static str) -> Result<Compile> {
    let recipe = build.facts.recipe.build(&format!("artifacts/{}", build.target.k3s_binary()))?;
    Compile::like_upstream(build, step, recipe, C::None)
}

/// Compiles `cmd/k3s` in a copy of the tree that holds the bundle, and no other: the wrapper takes the
/// first it finds.
fn make(
    build: &Build,
    compile: &Compile,
    tree: &Path,
    bundle: Option<&Path>,
    copy: &Path,
    output: &Path,
) -> Result<()> {
    dir::copy(tree, copy)?;
    let data = TreePath::parse(match build.facts.embed_method {
        EmbedMethod::GoEmbed => "pkg/data/embed",
        EmbedMethod::GoBindata => "build/data",
    })?
    .directory_below(copy)?;
    match bundle {
        Some(bundle) => {
            let archive = archive_in(bundle)?;
            fs::copy(&archive, data.join(archive.file_name().context("a bundle has a name")?))?;
        }
        None if build.facts.embed_method == EmbedMethod::GoBindata => {
            fs::write(data.join("empty.tar.zst"), "")?
        }
        None => {}
    }
    if build.facts.embed_method == EmbedMethod::GoBindata {
        super::source_tree::generate(build, copy)?;
    }
    compile.run(build, copy, &Modules::ReadOnly, output, None)
}

/// The tarball in the bundle step's directory.
pub fn archive_in(bundle: &Path) -> Result<std::path::PathBuf> {
    for entry in fs::read_dir(bundle)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "zst") {
            return Ok(path);
        }
    }
    anyhow::bail!("{} holds no bundle", bundle.display())
}
