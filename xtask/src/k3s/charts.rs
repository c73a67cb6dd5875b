//! The Helm charts inside the server, which the cluster installs: traefik's, and others in newer releases.

use super::options::Presence;
use super::source_tree::COMMITTED_CHARTS;
use super::{Build, format};
use crate::error;
use crate::fetch::{Download, FileName};
use crate::step::Step;
use crate::upstream::commands::file_name;
use crate::upstream::layout::EmbedMethod;
use anyhow::{Result, anyhow};
use fs_err as fs;
use std::path::Path;

/// The step's name.
pub const STEP: &str = "charts";

/// Returns the step that fetches the charts; its result is empty if the tree contains them or they are left out.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let downloads = downloads(build)?;
    let mut inputs = vec![format!("{:?}", origin(build)?)];
    inputs.extend(downloads.iter().map(|download| format!("{} sha256:{}", download.name, download.sha256)));
    Ok(Step::in_process(STEP, inputs).work(move |directory, _| {
        for download in &downloads {
            fs::copy(download.get(build.context)?, directory.join(&download.name))?;
        }
        Ok(())
    }))
}

/// The origin of the charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charts {
    Download,
    /// Under go-bindata the generated file that upstream commits holds them already.
    InTree,
    LeftOut,
}

/// Decides by the files of the tree.
pub fn origin(build: &Build) -> Result<Charts> {
    if build.options.charts == Presence::LeftOut {
        return Ok(Charts::LeftOut);
    }
    match build.facts.embed_method {
        EmbedMethod::GoEmbed => Ok(Charts::Download),
        EmbedMethod::GoBindata => {
            let generated = fs::read_to_string(build.patched.tree.join(COMMITTED_CHARTS))?;
            let has_all = urls(build).all(|url| generated.contains(file_name(url)));
            Ok(if has_all { Charts::InTree } else { Charts::Download })
        }
    }
}

fn urls<'a>(build: &'a Build) -> impl Iterator<Item = &'a str> {
    build.facts.commands.fetches.iter().map(String::as_str).filter(|url| url.ends_with(".tgz"))
}

/// Returns the charts that are fetched. No tree has checksums of them: the lockfile has those of their first use.
pub fn downloads(build: &Build) -> Result<Vec<Download>> {
    if origin(build)? != Charts::Download {
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
