//! One commit of a repository as plain files, which any tool can read and patch, and as a commit
//! again, whose name proves that they are its files.

use crate::repository;
use crate::upstream::checkout::{self, Commit};
use anyhow::{Result, ensure};
use fs_err as fs;
use std::path::Path;

/// Returns the file beside the directory with the commit as git keeps it (gitformat-pack(5): an object of type commit).
fn raw_name(name: &str) -> String {
    format!("{name}.commit")
}

/// Writes the files of a commit into the directory `name`, and the commit itself beside it.
pub fn export(commit: &Commit, name: &str, into: &Path) -> Result<()> {
    let files = into.join(name);
    fs::create_dir(&files)?;
    checkout::export(commit, &files)?;
    fs::write(into.join(raw_name(name)), checkout::raw(commit)?)?;
    Ok(())
}

/// Makes a bare repository of what [`export`] has written.
///
/// # Errors
/// If the files are not those of the commit.
pub fn import(from: &Path, name: &str, id: &str, repository: &Path) -> Result<Commit> {
    let made = repository::init_bare(repository)?;
    let tree = repository::write_tree(&made, &from.join(name))?;
    let raw = fs::read(from.join(raw_name(name)))?;
    let expected = format!("tree {tree}\n");
    let found = made.odb()?.write(git2::ObjectType::Commit, &raw)?;
    ensure!(
        raw.starts_with(expected.as_bytes()) && found.to_string() == id,
        "{} does not hold the files of commit {id}, nothing more and nothing less",
        from.join(name).display()
    );
    Ok(Commit { repository: repository.to_owned(), id: id.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Returns a repository with a program, a link, a directory and a file that git would rather write otherwise.
    fn exported(scratch: &Path) -> String {
        let repository = git2::Repository::init(scratch.join("work")).unwrap();
        let work = scratch.join("work");
        fs::create_dir(work.join("scripts")).unwrap();
        fs::write(work.join("scripts/build"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(work.join("scripts/build"), PermissionsExt::from_mode(0o755)).unwrap();
        fs::write(work.join(".gitattributes"), "* text eol=crlf\n").unwrap();
        fs::write(work.join("README"), "one\ntwo\n").unwrap();
        fs::os::unix::fs::symlink("README", work.join("link")).unwrap();
        let mut index = repository.index().unwrap();
        index.add_all(["*"], git2::IndexAddOption::FORCE, None).unwrap();
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        let author = git2::Signature::new("test", "test@localhost", &git2::Time::new(0, 0)).unwrap();
        let id = repository.commit(Some("HEAD"), &author, &author, "message", &tree, &[]).unwrap();
        let commit = Commit { repository: work, id: id.to_string() };
        export(&commit, "k3s", scratch).unwrap();
        commit.id
    }

    #[test]
    fn files_become_the_commit_they_came_from() {
        let scratch = tempfile::tempdir().unwrap();
        let id = exported(scratch.path());
        let commit = import(scratch.path(), "k3s", &id, &scratch.path().join("again.git")).unwrap();
        assert_eq!(checkout::read(&commit, "README").unwrap().as_deref(), Some("one\ntwo\n"));
    }

    #[test]
    fn files_that_are_not_the_commits_are_refused() {
        type Change = fn(&Path);
        let changes: [Change; 4] = [
            |files| fs::write(files.join("README"), "three\n").unwrap(),
            |files| fs::write(files.join("more"), "").unwrap(),
            |files| fs::remove_file(files.join("link")).unwrap(),
            |files| fs::set_permissions(files.join("README"), PermissionsExt::from_mode(0o755)).unwrap(),
        ];
        for change in changes {
            let scratch = tempfile::tempdir().unwrap();
            let id = exported(scratch.path());
            change(&scratch.path().join("k3s"));
            let refused = import(scratch.path(), "k3s", &id, &scratch.path().join("again.git")).unwrap_err();
            assert!(refused.to_string().contains("nothing more and nothing less"), "{refused}");
        }
    }
}
