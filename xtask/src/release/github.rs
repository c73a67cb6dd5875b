//! Publishes a release by GitHub's own command line, with the account that it is logged in as.

use super::check::{self, Checked};
use super::{Mode, NOTES, problems};
use crate::context::Context;
use crate::lockfile::{Adding, Lockfile};
use crate::process::{self, cmd};
use crate::upstream::version::Version;
use crate::workspace;
use anyhow::{Context as _, Result, bail, ensure};
use std::path::{Path, PathBuf};

/// Publishes a directory as the release of the tag with the name of its k3s version. `gh` uploads to a draft and
/// publishes that when it is complete; if the tag has a release already, nothing is changed.
pub fn upload(context: &Context, directory: &Path) -> Result<String> {
    let checked = check::directory(directory)?;
    let lock = Lockfile::open(&context.lock_file, Adding::Forbidden)?;
    problems::check(checked.problems(&lock), Mode::Release)
        .with_context(|| format!("{} cannot be published", directory.display()))?;
    let Some(gh) = process::find("gh") else {
        bail!("gh is missing, which publishes on GitHub (package gh)");
    };
    let commit =
        workspace::commit(context).context("finding the commit that the tag of the release names")?;
    let (tag, arguments) = arguments(&checked, &commit)?;
    let gh = Gh { context, program: gh, directory };
    let running = context.progress.step("publish");
    gh.agrees_on(&tag, &commit)?;
    let url = gh.run(&arguments).with_context(|| format!("publishing {tag}"))?;
    running.done(&tag);
    Ok(url)
}

/// GitHub's command line, in the directory to publish: it is given bare names, since it takes what follows a `#` in a
/// path for a label.
struct Gh<'a> {
    context: &'a Context,
    program: PathBuf,
    directory: &'a Path,
}

/// The commit of a tag, or the tag object before it; no such tag is no error (docs.github.com, GraphQL, Repository).
const COMMIT_OF_TAG: &str = "query=query($owner: String!, $name: String!, $tag: String!) {
  repository(owner: $owner, name: $name) { ref(qualifiedName: $tag) { target { oid ... on Tag { target { oid } } } } }
}";

impl Gh<'_> {
    fn run(&self, arguments: &[String]) -> Result<String> {
        let gh = &self.program;
        cmd!(self.context, "{gh} {arguments...}")
            .dir(self.directory)
            .inherit("GH_", &[])
            .inherit("GITHUB_TOKEN", &[])
            .inherit("GITHUB_ENTERPRISE_TOKEN", &[])
            .read()
    }

    /// Refuses a tag that names another commit: GitHub keeps an existing tag and ignores `--target`, and the release
    /// would then point to other sources.
    fn agrees_on(&self, tag: &str, commit: &str) -> Result<()> {
        let qualified = format!("tag=refs/tags/{tag}");
        let query = ["api", "graphql", "-F", "owner={owner}", "-F", "name={repo}", "-f", &qualified, "-f"];
        let rest = [COMMIT_OF_TAG, "--jq", ".data.repository.ref.target | .target.oid // .oid // empty"];
        let words: Vec<String> = query.into_iter().chain(rest).map(str::to_owned).collect();
        let found = self.run(&words).with_context(|| format!("querying GitHub for the tag {tag}"))?;
        ensure!(
            found.is_empty() || found == commit,
            "the tag {tag} names the commit {found}, and this is {commit}\n  \
             If it belongs to an abandoned release: gh release delete {tag} --cleanup-tag\n  \
             If it has no release: git push --delete origin refs/tags/{tag}"
        );
        Ok(())
    }
}

/// Returns the tag, and the arguments with which gh publishes it.
fn arguments(checked: &Checked, commit: &str) -> Result<(String, Vec<String>)> {
    let first = checked.manifests.first().context("a release has a product")?;
    let version: Version = first.k3s.parse()?;
    let architectures: Vec<&str> = checked.manifests.iter().map(|manifest| manifest.arch.as_str()).collect();
    let title = format!("k3s {version}, modified, for {}", architectures.join(", "));
    let tag = version.to_string();
    // GitHub puts a new tag on the head of its default branch unless it is given a commit.
    let words = ["release", "create", &tag, "--target", commit, "--title", &title, "--notes-file", NOTES];
    let mut arguments = words.map(str::to_owned).to_vec();
    if !version.is_release() {
        arguments.push("--prerelease".to_owned());
    }
    arguments.extend(checked.files.iter().cloned());
    Ok((tag, arguments))
}
