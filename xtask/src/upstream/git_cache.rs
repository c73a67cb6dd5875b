//! Fetched repositories: a directory for each URL, and in it a bare repository for each commit.
//!
//! A repository is fetched below a scratch name, under the file lock of its URL, and appears by rename. After that
//! nothing changes it, so it is read without the lock. Leftovers of a killed git, such as its lock files or an
//! incomplete pack, are removed by the next fetch of the URL.

use super::checkout::{self, Commit};
use super::transfer::{self, GitSettings};
use crate::atomic_file;
use crate::context::Context;
use crate::digest::Digest;
use crate::dir;
use crate::file_lock::FileLock;
use crate::lockfile::Lockfile;
use crate::repository;
use crate::url::without_credentials;
use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The beginning of the scratch names.
const FETCHING: &str = "fetching-";

/// Returns the commit of a tag, as locked, which is fetched if the cache does not have it.
pub fn tag(context: &Context, lock: &Lockfile, git: &GitSettings, url: &str, tag: &str) -> Result<Commit> {
    let cached = Cached::of(context, git, url);
    if let Some(id) = lock.commit(url, tag)
        && let Some(commit) = cached.commit(&id)?
    {
        return Ok(commit);
    }
    let name = format!("refs/tags/{tag}");
    if !git.may_transfer(context) {
        return Err(cached.not_cached(&name));
    }
    let Some(commit) = cached.named(&name)? else {
        let near = nearest(transfer::tags(context, git, url)?.into_keys().collect(), tag);
        bail!("{} has no tag {tag}\n  nearest: {}", without_credentials(url), near.join(", "));
    };
    lock.agree_on_commit(context, url, tag, &commit.id)?;
    Ok(commit)
}

/// Returns the commit that a branch, tag or commit id means at a URL. Nothing is locked.
pub fn reference(context: &Context, git: &GitSettings, url: &str, name: &str) -> Result<Commit> {
    let cached = Cached::of(context, git, url);
    if is_hexadecimal(name) && name.len() == 40 {
        return cached.by_id(&name.to_ascii_lowercase());
    }
    if let Some(commit) = cached.named(name)? {
        return Ok(commit);
    }
    if is_hexadecimal(name)
        && let Some(commit) = cached.abbreviated(&name.to_ascii_lowercase())?
    {
        return Ok(commit);
    }
    if !git.may_transfer(context) {
        return Err(cached.not_cached(name));
    }
    let remedy = match is_hexadecimal(name) {
        true => {
            "\n  A server accepts only complete commit ids (40 hexadecimal digits), and the cache has none with this prefix."
        }
        false => "",
    };
    bail!("{} has no branch or tag {name}{remedy}", without_credentials(url))
}

/// Returns the directory of a commit's repository.
pub fn place(git: &GitSettings, url: &str, commit: &str) -> PathBuf {
    directory(git, url).join(format!("{commit}.git"))
}

/// Returns the directory of a URL.
fn directory(git: &GitSettings, url: &str) -> PathBuf {
    let shown = without_credentials(url);
    let name = super::commands::file_name(shown.trim_end_matches('/').trim_end_matches(".git"));
    git.directory.join(format!("{name}-{}", Digest::of(url).short()))
}

fn is_hexadecimal(name: &str) -> bool {
    name.len() >= 4 && name.len() <= 40 && name.chars().all(|digit| digit.is_ascii_hexdigit())
}

/// The repositories of one URL.
struct Cached<'a> {
    context: &'a Context,
    git: &'a GitSettings,
    url: &'a str,
    directory: PathBuf,
}

