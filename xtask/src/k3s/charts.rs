//! The Helm charts that the server carries for the cluster to install: traefik's, and others in newer releases.

use super::source_tree::COMMITTED_CHARTS;
use super::{Build, Part, format};
use crate::error;
use crate::fetch::{Download, FileName};
use crate::step::Step;
use crate::upstream::probe::EmbedMethod;
use crate::upstream::recipe::file_name;
use anyhow::{Result, anyhow};
use fs_err as fs;
use std::path::Path;

/// The step that gathers the charts; empty where the tree carries them itself or they are left out.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let downloads = downloads(build)?;
    let mut inputs = vec![format!("{:?}", wanted(build)?)];
    inputs.extend(downloads.iter().map(|download| format!("{} sha256:{}", download.name, download.sha256)));
    Ok(Step {
        name: "charts",
        recipe: &[include_str!("charts.rs")],
        needs: vec![],
        inputs,
        run: Box::new(move |directory, _| {
            for download in &downloads {
                fs::copy(download.get(build.context)?, directory.join(&download.name))?;
            }
            Ok(())
        }),
    })
}

/// Where the charts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Download,
    /// Under go-bindata the generated file that upstream commits holds them already.
    InTree,
    LeftOut,
}

/// Decides by what the tree carries.
pub fn wanted(build: &Build) -> Result<Wanted> {
    if build.options.charts == Part::LeftOut {
        return Ok(Wanted::LeftOut);
    }
    if build.facts.embed_method == EmbedMethod::GoBindata {
        let generated = fs::read_to_string(build.patched.tree.join(COMMITTED_CHARTS))?;
        if urls(build).all(|url| generated.contains(file_name(url))) {
            return Ok(Wanted::InTree);
        }
    }
    Ok(Wanted::Download)
}

fn urls<'a>(build: &'a Build) -> impl Iterator<Item = &'a str> {
    build.facts.recipe.fetches.iter().map(String::as_str).filter(|url| url.ends_with(".tgz"))
}

/// The charts that are fetched. They have no sums in any tree: the lock file keeps those of their first use.
pub fn downloads(build: &Build) -> Result<Vec<Download>> {
    if wanted(build)? != Wanted::Download {
        return Ok(Vec::new());
    }
    let hint = "\n  Without them: --charts none makes a k3s that does not install traefik.";
    error::all(urls(build).map(|url| {
        let name = FileName::of_url(url)?;
        let check = |file: &Path| format::check(&name, file);
        let found = build.lock.download(build.context, name.clone(), url, &check);
        found.map_err(|error| anyhow!("{error:#}{hint}"))
    }))
}
