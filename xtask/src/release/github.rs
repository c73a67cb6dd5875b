//! Publishes a release by GitHub's own command line, with the account that it is logged in as.

use super::check::{self, Checked};
use super::tag::Tag;
use super::{Mode, NOTES, problems};
use crate::atomic_dir::AtomicDir;
use crate::context::Context;
use crate::digest::Digest;
use crate::dir;
use crate::process::{self, cmd};
use crate::product::{SUMS, load};
use crate::workspace;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The file beside the repositories of the last release: its tag, or nothing if there is none.
const LAST: &str = "release.txt";

/// Refuses a tag for which GitHub would refuse the release at its end: before hours of builds. Repositories of the
/// release that was made last are downloaded into a directory, if one is given.
pub fn preflight(context: &Context, tag: &Tag, earlier: Option<&Path>) -> Result<()> {
    let commit = commit(context)?;
    let state = Gh::find(context, &context.root)?.state(tag)?;
    state.require(tag, &commit)?;
    let Some(directory) = earlier else { return Ok(()) };
    require_replaceable(directory)?;
    let unfinished = AtomicDir::create(context, &std::path::absolute(directory)?)?;
    let last = state.last();
    fs::write(unfinished.path().join(LAST), last.as_ref().map(Tag::to_string).unwrap_or_default())?;
    if let Some(last) = last {
        download(context, &last, unfinished.path())
            .with_context(|| format!("fetching the repositories of {last}"))?;
    }
    unfinished.commit()
}

/// Refuses a directory with files of the user's, since it is replaced.
fn require_replaceable(directory: &Path) -> Result<()> {
    let is_ours = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        [LAST, SUMS].contains(&&*name) || name.starts_with("repository-")
    };
    let entries = if directory.exists() { dir::entries(directory)? } else { Vec::new() };
    let foreign = entries.iter().find(|file| !is_ours(file));
    ensure!(
        foreign.is_none(),
        "{} would be replaced, and no earlier run has written {}\n  name a new directory",
        directory.display(),
        foreign.unwrap_or(&PathBuf::new()).display()
    );
    Ok(())
}

/// Downloads the repositories of a release, and verifies them.
fn download(context: &Context, tag: &Tag, directory: &Path) -> Result<()> {
    let running = context.progress.step("earlier packages");
    let (tag_name, into) = (tag.to_string(), directory.display().to_string());
    let words = ["release", "download", &tag_name, "--dir", &into];
    let patterns = ["--pattern", "repository-*.tar", "--pattern", SUMS];
    Gh::find(context, &context.root)?
        .run(&words.into_iter().chain(patterns).map(str::to_owned).collect::<Vec<_>>())?;
    let sums = load::sums(&directory.join(SUMS))?;
    for file in dir::entries(directory)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_right =
            [SUMS, LAST].contains(&name.as_str()) || sums.get(&name) == Some(&Digest::of_file(&file)?);
        ensure!(is_right, "checksum mismatch for {name}");
    }
    running.done(tag);
    Ok(())
}

/// Publishes a directory as the release of its tag. `gh` uploads to a draft and publishes that when it is complete; if
/// the tag has a release already, nothing is changed.
pub fn upload(context: &Context, directory: &Path) -> Result<String> {
    let checked = check::directory(directory)?;
    problems::check(checked.problems(context)?, Mode::Release)
        .with_context(|| format!("{} cannot be published", directory.display()))?;
    let gh = Gh::find(context, directory)?;
    let commit = commit(context)?;
    let tag = checked.tag()?;
    let running = context.progress.step("publish");
    let state = gh.state(&tag)?;
    state.require(&tag, &commit)?;
    let url =
        gh.run(&arguments(&checked, &tag, &state, &commit)).with_context(|| format!("publishing {tag}"))?;
    running.done(tag);
    Ok(url)
}

fn commit(context: &Context) -> Result<String> {
    workspace::commit(context).context("finding the commit that the tag of the release names")
}

/// GitHub's command line, and the directory that it works in: to publish, the one with the files, since it is given
/// bare names and takes what follows a `#` in a path for a label.
struct Gh<'a> {
    context: &'a Context,
    program: PathBuf,
    directory: &'a Path,
}

/// A query for a tag on GitHub: its commit, or the tag object before it, its release, and the other releases; none is
/// no error (docs.github.com, GraphQL, Repository). An account that may write also sees drafts.
const QUERY: &str = "query=query($owner: String!, $name: String!, $ref: String!, $tag: String!) {
  repository(owner: $owner, name: $name) {
    isArchived viewerPermission release(tagName: $tag) { url isDraft } latestRelease { tagName }
    releases(first: 100, orderBy: {field: CREATED_AT, direction: DESC}) { nodes { tagName isDraft } }
    ref(qualifiedName: $ref) { target { oid ... on Tag { target { oid } } } } } }";

/// The answer to the query.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TagState {
    is_archived: bool,
    /// Rights of the account; a workflow's token has none here, and those that its job declares.
    viewer_permission: Option<String>,
    release: Option<ReleaseState>,
    latest_release: Option<LatestRelease>,
    releases: Releases,
    #[serde(rename = "ref")]
    reference: Option<RefState>,
}

