//! Checks of the directories that a run writes to and executes from: it can write to them, and only trusted users
//! can, too.

use crate::context::Context;
use crate::process::quoted;
use crate::trust::{Trust, user};
use anyhow::{Result, bail};
use fs_err as fs;
use nix::unistd::{AccessFlags, Uid, access, getegid, geteuid};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A problem of a directory, with its remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    pub problem: String,
    /// A command, for root.
    pub repair: Option<String>,
    /// The variable that names another directory.
    variable: &'static str,
}

/// Checks that `target/` and the cache can be used. The error names the path, its owner and the remedy.
pub fn require(context: &Context) -> Result<()> {
    let Some(Obstacle { problem, repair, variable }) = obstacles(context)?.into_iter().next() else {
        return Ok(());
    };
    let repair = repair.map(|command| format!("\n  as root: {command}")).unwrap_or_default();
    bail!("{problem}{repair}\n  or choose another directory: {variable}=DIR")
}

/// Returns the first obstacle in each of `target/` and the cache.
pub fn obstacles(context: &Context) -> Result<Vec<Obstacle>> {
    let trust = Trust::of(context)?;
    let target = context.work.parent().unwrap_or(&context.work);
    let cache = &context.cache;
    let mut found: Vec<Obstacle> = unwritable(target, "CARGO_TARGET_DIR").into_iter().collect();
    let in_target = [&context.work, &context.dist, &context.logs];
    if found.is_empty() {
        found.extend(in_target.iter().find_map(|path| foreign(path, target, "CARGO_TARGET_DIR")));
    }
    let variable = "K3S_XTASK_CACHE";
    let in_cache = unwritable(cache, variable).or_else(|| foreign(cache, cache, variable));
    found.extend(in_cache.or_else(|| open(cache, &trust, variable)));
    Ok(found)
}

/// Checks that a directory, or the nearest above it that exists, can be written.
fn unwritable(path: &Path, variable: &'static str) -> Option<Obstacle> {
    let existing = path.ancestors().find(|path| path.exists())?;
    let errno = access(existing, AccessFlags::W_OK | AccessFlags::X_OK).err()?;
    let belongs = belonging(existing);
    let problem = format!("{} cannot be written ({}): {belongs}", existing.display(), errno.desc());
    let repair = (errno == nix::errno::Errno::EACCES).then(|| chown(existing));
    Some(Obstacle { problem, repair, variable })
}

/// Returns an obstacle if another user's file below a directory cannot be written.
fn foreign(path: &Path, root: &Path, variable: &'static str) -> Option<Obstacle> {
    let entries = walkdir::WalkDir::new(path).min_depth(1).max_depth(2).into_iter().filter_map(Result::ok);
    let is_foreign = |path: &Path| {
        let ours = path.symlink_metadata().is_ok_and(|metadata| metadata.uid() == geteuid().as_raw());
        !ours && access(path, AccessFlags::W_OK).is_err()
    };
    let found = entries.map(walkdir::DirEntry::into_path).find(|path| is_foreign(path))?;
    let problem = format!("{} cannot be written: {}", found.display(), belonging(&found));
    Some(Obstacle { problem, repair: Some(chown(root)), variable })
}

/// Returns an obstacle if other users could write what a run executes.
fn open(cache: &Path, trust: &Trust, variable: &'static str) -> Option<Obstacle> {
    let entries = walkdir::WalkDir::new(fs::canonicalize(cache).ok()?).max_depth(1).into_iter();
    let mut directories = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_dir());
    directories.find_map(|entry| {
        let reason = trust.objection(&entry.metadata().ok()?)?;
        let path = entry.path();
        let problem = format!("{} {reason}, and what is in it is executed", path.display());
        let repair = format!("chmod -R go-w {}", quoted(&path.to_string_lossy()));
        let repair = if reason.starts_with("can be written") { repair } else { chown(cache) };
        Some(Obstacle { problem, repair: Some(repair), variable })
    })
}

fn chown(path: &Path) -> String {
    format!("chown -R {}:{} {}", geteuid(), getegid(), quoted(&path.to_string_lossy()))
}

/// Describes owner and caller: `it belongs to root (mode 755), and you are me`.
fn belonging(path: &Path) -> String {
    let Ok(metadata) = path.symlink_metadata() else { return "it is not there any more".to_owned() };
    let (owner, caller) = (user(Uid::from_raw(metadata.uid())), user(geteuid()));
    format!("it belongs to {owner} (mode {:o}), and you are {caller}", metadata.mode() & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Network;
    use std::os::unix::fs::PermissionsExt;

    fn context(target: &Path) -> Context {
        let context = Context::new(None, Network::Allowed).unwrap();
        let [work, dist, logs, cache] = ["work", "dist", "logs", "cache"].map(|name| target.join(name));
        Context { work, dist, logs, cache, ..context }
    }

    #[test]
    fn directories_that_are_not_there_yet_are_no_obstacle() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(obstacles(&context(&scratch.path().join("a/b"))).unwrap(), []);
    }

    #[test]
    fn a_cache_that_every_user_can_write_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let context = context(scratch.path());
        fs::create_dir_all(context.cache.join("git")).unwrap();
        for path in [context.cache.clone(), context.cache.join("git")] {
            fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
            let error = require(&context).unwrap_err().to_string();
            assert!(error.contains(&format!("{} can be written by every user", path.display())), "{error}");
            assert!(error.contains(&format!("chmod -R go-w {}", path.display())), "{error}");
            fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        require(&context).unwrap();
    }
}
