//! Operations on directory trees.

use crate::digest::Digest;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Returns a directory as the user would type it here.
pub fn shown(directory: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    directory.strip_prefix(here).unwrap_or(directory).display().to_string()
}

/// Copies a directory with its links and modes into a directory that may exist already.
///
/// # Errors
/// Also if a symbolic link is in the way, through which a file would be written elsewhere.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.with_context(|| format!("copying {}", from.display()))?;
        let name = entry.path().strip_prefix(from)?;
        // `to/` would follow a link that `to` is.
        let target = if name.as_os_str().is_empty() { to.to_owned() } else { to.join(name) };
        ensure!(
            !target.is_symlink(),
            "{} is a symbolic link, and nothing is written through it",
            target.display()
        );
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target)?;
        } else {
            copy_one(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Copies a file with its mode, or a link as the link that it is.
pub fn copy_one(from: &Path, to: &Path) -> Result<()> {
    if from.is_symlink() {
        fs::os::unix::fs::symlink(fs::read_link(from)?, to)?;
    } else {
        fs::copy(from, to)?;
    }
    Ok(())
}

/// Checks that every symbolic link below a directory leads to a place inside of it, so that whatever reads the
/// files reads nothing else of this machine.
///
/// A target may begin with `..`, which leads from the link's own, real directory to a real one; it then names
/// files, which may be links that lead inside in turn. A `..` after a name could lead anywhere.
pub fn require_links_inside(directory: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(directory).min_depth(1) {
        let entry = entry.with_context(|| format!("looking for links in {}", directory.display()))?;
        if !entry.file_type().is_symlink() {
            continue;
        }
        let target = fs::read_link(entry.path())?;
        let mut parts = target.components().filter(|part| *part != Component::CurDir).peekable();
        let mut ups = 0;
        while parts.next_if_eq(&Component::ParentDir).is_some() {
            ups += 1;
        }
        if ups >= entry.depth() || parts.any(|part| !matches!(part, Component::Normal(_))) {
            bail!(
                "{} is a symbolic link to {}, which leads out of its tree: a file of this machine would be read\n  \
                 Have it lead to a file of the tree, by the shortest way, or remove it.",
                entry.path().strip_prefix(directory)?.display(),
                target.display()
            );
        }
    }
    Ok(())
}

/// Removes the file, link or directory at a path, following no link. Another process may have removed it meanwhile.
pub fn remove(path: &Path) -> Result<()> {
    let removed = path.symlink_metadata().and_then(|metadata| match metadata.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    });
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Sets one time, in seconds since 1970, and modes that do not depend on the umask for everything in a directory.
pub fn normalize(directory: &Path, time: i64) -> Result<()> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time)?);
    for entry in walkdir::WalkDir::new(directory) {
        let entry = entry?;
        let mode = if entry.file_type().is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(mode))?;
        fs::File::open(entry.path())?.into_file().set_modified(time)?;
    }
    Ok(())
}

/// Returns the paths in a directory, sorted by name.
pub fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Copies a file to a place whose directory may not exist yet.
pub fn copy_file(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file is in a directory")?)?;
    fs::copy(from, to)?;
    Ok(())
}

/// Copies the files in a directory that have one of the wanted names, and no link.
pub fn copy_files(from: &Path, into: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_file() && is_wanted(&name.to_string_lossy()) {
            fs::copy(entry.path(), into.join(name))?;
        }
    }
    Ok(())
}

/// Returns the [`content`] of every file and link below a directory, by its path.
pub fn contents(directory: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(directory) {
        let entry = entry.with_context(|| format!("reading {}", directory.display()))?;
        if !entry.file_type().is_dir() {
            found.insert(entry.path().strip_prefix(directory)?.to_owned(), content(entry.path())?);
        }
    }
    Ok(found)
}

/// Returns the checksum of everything that git would store of a directory: names, contents, links, executable bits.
pub fn digest(directory: &Path) -> Result<Digest> {
    let lines =
        contents(directory)?.into_iter().map(|(path, content)| format!("{} {content}", path.display()));
    Ok(Digest::of(lines.collect::<Vec<_>>().join("\n")))
}