/// Releases, the one that was made last first.
#[derive(Debug, Deserialize)]
struct Releases {
    nodes: Vec<ReleaseTag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReleaseTag {
    tag_name: String,
    is_draft: bool,
}

/// The release that `install.sh` installs by default.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LatestRelease {
    tag_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReleaseState {
    url: String,
    is_draft: bool,
}

#[derive(Debug, Deserialize)]
struct RefState {
    target: Object,
}

#[derive(Debug, Deserialize)]
struct Object {
    oid: String,
    target: Option<Box<Object>>,
}

impl TagState {
    fn commit(&self) -> Option<&str> {
        let target = &self.reference.as_ref()?.target;
        Some(target.target.as_ref().map_or(&target.oid, |object| &object.oid))
    }

    /// Refuses what GitHub would refuse, and a tag that names another commit: GitHub keeps an existing tag, and the
    /// release would then point to other sources.
    fn require(&self, tag: &Tag, commit: &str) -> Result<()> {
        ensure!(!self.is_archived, "the repository on GitHub is archived, and takes no release");
        // gh makes a draft of its own, and one that a failed upload has left is no obstacle.
        if let Some(release) = self.release.as_ref().filter(|release| !release.is_draft) {
            let next = Tag { k3s: tag.k3s.clone(), release: tag.release + 1 };
            bail!(
                "{tag} is published already, and a release never changes: {}\n  \
                 A new build of the same k3s has a tag of its own: {next}, with --release {}",
                release.url,
                next.release
            );
        }
        let found = self.commit().unwrap_or(commit);
        ensure!(
            found == commit,
            "the tag {tag} names the commit {found}, and this is {commit}\n  \
             If the tag is wrong, and has no release: git push --delete origin refs/tags/{tag}"
        );
        // A workflow's own token has the rights of its job, and this may be another one.
        let is_in_workflow = std::env::var_os("GITHUB_ACTIONS").is_some();
        let permission = self.viewer_permission.as_deref().filter(|_| !is_in_workflow);
        ensure!(
            permission.is_none_or(|name| ["ADMIN", "MAINTAIN", "WRITE"].contains(&name)),
            "the account that gh is logged in as may not write to the repository ({})",
            permission.unwrap_or_default()
        );
        Ok(())
    }

    /// Returns the tag of the last release that is published and no candidate.
    fn last(&self) -> Option<Tag> {
        let published = self.releases.nodes.iter().filter(|release| !release.is_draft);
        published.filter_map(|release| release.tag_name.parse().ok()).find(|tag: &Tag| tag.k3s.is_release())
    }

    /// Returns whether a newer version is GitHub's latest release, and has to stay it.
    fn has_newer(&self, tag: &Tag) -> bool {
        let latest = self.latest_release.as_ref().and_then(|latest| latest.tag_name.parse::<Tag>().ok());
        latest.is_some_and(|latest| latest > *tag)
    }

    /// Returns the commit for a new tag. One that exists is left out: GitHub ignores it, and refuses a token without
    /// the right to change workflows where the commit changes one.
    fn target<'c>(&self, commit: &'c str) -> Option<&'c str> {
        self.reference.is_none().then_some(commit)
    }
}

impl<'a> Gh<'a> {
    fn find(context: &'a Context, directory: &'a Path) -> Result<Gh<'a>> {
        let program = process::find("gh").context("gh is missing, which publishes on GitHub (package gh)")?;
        Ok(Gh { context, program, directory })
    }

    fn run(&self, arguments: &[String]) -> Result<String> {
        let gh = &self.program;
        cmd!(self.context, "{gh} {arguments...}")
            .dir(self.directory)
            .inherit("GH_", &[])
            .inherit("GITHUB_TOKEN", &[])
            .inherit("GITHUB_ENTERPRISE_TOKEN", &[])
            .read()
    }

    fn state(&self, tag: &Tag) -> Result<TagState> {
        let (reference, tag_field) = (format!("ref=refs/tags/{tag}"), format!("tag={tag}"));
        let query = [
            "api",
            "graphql",
            "-F",
            "owner={owner}",
            "-F",
            "name={repo}",
            "-f",
            &reference,
            "-f",
            &tag_field,
        ];
        let rest = ["-f", QUERY, "--jq", ".data.repository"];
        let words: Vec<String> = query.into_iter().chain(rest).map(str::to_owned).collect();
        let querying = || format!("querying GitHub for the tag {tag}");
        let answer = self.run(&words).with_context(querying)?;
        serde_json::from_str(&answer).with_context(querying)
    }
}

/// Returns the arguments with which gh publishes a release.
fn arguments(checked: &Checked, tag: &Tag, state: &TagState, commit: &str) -> Vec<String> {
    let architectures: Vec<&str> = checked.manifests.iter().map(|manifest| manifest.arch.as_str()).collect();
    let title = format!("k3s {tag}, modified, for {}", architectures.join(", "));
    let name = tag.to_string();
    let mut words = vec!["release", "create", &name, "--title", &title, "--notes-file", NOTES];
    // GitHub puts a new tag on the head of its default branch unless it is given a commit.
    words.extend(state.target(commit).iter().flat_map(|commit| ["--target", commit]));
    if !tag.k3s.is_release() {
        words.push("--prerelease");
    } else if state.has_newer(tag) {
        // Otherwise, GitHub takes what is published last for the latest.
        words.push("--latest=false");
    }
    words.into_iter().map(str::to_owned).chain(checked.files.iter().cloned()).collect()
}
