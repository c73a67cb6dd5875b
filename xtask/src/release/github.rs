//! Publishing, through GitHub's own command line and with whatever it is logged in as.

use super::check::{self, Checked};
use super::{Manner, NOTES};
use crate::context::Context;
use crate::lock::{Adding, Lock};
use crate::process::{self, Program};
use crate::upstream::version::Version;
use anyhow::{Context as _, Result, bail};
use std::path::Path;
use xshell::cmd;

/// Publishes a folder as the release of a tag that is called as its k3s version is. `gh` uploads to a draft
/// and publishes that when it is whole; where the tag has a release already, nothing is changed.
pub fn upload(context: &Context, folder: &Path) -> Result<String> {
    let checked = check::folder(folder)?;
    let lock = Lock::open(&context.lock_file, Adding::Forbidden)?;
    checked
        .faults(&lock)
        .settle(Manner::Release)
        .with_context(|| format!("{} stays here", folder.display()))?;
    let Some(gh) = process::find("gh") else {
        bail!("gh is not here, which publishes on GitHub (package gh)");
    };
    let (tag, arguments) = arguments(&checked)?;
    let running = context.progress.step("publish");
    let shell = context.shell()?;
    // Bare names, since gh takes what stands behind a # in a path for a label.
    let address = Program::new(context, cmd!(shell, "{gh} release create {tag} {arguments...}"))
        .dir(folder)
        .inherit("GH_", &[])
        .inherit("GITHUB_", &[])
        .read()
        .with_context(|| format!("publishing {tag}"))?;
    running.done(&tag);
    Ok(address)
}

/// The tag, and what gh is told besides it.
fn arguments(checked: &Checked) -> Result<(String, Vec<String>)> {
    let first = checked.manifests.first().context("a release has a product")?;
    let version: Version = first.k3s.parse()?;
    let architectures: Vec<&str> = checked.manifests.iter().map(|manifest| manifest.arch.as_str()).collect();
    let title = format!("k3s {version}, modified, for {}", architectures.join(", "));
    let mut arguments = vec!["--title".to_owned(), title, "--notes-file".to_owned(), NOTES.to_owned()];
    if !version.is_release() {
        arguments.push("--prerelease".to_owned());
    }
    // Where a workflow was started by hand there is no tag yet: it is put on the commit that was checked out.
    if let Ok(commit) = std::env::var("GITHUB_SHA") {
        arguments.extend(["--target".to_owned(), commit]);
    }
    arguments.extend(checked.files.iter().cloned());
    Ok((version.to_string(), arguments))
}
