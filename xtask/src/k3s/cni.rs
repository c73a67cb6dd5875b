//! The CNI plugins in one program, with flannel's plugin in the place of their own.

use super::Build;
use super::compile::{C, Compile, Modules};
use crate::step::Step;
use crate::tree;
use crate::upstream::checkout::{self, Commit};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// Where the plugins expect to lie in a GOPATH, whatever repository they come from.
const IMPORT_PATH: &str = "src/github.com/containernetworking/plugins";

/// The step that compiles the plugins, in the GOPATH layout of upstream's script.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let recipe = &build.facts.recipe;
    let compile = Compile::like_upstream(build, "cni", recipe.build("cni")?, C::None)?;
    let plugins = recipe.clone("plugins").context("upstream's scripts/build clones no CNI plugins")?;
    // Up to v1.29 the plugins' own flannel is used.
    let flannel = recipe.clone("cni-plugin");
    let commit_of = |clone: &crate::upstream::script::Clone| {
        let url = clone.url.trim_end_matches(".git");
        checkout::tag(build.context, build.lock, &build.git, url, &clone.tag)
    };
    let plugins = commit_of(plugins)?;
    let flannel = flannel.map(commit_of).transpose()?;
    let mut inputs = vec![format!("plugins {}", plugins.id)];
    inputs.extend(flannel.iter().map(|commit| format!("flannel {}", commit.id)));
    inputs.extend(compile.lines(build));
    Ok(Step {
        name: "cni",
        recipe: &[include_str!("cni.rs"), include_str!("compile.rs")],
        needs: vec![],
        inputs,
        run: Box::new(move |folder, _| {
            let scratch = tempfile::tempdir_in(folder)?;
            let tree = scratch.path().join(IMPORT_PATH);
            lay_out(&plugins, flannel.as_ref(), &tree)?;
            let modules = Modules::GoPath(scratch.path().to_owned());
            compile.run(build, &tree, &modules, &folder.join("cni"), None)
        }),
    })
}

/// Puts the plugins into `tree`, and flannel's plugin, made a package, among them.
fn lay_out(plugins: &Commit, flannel: Option<&Commit>, tree: &Path) -> Result<()> {
    fs::create_dir_all(tree)?;
    checkout::export(plugins, tree)?;
    let Some(flannel) = flannel else { return Ok(()) };
    let place = tree.join("plugins/meta/flannel");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    let scratch = tempfile::tempdir()?;
    checkout::export(flannel, scratch.path())?;
    tree::copy(scratch.path(), &place)?;
    for entry in fs::read_dir(&place)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "go") {
            fs::write(&path, as_package(&fs::read_to_string(&path)?))?;
        }
    }
    Ok(())
}

/// The edit of upstream's script: `sed 's/package main/package flannel/; s/func main/func Main/'`.
fn as_package(source: &str) -> String {
    let edit = |line: &str| {
        line.replacen("package main", "package flannel", 1).replacen("func main", "func Main", 1)
    };
    source.split_inclusive('\n').map(edit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flannels_program_becomes_a_package() {
        assert_eq!(as_package("package main\n\nfunc main() {\n"), "package flannel\n\nfunc Main() {\n");
    }
}
