//! Folders as wholes.

use crate::digest::Digest;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A folder as the person would type it here.
pub fn shown(folder: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    folder.strip_prefix(here).unwrap_or(folder).display().to_string()
}

/// Copies a folder with its links and modes into a folder that may be there already.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.with_context(|| format!("copying {}", from.display()))?;
        let target = to.join(entry.path().strip_prefix(from)?);
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

/// Gives everything in a folder one time, in seconds since 1970, and modes that do not depend on the umask of
/// whoever made it.
pub fn settle(folder: &Path, time: i64) -> Result<()> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time)?);
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry?;
        let mode = if entry.file_type().is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(mode))?;
        fs::File::open(entry.path())?.into_file().set_modified(time)?;
    }
    Ok(())
}

/// The sum of all that git would keep of a folder: names, contents, links, and which files are programs.
pub fn digest(folder: &Path) -> Result<Digest> {
    let mut lines = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        if !entry.file_type().is_dir() {
            let name = entry.path().strip_prefix(folder)?.display();
            lines.push(format!("{name} {}", content(entry.path())?));
        }
    }
    Ok(Digest::of(lines.join("\n")))
}

/// What git would keep of one file or link: whither it leads, or its sum and whether it is a program.
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
    fn everything_that_git_would_keep_changes_the_sum_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let permit = |mode| fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        fs::write(&file, "text").unwrap();
        permit(0o644);
        let plain = digest(folder.path()).unwrap();
        permit(0o600);
        assert_eq!(digest(folder.path()).unwrap(), plain);
        permit(0o755);
        let program = digest(folder.path()).unwrap();
        fs::write(&file, "other").unwrap();
        let other = digest(folder.path()).unwrap();
        fs::os::unix::fs::symlink("file", folder.path().join("link")).unwrap();
        let linked = digest(folder.path()).unwrap();
        let all: std::collections::BTreeSet<_> = [plain, program, other, linked].into_iter().collect();
        assert_eq!(all.len(), 4);
    }
}
