//! A commit of a repository on this machine, read by libgit2.

use crate::dir;
use crate::repository;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use fs_err::os::unix::fs::{OpenOptionsExt, symlink};
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A commit and a repository on this machine that has it.
#[derive(Clone, Debug)]
pub struct Commit {
    pub repository: PathBuf,
    /// 40 hexadecimal digits.
    pub id: String,
}

/// Writes the files of a commit into an empty directory, byte for byte, independent of attributes and the user's
/// settings (filters, `core.symlinks`, `core.fileMode` …).
///
/// # Errors
/// If git itself would refuse a name, or a link leads out of the directory. Nothing is written through a link, since
/// each entry is new.
pub fn export(commit: &Commit, directory: &Path) -> Result<()> {
    let repository = repository::open(&commit.repository)?;
    let tree = repository.find_commit(commit.id.parse()?)?.tree()?;
    write_tree(&repository, &tree, directory)
        .and_then(|()| dir::require_links_inside(directory))
        .with_context(|| format!("cannot check {} out of {}", commit.id, commit.repository.display()))
}

fn write_tree(repository: &git2::Repository, tree: &git2::Tree<'_>, directory: &Path) -> Result<()> {
    for entry in tree {
        let path = directory.join(file_name(entry.name_bytes())?);
        match entry.filemode() {
            0o040_000 => {
                fs::create_dir(&path)?;
                write_tree(repository, &repository.find_tree(entry.id())?, &path)?;
            }
            0o120_000 => symlink(OsStr::from_bytes(repository.find_blob(entry.id())?.content()), &path)?,
            // A submodule, which is another repository's: an empty directory, as in a clone.
            0o160_000 => fs::create_dir(&path)?,
            mode => {
                let mode = if mode & 0o111 == 0 { 0o666 } else { 0o777 };
                let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
                file.write_all(repository.find_blob(entry.id())?.content())?;
            }
        }
    }
    Ok(())
}

/// Checks a name in a tree: it leads to no other directory and to no repository inside the checkout.
fn file_name(bytes: &[u8]) -> Result<&OsStr> {
    let refused: [&[u8]; 3] = [b"", b".", b".."];
    let name = OsStr::from_bytes(bytes);
    ensure!(
        !refused.contains(&bytes) && !bytes.contains(&b'/') && !bytes.eq_ignore_ascii_case(b".git"),
        "a tree names a file {name:?}, which git refuses, too"
    );
    Ok(name)
}

/// Returns the text of one file of a commit, if it is there.
pub fn read(commit: &Commit, path: &str) -> Result<Option<String>> {
    let repository = repository::open(&commit.repository)?;
    let tree = repository.find_commit(commit.id.parse()?)?.tree()?;
    let Ok(entry) = tree.get_path(Path::new(path)) else { return Ok(None) };
    let blob = repository.find_blob(entry.id()).with_context(|| format!("{path} of {}", commit.id))?;
    Ok(Some(String::from_utf8_lossy(blob.content()).into_owned()))
}

/// Returns a commit as git stores it: its tree, parents, author and message.
pub fn raw(commit: &Commit) -> Result<Vec<u8>> {
    Ok(repository::open(&commit.repository)?.odb()?.read(commit.id.parse()?)?.data().to_vec())
}

/// Returns the time of a commit, in seconds since 1970.
pub fn time(commit: &Commit) -> Result<i64> {
    Ok(repository::open(&commit.repository)?.find_commit(commit.id.parse()?)?.time().seconds())
}

/// Opens a repository and peels a name to the commit it means.
pub fn resolve(repository: &Path, name: &str) -> Result<String> {
    resolve_in(&repository::open(repository)?, name)
}

/// Peels a name to the commit that it means in a repository.
pub fn resolve_in(repository: &git2::Repository, name: &str) -> Result<String> {
    let path = repository.workdir().unwrap_or(repository.path()).display();
    let object = repository
        .revparse_single(name)
        .with_context(|| format!("{path} has no branch, tag or commit {name:?}"))?;
    let Ok(commit) = object.peel_to_commit() else { bail!("{name} of {path} is not a commit") };
    Ok(commit.id().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Returns a commit of these entries: name, mode and content.
    fn commit(directory: &Path, entries: &[(&str, i32, &str)]) -> Commit {
        let repository = git2::Repository::init_bare(directory).unwrap();
        let mut tree = Vec::new();
        for (name, mode, content) in entries {
            let id = repository.blob(content.as_bytes()).unwrap();
            tree.extend(format!("{mode:o} {name}\0").bytes());
            tree.extend(id.as_bytes());
        }
        // Written as bytes: a tree builder refuses what a hostile server would send.
        let tree = repository.odb().unwrap().write(git2::ObjectType::Tree, &tree).unwrap();
        let tree = repository.find_tree(tree).unwrap();
        let author = git2::Signature::new("test", "test@localhost", &git2::Time::new(0, 0)).unwrap();
        let id = repository.commit(Some("HEAD"), &author, &author, "message", &tree, &[]).unwrap();
        Commit { repository: directory.to_owned(), id: id.to_string() }
    }

    #[test]
    fn exports_links_modes_and_bytes_despite_settings() {
        let scratch = tempfile::tempdir().unwrap();
        let entries = [
            (".gitattributes", 0o100_644, "* text eol=crlf\n"),
            ("aux", 0o100_755, "a\n"),
            ("link", 0o120_000, "aux"),
        ];
        let commit = commit(&scratch.path().join("k3s.git"), &entries);
        let mut settings = git2::Repository::open(&commit.repository).unwrap().config().unwrap();
        for (key, value) in [
            ("core.symlinks", "false"),
            ("core.fileMode", "false"),
            ("core.autocrlf", "true"),
            ("core.protectNTFS", "true"),
            ("core.ignoreCase", "true"),
        ] {
            settings.set_str(key, value).unwrap();
        }
        let files = scratch.path().join("files");
        fs::create_dir(&files).unwrap();
        export(&commit, &files).unwrap();
        assert_eq!(fs::read_link(files.join("link")).unwrap(), Path::new("aux"));
        assert_eq!(fs::read(files.join("aux")).unwrap(), b"a\n");
        assert_eq!(fs::metadata(files.join("aux")).unwrap().permissions().mode() & 0o100, 0o100);
    }

    #[test]
    fn refuses_names_that_lead_elsewhere() {
        for name in ["..", ".", ".git", ".GIT", "../x"] {
            let scratch = tempfile::tempdir().unwrap();
            let commit = commit(&scratch.path().join("k3s.git"), &[(name, 0o100_644, "x")]);
            let files = scratch.path().join("files");
            fs::create_dir(&files).unwrap();
            assert!(export(&commit, &files).is_err(), "{name}");
            assert_eq!(fs::read_dir(&files).unwrap().count(), 0, "{name}");
        }
    }

    #[test]
    fn never_writes_through_a_link_of_the_tree() {
        let scratch = tempfile::tempdir().unwrap();
        let outside = scratch.path().join("outside");
        let target = outside.to_str().unwrap();
        let commit =
            commit(&scratch.path().join("k3s.git"), &[("a", 0o120_000, target), ("a", 0o100_644, "x")]);
        let files = scratch.path().join("files");
        fs::create_dir(&files).unwrap();
        assert!(export(&commit, &files).is_err());
        assert!(!outside.exists());
    }
}
