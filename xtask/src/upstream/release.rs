//! Resolution of a source request to one commit with a version.

use super::checkout::{self, Commit};
use super::transfer::{self, GitSettings};
use super::version::{Version, kubernetes_numbers};
use super::{git_cache, local};
use crate::context::{Context, Network};
use crate::lockfile::Lockfile;
use crate::step::{Plan, Step};
use crate::toolchain::gomod::GoMod;
use anyhow::{Context as _, Result, bail, ensure};
use std::path::{Path, PathBuf};

/// URL of upstream's repository; `git config url.<base>.insteadOf` redirects it to a mirror.
pub const UPSTREAM: &str = "https://github.com/k3s-io/k3s";

/// The name of [`Source::step`].
pub const SOURCE: &str = "source";

/// The name of the newest release of all lines.
pub const STABLE: &str = "stable";

/// Source that the user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceRequest {
    /// `--k3s`: a tag, a line such as `v1.33`, or `stable`.
    Release(String),
    /// `--source`: any tree.
    Tree { location: String, reference: Option<String>, version: Option<Version> },
}

/// Origin of a source, which decides what may be done with the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// An upstream tag's own commit: may be released.
    Release,
    /// Any other tree.
    Tree,
    /// The sample in this repository.
    Sample,
}

/// One commit of k3s with its version.
#[derive(Clone, Debug)]
pub struct Source {
    pub commit: Commit,
    pub version: Version,
    pub origin: Origin,
    /// Commit time, in seconds since 1970: the time of everything that is built.
    pub time: i64,
    /// The user's argument: the URL of a tag or a path, for the report.
    pub location: String,
}

impl Source {
    /// Returns the unpatched files of the commit.
    pub fn checkout(&self, context: &Context) -> Result<PathBuf> {
        let (results, _) = Plan::new(vec![self.step()])?.run(context, &context.work)?;
        Ok(results.directory(SOURCE)?.to_owned())
    }

    /// Returns the step that writes the files of the commit.
    pub fn step(&self) -> Step<'_> {
        Step::in_process(SOURCE, vec![self.commit.id.clone()])
            .work(|directory, _| checkout::export(&self.commit, directory))
    }
}

/// Resolves a request.
pub fn find(
    context: &Context,
    lock: &Lockfile,
    git: &GitSettings,
    request: &SourceRequest,
) -> Result<Source> {
    match request {
        SourceRequest::Release(name) => {
            let version = release_named(context, lock, git, name)?;
            require_supported(version.kubernetes)?;
            let commit = git_cache::tag(context, lock, git, UPSTREAM, &version.to_string())?;
            require_k3s(&commit, UPSTREAM)?;
            let time = checkout::time(&commit)?;
            Ok(Source { commit, version, origin: Origin::Release, time, location: UPSTREAM.to_owned() })
        }
        SourceRequest::Tree { location, reference, version } => {
            let commit = tree(context, git, location, reference.as_deref())?;
            let version = tree_version(lock, &commit, location, version.as_ref())?;
            let time = checkout::time(&commit)?;
            Ok(Source { commit, version, origin: Origin::Tree, time, location: location.clone() })
        }
    }
}

/// Returns the version that `v1.33.0+k3s1`, `v1.33` or `stable` means; without a network, among those that are
/// locked.
fn release_named(context: &Context, lock: &Lockfile, git: &GitSettings, name: &str) -> Result<Version> {
    if let Ok(version) = name.parse() {
        return Ok(version);
    }
    if context.network == Network::Forbidden {
        return newest(lock.tags(UPSTREAM).iter(), name).with_context(|| {
            format!("--offline forbids listing the tags of {UPSTREAM}, and no locked one is of {name}")
        });
    }
    let known = transfer::tags(context, git, UPSTREAM)?;
    newest(known.keys(), name)
        .with_context(|| format!("--k3s {name}: give a tag (v1.33.0+k3s1), a line (v1.33) or stable; upstream has no release of that name"))
}