impl<'a> Cached<'a> {
    fn of(context: &'a Context, git: &'a GitSettings, url: &'a str) -> Cached<'a> {
        Cached { context, git, url, directory: directory(git, url) }
    }

    /// Returns a commit that is in the cache. One that cannot be read, as after a power cut, is not.
    fn commit(&self, id: &str) -> Result<Option<Commit>> {
        let repository = place(self.git, self.url, id);
        if !repository.exists() {
            return Ok(None);
        }
        match repository::open(&repository) {
            Err(error) if repository::code(&error) == Some(git2::ErrorCode::Owner) => Err(error),
            Ok(opened) if opened.find_commit(id.parse()?).is_ok() => {
                Ok(Some(Commit { repository, id: id.to_owned() }))
            }
            _ => Ok(None),
        }
    }

    /// Returns the commit of a complete id, which never changes.
    fn by_id(&self, id: &str) -> Result<Commit> {
        match self.commit(id)? {
            Some(commit) => Ok(commit),
            None if !self.git.may_transfer(self.context) => Err(self.not_cached(id)),
            None => {
                let running = self.context.progress.step("fetch source");
                running.doing(format!("{id} from {}", without_credentials(self.url)));
                let commit = self.fetch(id, id)?;
                running.done(&id[..12]);
                Ok(commit)
            }
        }
    }

    /// Returns the commit that a name means at the server or, without a network, meant when it was last fetched.
    fn named(&self, name: &str) -> Result<Option<Commit>> {
        if !self.git.may_transfer(self.context) {
            return self.remembered(name);
        }
        let running = self.context.progress.step("fetch source");
        running.doing(format!("{name} from {}", without_credentials(self.url)));
        let Some(found) = transfer::look_up(self.context, self.git, self.url, name)? else {
            running.done(format!("no branch or tag {name}"));
            return Ok(None);
        };
        let commit = self.fetch(&found.name, &found.commit)?;
        self.remember(name, &commit.id)?;
        running.done(format!("{} {}", name.trim_start_matches("refs/tags/"), &commit.id[..12]));
        Ok(Some(commit))
    }

    /// Fetches the commit that a name means at the server, unless the cache has it already.
    fn fetch(&self, name: &str, expected: &str) -> Result<Commit> {
        if let Some(commit) = self.commit(expected)? {
            return Ok(commit);
        }
        fs::create_dir_all(&self.directory)?;
        let _lock = FileLock::acquire(self.context, &self.directory.join("lock"))?;
        // The process that had the file lock may have fetched the same.
        if let Some(commit) = self.commit(expected)? {
            return Ok(commit);
        }
        self.remove_leftovers()?;
        // Readable by all who may read the cache, unlike other scratch directories.
        let scratch = tempfile::Builder::new()
            .prefix(FETCHING)
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir_in(&self.directory)?;
        repository::init_bare(scratch.path())?;
        transfer::fetch(self.context, self.git, scratch.path(), self.url, name)?;
        let id = checkout::resolve(scratch.path(), transfer::FETCHED)?;
        let repository = place(self.git, self.url, &id);
        // The name may have moved meanwhile, to a commit that is there.
        if let Some(commit) = self.commit(&id)? {
            return Ok(commit);
        }
        dir::remove(&repository)?;
        fs::rename(scratch.keep(), &repository)?;
        Ok(Commit { repository, id })
    }

    /// Removes what killed fetches have left. The file lock says that no other is under way; a git that was killed
    /// this moment may still write into its own directory, which is left to the next fetch then.
    fn remove_leftovers(&self) -> Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(FETCHING.as_bytes()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    /// Returns the one commit in the cache whose id begins so.
    fn abbreviated(&self, beginning: &str) -> Result<Option<Commit>> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Ok(None) };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            found.extend(name.strip_suffix(".git").filter(|id| id.starts_with(beginning)).map(str::to_owned));
        }
        match found.as_slice() {
            [] => Ok(None),
            [id] => self.commit(id),
            ids => bail!("{beginning} is ambiguous in the cache: {}", ids.join(", ")),
        }
    }

    /// Returns the file that records the commit to which a name last resolved.
    fn memory(&self, name: &str) -> PathBuf {
        self.directory.join("names").join(Digest::of(name).short())
    }

    fn remember(&self, name: &str, id: &str) -> Result<()> {
        atomic_file::write(&self.memory(name), id.as_bytes(), 0o644)
            .context("keeping what a name means for use without a network")
    }

    fn remembered(&self, name: &str) -> Result<Option<Commit>> {
        match fs::read_to_string(self.memory(name)) {
            Ok(id) if is_hexadecimal(id.trim()) => self.commit(id.trim()),
            _ => Ok(None),
        }
    }

    fn not_cached(&self, name: &str) -> anyhow::Error {
        anyhow!(
            "{name} of {} is not in the cache, and --offline forbids fetching it",
            without_credentials(self.url)
        )
    }
}

/// Returns the tags most like the one that is not there: those of the same minor version, newest first.
fn nearest(mut tags: Vec<String>, name: &str) -> Vec<String> {
    let shared = |tag: &String| tag.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
    tags.sort_by_key(|tag| (std::cmp::Reverse(shared(tag)), tag.len().abs_diff(name.len())));
    tags.truncate(3);
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_tags_share_the_longest_beginning() {
        let tags = ["v1.2.0", "v1.33.1+k3s1", "v1.33.0+k3s1", "v1.33.0-rc1+k3s1"].map(str::to_owned).to_vec();
        assert_eq!(nearest(tags, "v1.33.0+k3s2"), ["v1.33.0+k3s1", "v1.33.0-rc1+k3s1", "v1.33.1+k3s1"]);
    }

    #[test]
    fn directories_are_named_without_credentials() {
        let git = GitSettings {
            configuration: Vec::new(),
            directory: "/cache".into(),
            reach: transfer::Reach::Network,
        };
        for url in ["https://me:secret@host", "https://me:secret@host/k3s.git"] {
            assert!(!place(&git, url, "id").to_string_lossy().contains("secret"), "{url}");
        }
    }
}
