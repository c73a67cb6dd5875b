//! The CNI plugins in one program, with flannel's plugin in place of their own.

use super::Build;
use super::go_build::{C, Compile, Modules};
use crate::alias::Alias;
use crate::dir;
use crate::error;
use crate::step::Step;
use crate::tree_path::TreePath;
use crate::upstream::checkout::{self, Commit};
use crate::upstream::git_cache;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::path::Path;

/// The step's name.
pub const STEP: &str = "cni";

/// The program in the step's result.
pub const PROGRAM: &str = "cni";

/// The path of the plugins in a GOPATH, whatever repository they come from.
const IMPORT_PATH: &str = "src/github.com/containernetworking/plugins";

/// A repository that upstream's script clones, at the commit of its tag.
#[derive(Clone, Debug)]
pub struct Repository {
    /// The last component of its URL.
    pub name: &'static str,
    pub url: String,
    pub tag: String,
    pub commit: Commit,
}

/// Returns the plugins' repository and that of flannel's plugin, in this order.
pub fn repositories(build: &Build) -> Result<Vec<Repository>> {
    error::all(["plugins", "cni-plugin"].map(|name| {
        let clone = build.facts.commands.clone(name);
        let clone = clone.with_context(|| format!("upstream's scripts/build clones no repository {name}"))?;
        let url = clone.url.trim_end_matches(".git");
        let commit = git_cache::tag(build.context, build.lock, &build.git, url, &clone.tag)?;
        Ok(Repository { name, url: url.to_owned(), tag: clone.tag.clone(), commit })
    }))
}

/// Returns the step that compiles the plugins, in the GOPATH layout of upstream's script.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let compile = Compile::like_upstream(build, STEP, build.facts.commands.build(PROGRAM)?, C::None)?;
    let repositories = repositories(build)?;
    let mut inputs: Vec<String> = repositories
        .iter()
        .map(|repository| format!("{} {}", repository.name, repository.commit.id))
        .collect();
    inputs.extend(compile.lines(build));
    Ok(Step::of_commands(STEP, inputs).work(move |directory, _| {
        let scratch = tempfile::tempdir_in(directory)?;
        let root = Alias::of(scratch.path())?;
        let tree = root.path().join(IMPORT_PATH);
        lay_out(&repositories, &tree)?;
        let modules = Modules::GoPath(root.path().to_owned());
        compile.run(build, &tree, &modules, &directory.join(PROGRAM), None)
    }))
}

/// Writes the plugins to `tree`, and among them flannel's plugin as a package.
fn lay_out(repositories: &[Repository], tree: &Path) -> Result<()> {
    let [plugins, flannel] = repositories else { bail!("the plugins come from two repositories") };
    fs::create_dir_all(tree)?;
    checkout::export(&plugins.commit, tree)?;
    let place = TreePath::parse("plugins/meta/flannel")?.below(tree)?;
    dir::remove(&place)?;
    let scratch = tempfile::tempdir()?;
    checkout::export(&flannel.commit, scratch.path())?;
    dir::copy(scratch.path(), &place)?;
    for entry in fs::read_dir(&place)? {
        let entry = entry?;
        let path = entry.path();
        // A link's file is met under its own name.
        if entry.file_type()?.is_file() && path.extension().is_some_and(|extension| extension == "go") {
            fs::write(&path, as_package(&fs::read_to_string(&path)?))?;
        }
    }
    Ok(())
}

/// Applies the edit of upstream's script: `sed 's/package main/package flannel/; s/func main/func Main/'`.
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
