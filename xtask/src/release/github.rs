//! Publishing, through GitHub's own command line and with whatever it is logged in as.

use super::check::{self, Checked};
use super::{Mode, NOTES, problems};
use crate::context::Context;
use crate::lockfile::{Adding, Lockfile};
use crate::process::{self, cmd};
use crate::upstream::version::Version;
use crate::workspace;
use anyhow::{Context as _, Result, bail, ensure};
use std::path::{Path, PathBuf};

/// Publishes a directory as the release of a tag that is called as its k3s version is. `gh` uploads to a draft
/// and publishes that when it is complete; where the tag has a release already, nothing is changed.
pub fn upload(context: &Context, directory: &Path) -> Result<String> {
    let checked = check::directory(directory)?;
    let lock = Lockfile::open(&context.lock_file, Adding::Forbidden)?;
    problems::check(checked.problems(&lock), Mode::Release)
        .with_context(|| format!("{} cannot be published", directory.display()))?;
    let Some(gh) = process::find("gh") else {
        bail!("gh is missing, which publishes on GitHub (package gh)");
    };
    let commit =
        workspace::commit(context).context("the tag of a release names the commit that has made it")?;
    let (tag, arguments) = arguments(&checked, &commit)?;
    let gh = Gh { context, program: gh, directory };
    let running = context.progress.step("publish");
    gh.agrees_on(&tag, &commit)?;
    let url = gh.run(&arguments).with_context(|| format!("publishing {tag}"))?;
    running.done(&tag);
    Ok(url)
}

/// GitHub's command line, in the directory to publish: bare names are uploaded, since it takes what stands behind a #
/// in a path for a label.
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

    /// Refuses a tag that names another commit: GitHub keeps a tag that is there, whatever commit it is told, and
    /// whoever looks for the sources of a release looks there.
    fn agrees_on(&self, tag: &str, commit: &str) -> Result<()> {
        let qualified = format!("tag=refs/tags/{tag}");
        let query = ["api", "graphql", "-F", "owner={owner}", "-F", "name={repo}", "-f", &qualified, "-f"];
        let rest = [COMMIT_OF_TAG, "--jq", ".data.repository.ref.target | .target.oid // .oid // empty"];
        let words: Vec<String> = query.into_iter().chain(rest).map(str::to_owned).collect();
        let found = self.run(&words).with_context(|| format!("asking GitHub for the tag {tag}"))?;
        ensure!(
            found.is_empty() || found == commit,
            "the tag {tag} names the commit {found}, and this is {commit}\n  \
             If it belongs to a release that was given up: gh release delete {tag} --cleanup-tag\n  \
             If it has no release: git push --delete origin refs/tags/{tag}"
        );
        Ok(())
    }
}

/// The tag, and the arguments with which gh publishes it.
fn arguments(checked: &Checked, commit: &str) -> Result<(String, Vec<String>)> {
    let first = checked.manifests.first().context("a release has a product")?;
    let version: Version = first.k3s.parse()?;
    let architectures: Vec<&str> = checked.manifests.iter().map(|manifest| manifest.arch.as_str()).collect();
    let title = format!("k3s {version}, modified, for {}", architectures.join(", "));
    let tag = version.to_string();
    // The tag may not be there yet, and GitHub would put it on whatever its default branch has come to.
    let words = ["release", "create", &tag, "--target", commit, "--title", &title, "--notes-file", NOTES];
    let mut arguments = words.map(str::to_owned).to_vec();
    if !version.is_release() {
        arguments.push("--prerelease".to_owned());
    }
    arguments.extend(checked.files.iter().cloned());
    Ok((tag, arguments))
}
