//! A local k3s repository of the user's, which is never written to.

use super::checkout::{self, Commit};
use crate::context::Context;
use crate::process::quoted;
use crate::repository;
use crate::url::file_url;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::path::Path;

/// Files that a message names, at most.
const SHOWN: usize = 10;

/// Returns the commit of a local repository: the one that is checked out, or the one that is named.
///
/// Only a commit is built. Changes that are not in it stop the build, unless the commit was named; then they are
/// reported.
pub fn commit(context: &Context, location: &str, reference: Option<&str>) -> Result<Commit> {
    if !Path::new(location).exists() {
        bail!("--source {location}: there is no such directory");
    }
    let path = fs::canonicalize(location)?;
    let repository = open(&path)?;
    let id = checkout::resolve_in(&repository, reference.unwrap_or("HEAD"))?;
    require_complete(&repository, &id, &path)?;
    if checkout::resolve_in(&repository, "HEAD").is_ok_and(|head| head == id) {
        let changes = uncommitted(&repository).with_context(|| {
            format!(
                "cannot compare {} with its commit\n  To build the commit as it is: --source {}",
                path.display(),
                quoted(&file_url(&path))
            )
        })?;
        match (changes.as_slice(), reference) {
            ([], _) => {}
            (changes, Some(name)) => context.progress.print(format!(
                "note: --ref {name} is built without what is not committed in {}:\n{}",
                path.display(),
                listed(changes)
            )),
            (changes, None) => bail!(
                "{} has changes that are not committed, and only a commit is built:\n{}\n  \
                 Commit them, stash them (git stash --include-untracked), or build without them: --ref HEAD",
                path.display(),
                listed(changes)
            ),
        }
    }
    Ok(Commit { repository: path, id })
}

/// Opens a repository by its root.
fn open(path: &Path) -> Result<git2::Repository> {
    let error = match repository::open(path) {
        Ok(repository) => return Ok(repository),
        Err(error) => error,
    };
    let root = git2::Repository::discover(path);
    let root = root.as_ref().ok().and_then(git2::Repository::workdir);
    match (repository::code(&error), root) {
        (Some(git2::ErrorCode::NotFound), Some(root)) => Err(error.context(format!(
            "{} is not the root of a repository\n  The repository around it: --source {}",
            path.display(),
            root.display()
        ))),
        _ => Err(error),
    }
}

/// Refuses a commit whose files are not all here, as in a partial clone.
fn require_complete(repository: &git2::Repository, id: &str, path: &Path) -> Result<()> {
    let objects = repository.odb()?;
    let mut missing = false;
    let walked = repository.find_commit(id.parse()?)?.tree().and_then(|tree| {
        tree.walk(git2::TreeWalkMode::PreOrder, |_, entry| {
            // A submodule's commit is in another repository.
            missing |= entry.kind() != Some(git2::ObjectType::Commit) && !objects.exists(entry.id());
            if missing { git2::TreeWalkResult::Abort } else { git2::TreeWalkResult::Ok }
        })
    });
    let missing = missing || walked.as_ref().is_err_and(|error| error.code() == git2::ErrorCode::NotFound);
    if missing && is_partial(repository)? {
        bail!("{}", repository::partial(path));
    }
    if missing {
        bail!("{} does not have all files of {id}: git -C {0} fsck lists what is missing", path.display());
    }
    walked.with_context(|| format!("cannot read {id} of {}", path.display()))
}

fn is_partial(repository: &git2::Repository) -> Result<bool> {
    let config = repository.config()?;
    let mut entries = config.entries(Some("^remote\\..*\\.promisor$"))?;
    Ok(entries.next().is_some())
}

/// Returns the files whose state is not that of the commit, but for ignored ones, as `git status --short` marks them.
/// Neither the index nor anything else is written.
fn uncommitted(repository: &git2::Repository) -> Result<Vec<String>> {
    if repository.is_bare() {
        return Ok(Vec::new());
    }
    let mut options = git2::StatusOptions::new();
    options.include_untracked(true).include_ignored(false).exclude_submodules(true);
    let statuses = repository.statuses(Some(&mut options))?;
    Ok(statuses
        .iter()
        .filter(|entry| entry.status() != git2::Status::CURRENT)
        .map(|entry| format!("{} {}", mark(entry.status()), String::from_utf8_lossy(entry.path_bytes())))
        .collect())
}

fn mark(status: git2::Status) -> &'static str {
    use git2::Status;
    if status.contains(Status::CONFLICTED) {
        "conflict"
    } else if status == Status::WT_NEW {
        "untracked"
    } else if status.intersects(Status::INDEX_NEW) {
        "added"
    } else if status.intersects(Status::INDEX_DELETED | Status::WT_DELETED) {
        "deleted"
    } else {
        "modified"
    }
}

fn listed(changes: &[String]) -> String {
    let mut lines: Vec<String> = changes.iter().take(SHOWN).map(|change| format!("    {change}")).collect();
    if changes.len() > SHOWN {
        lines.push(format!("    … and {} more", changes.len() - SHOWN));
    }
    lines.join("\n")
}
