//! Git repositories: opening existing ones, with remedies in the errors, and creating our own.

use crate::process::quoted;
use crate::trust;
use crate::url::file_url;
use anyhow::{Context as _, Result};
use fs_err as fs;
use nix::unistd::Uid;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Opens the repository whose root is `path`.
///
/// # Errors
/// Each names the path and the remedy; the libgit2 error below it keeps its code.
pub fn open(path: &Path) -> Result<git2::Repository> {
    git2::Repository::open(path).map_err(|error| {
        let explained = explain(path, &error);
        anyhow::Error::new(error).context(explained)
    })
}

/// Returns why libgit2 could not open a repository, if that is what failed.
pub fn code(error: &anyhow::Error) -> Option<git2::ErrorCode> {
    error.downcast_ref::<git2::Error>().map(git2::Error::code)
}

fn explain(path: &Path, error: &git2::Error) -> String {
    let shown = path.display();
    match error.code() {
        // In a container, for instance, where the checkout was made by a user outside of it. git compares
        // the directory's real path.
        git2::ErrorCode::Owner => format!(
            "{shown} belongs to {}, and git trusts only the user's own repositories\n  \
             If you trust it: git config --global --add safe.directory {}",
            owner(path),
            quoted(&fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy())
        ),
        git2::ErrorCode::NotFound => format!(
            "{shown} is not a git repository\n  For a directory without history: git init, git add -A, git commit"
        ),
        _ if error.message().to_ascii_lowercase().contains("partialclone") => partial(path),
        _ if error.message().contains("unsupported extension") => format!(
            "{shown} is a git repository in a format that only git itself reads\n  \
             Give it as a URL, which git fetches from: {}",
            quoted(&file_url(&fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())))
        ),
        _ => format!("{shown} is a git repository that cannot be read"),
    }
}

/// Explains that a repository is a partial clone.
pub fn partial(path: &Path) -> String {
    format!(
        "{} is a partial clone (git clone --filter): files of its commits are at the server only\n  \
         Give the URL that it was cloned from, with --ref, or clone it without --filter.",
        path.display()
    )
}

/// Names the owner of a repository, which git refuses if it is not the caller.
fn owner(path: &Path) -> String {
    let owners = [path.to_owned(), path.join(".git")].into_iter().filter_map(|path| fs::metadata(path).ok());
    let other = owners.map(|found| Uid::from_raw(found.uid())).find(|uid| *uid != Uid::effective());
    other.map_or_else(|| "another user".to_owned(), trust::user)
}

/// Creates a bare repository in git's oldest format, which libgit2 reads, independent of the user's settings.
pub fn init_bare(directory: &Path) -> Result<git2::Repository> {
    let mut options = git2::RepositoryInitOptions::new();
    options.bare(true).external_template(false).initial_head("main");
    git2::Repository::init_opts(directory, &options)
        .with_context(|| format!("cannot create {}", directory.display()))
}

/// Writes a directory as a git tree, byte by byte: with attributes and settings git itself would change files.
pub fn write_tree(repository: &git2::Repository, directory: &Path) -> Result<git2::Oid> {
    let mut builder = repository.treebuilder(None)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let (id, mode) = if kind.is_dir() {
            (write_tree(repository, &path)?, 0o040_000)
        } else if kind.is_symlink() {
            (repository.blob(fs::read_link(&path)?.as_os_str().as_bytes())?, 0o120_000)
        } else {
            let program = entry.metadata()?.permissions().mode() & 0o100 != 0;
            (repository.blob(&fs::read(&path)?)?, if program { 0o100_755 } else { 0o100_644 })
        };
        builder.insert(entry.file_name(), id, mode).with_context(|| format!("adding {}", path.display()))?;
    }
    Ok(builder.write()?)
}