/// Returns the newest release among tags that belongs to a line, or the newest of all for `stable`.
pub fn newest<'a>(tags: impl Iterator<Item = &'a String>, line: &str) -> Option<Version> {
    let belongs = |version: &Version| {
        let (major, minor, patch) = version.kubernetes;
        line == STABLE || line == version.line().to_string() || line == format!("v{major}.{minor}.{patch}")
    };
    tags.filter_map(|tag| tag.parse().ok()).filter(|v: &Version| v.is_release() && belongs(v)).max()
}

/// Returns the commit of a tree at a path or a URL.
fn tree(context: &Context, git: &GitSettings, location: &str, reference: Option<&str>) -> Result<Commit> {
    match location.contains("://") || location.contains('@') && !Path::new(location).exists() {
        true => git_cache::reference(context, git, location, reference.unwrap_or("HEAD")),
        false => local::commit(context, location, reference),
    }
}

/// Returns the version of a tree: the one that was given, the upstream tag that the lockfile has for its commit, or
/// one made of Kubernetes' version and the commit, as upstream's scripts make it.
fn tree_version(
    lock: &Lockfile,
    commit: &Commit,
    location: &str,
    given: Option<&Version>,
) -> Result<Version> {
    let gomod = GoMod::parse(&require_k3s(commit, location)?).context("reading go.mod")?;
    let kubernetes = gomod.kubernetes().context("reading go.mod")?;
    let numbers = kubernetes_numbers(kubernetes.written_version())?;
    require_supported(numbers)?;
    if let Some(version) = given {
        if version.kubernetes != numbers {
            bail!("--as {version} does not fit: the tree builds Kubernetes {}", kubernetes.written_version());
        }
        return Ok(version.clone());
    }
    // A tag in the repository itself proves nothing: any user can put one of that name on a commit.
    let tags = lock.tags(UPSTREAM);
    let upstreams = tags.iter().filter(|tag| lock.commit(UPSTREAM, tag).as_deref() == Some(&*commit.id));
    let tagged =
        upstreams.filter_map(|tag| tag.parse().ok()).filter(|v: &Version| v.kubernetes == numbers).max();
    Ok(tagged.unwrap_or_else(|| Version::of_commit(numbers, &commit.id)))
}

/// The minor version of the oldest Kubernetes whose k3s can be built. The sample's versions keep it, too.
const OLDEST_MINOR: u32 = 30;

/// Refuses a k3s that is older than the layouts that are known.
fn require_supported((major, minor, patch): (u32, u32, u32)) -> Result<()> {
    ensure!(
        minor >= OLDEST_MINOR,
        "k3s v{major}.{minor}.{patch} is too old: releases from v1.{OLDEST_MINOR} on can be built"
    );
    Ok(())
}

/// Returns the go.mod of a commit, which must be k3s'.
fn require_k3s(commit: &Commit, location: &str) -> Result<String> {
    let gomod = checkout::read(commit, "go.mod")?;
    match gomod {
        Some(text) if text.lines().any(|line| line.trim() == "module github.com/k3s-io/k3s") => Ok(text),
        _ => bail!(
            "{location} at {} is not k3s: its go.mod does not say `module github.com/k3s-io/k3s`",
            commit.id
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_means_its_newest_release() {
        let tags =
            ["v1.33.0+k3s1", "v1.33.2+k3s1", "v1.33.10-rc1+k3s1", "v1.33.9+k3s2", "v1.34.1+k3s1", "nightly"];
        let tags = tags.map(str::to_owned);
        assert_eq!(newest(tags.iter(), "v1.33").unwrap().to_string(), "v1.33.9+k3s2");
        assert_eq!(newest(tags.iter(), "stable").unwrap().to_string(), "v1.34.1+k3s1");
        assert_eq!(newest(tags.iter(), "v1.3"), None);
    }
}
