//! Gathers everything that a build takes from elsewhere in one directory.

use super::{DOWNLOADS, IMAGES, K3S, MODULES, Repository, Vendored, go_modules, repository};
use crate::dir;
use crate::error;
use crate::fetch::Download;
use crate::images::builtin::Images;
use crate::images::definition::Definition;
use crate::k3s::{
    Build, binary, builtin_images, charts, cni, root, runc, seccomp, server, shim, source_tree,
};
use crate::product::builtin;
use crate::step::{Plan, Step};
use anyhow::Result;
use fs_err as fs;
use std::path::{Path, PathBuf};

/// The step's name.
const STEP: &str = "vendor";

/// Gathers the inputs of a build, unless an earlier run has, and returns the directory.
pub fn run(build: &Build) -> Result<PathBuf> {
    let definitions = Definition::of_origin(build.context, build.source.origin)?;
    let images = Images::of(build, &definitions)?;
    let (mut steps, vendor) = error::both(build.steps(images.steps(build)?), step(build))?;
    steps.push(vendor);
    let (results, _) = Plan::new(steps)?.up_to(STEP).run(build.context, &build.directory())?;
    Ok(results.directory(STEP)?.to_owned())
}

fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let repositories = cni::repositories(build)?;
    let mut downloads = vec![seccomp::download(build)?];
    downloads.extend(root::download(build)?);
    downloads.extend(charts::downloads(build)?);

    let (shim, runc) = (&build.facts.containerd, &build.facts.runc);
    let mut inputs = vec![format!("origin {:?}", build.source.origin)];
    inputs.extend([shim, runc].into_iter().flat_map(|module| build.module_inputs(module)));
    inputs.extend(repositories.iter().map(|one| format!("{} {}", one.name, one.commit.id)));
    inputs.extend(downloads.iter().map(|one| format!("{} sha256:{}", one.name, one.sha256)));
    for compile in
        [server::compile(build)?, binary::compile(build, STEP)?, shim::compile(build)?, runc::compile(build)?]
    {
        inputs.extend(compile.lines(build));
    }
    let mut step = Step::in_process(STEP, inputs);
    let tree = step.need(source_tree::STEP);
    let images = [builtin_images::STEP, builtin::STEP].map(|name| step.need(name));
    Ok(step.work(move |directory, results| {
        repository::export(&build.source.commit, K3S, directory)?;
        for one in &repositories {
            repository::export(&one.commit, one.name, directory)?;
        }
        copy_downloads(build, &downloads, &directory.join(DOWNLOADS))?;
        let tree = results.of(tree).join(source_tree::TREE);
        go_modules::gather(build, &tree, &directory.join(MODULES))?;
        for step in images {
            dir::copy(results.of(step), &directory.join(IMAGES).join(build.target.go))?;
        }
        let vendored = Vendored {
            k3s: build.source.version.to_string(),
            origin: build.source.origin,
            commit: build.source.commit.id.clone(),
            repositories: repositories.iter().map(named).collect(),
            downloads: downloads.clone(),
            modules: dir::digest(&directory.join(MODULES))?,
            images: dir::digest(&directory.join(IMAGES))?,
        };
        vendored.write(directory)
    }))
}

fn named(repository: &cni::Repository) -> Repository {
    Repository {
        name: repository.name.to_owned(),
        url: repository.url.clone(),
        tag: repository.tag.clone(),
        commit: repository.commit.id.clone(),
    }
}

fn copy_downloads(build: &Build, downloads: &[Download], directory: &Path) -> Result<()> {
    fs::create_dir(directory)?;
    let libseccomp = seccomp::archive(build)?;
    for download in downloads {
        let file = if libseccomp.ends_with(&download.name) {
            libseccomp.clone()
        } else {
            download.get(build.context)?
        };
        fs::copy(file, directory.join(&download.name))?;
    }
    Ok(())
}