/// Returns a description of what git would store of one file or link: the target, or the checksum and the executable
/// bit.
pub fn content(path: &Path) -> Result<String> {
    let metadata = fs::symlink_metadata(path)?;
    Ok(if metadata.is_symlink() {
        format!("-> {}", fs::read_link(path)?.display())
    } else {
        format!("{} {}", Digest::of_file(path)?, metadata.permissions().mode() & 0o100 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_links_inside() {
        let scratch = tempfile::tempdir().unwrap();
        let tree = scratch.path().join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        let link = tree.join("a/b/link");
        for (target, inside) in [
            ("file", true),
            ("./file", true),
            ("../../file", true),
            ("../b/file", true),
            ("..", true),
            ("../..", true),
            ("../../..", false),
            ("../../../tree/file", false),
            ("/etc/passwd", false),
            ("/", false),
            // If `dir` is a link to the root, this leads out of it.
            ("dir/../file", false),
            ("../b/../file", false),
        ] {
            fs::os::unix::fs::symlink(target, &link).unwrap();
            let found = require_links_inside(&tree).map_err(|error| error.to_string());
            assert_eq!(found.is_ok(), inside, "{target}: {found:?}");
            if let Err(error) = found {
                assert!(error.starts_with(&format!("a/b/link is a symbolic link to {target},")), "{error}");
            }
            fs::remove_file(&link).unwrap();
        }
    }

    #[test]
    fn removes_a_file_that_another_removes() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        let both_ready = std::sync::Barrier::new(2);
        for _ in 0..500 {
            fs::write(&path, "").unwrap();
            let remove = || {
                both_ready.wait();
                super::remove(&path)
            };
            std::thread::scope(|scope| {
                [scope.spawn(remove), scope.spawn(remove)].map(|one| one.join().unwrap().unwrap())
            });
        }
    }

    #[test]
    fn removes_links_and_what_is_in_directories() {
        let scratch = tempfile::tempdir().unwrap();
        let [directory, link] = ["directory", "link"].map(|name| scratch.path().join(name));
        fs::create_dir_all(directory.join("inner")).unwrap();
        fs::os::unix::fs::symlink(&directory, &link).unwrap();
        remove(&link).unwrap();
        assert!(directory.join("inner").is_dir() && !link.is_symlink());
        remove(&directory).unwrap();
        remove(&directory).unwrap();
        assert!(!directory.exists());
    }

    #[test]
    fn copies_nothing_through_links() {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        fs::create_dir_all(path("from/dir")).unwrap();
        fs::create_dir_all(path("outside")).unwrap();
        fs::write(path("from/dir/file"), "ours").unwrap();
        fs::write(path("outside/file"), "outside").unwrap();
        for (at, target) in
            [("to", "outside"), ("to/dir", "../outside"), ("to/dir/file", "../../outside/file")]
        {
            fs::create_dir_all(path(at).parent().unwrap()).unwrap();
            fs::os::unix::fs::symlink(target, path(at)).unwrap();
            let error = copy(&path("from"), &path("to")).unwrap_err().to_string();
            assert!(error.contains(at) && error.contains("is a symbolic link"), "{at}: {error}");
            assert_eq!(fs::read_to_string(path("outside/file")).unwrap(), "outside", "{at}");
            assert_eq!(fs::read_dir(path("outside")).unwrap().count(), 1, "{at}");
            fs::remove_file(path(at)).unwrap();
        }
    }

    #[test]
    fn digest_covers_what_git_tracks_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        let permit = |mode| fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        fs::write(&file, "text").unwrap();
        permit(0o644);
        let plain = digest(directory.path()).unwrap();
        permit(0o600);
        assert_eq!(digest(directory.path()).unwrap(), plain);
        permit(0o755);
        let program = digest(directory.path()).unwrap();
        fs::write(&file, "other").unwrap();
        let other = digest(directory.path()).unwrap();
        fs::os::unix::fs::symlink("file", directory.path().join("link")).unwrap();
        let linked = digest(directory.path()).unwrap();
        let all: std::collections::BTreeSet<_> = [plain, program, other, linked].into_iter().collect();
        assert_eq!(all.len(), 4);
    }
}
