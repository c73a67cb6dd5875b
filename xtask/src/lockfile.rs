//! `k3s.lock.json`: the commits of tags and the checksums of files at their first use, like Cargo.lock.
//!
//! A tag can be moved and a download replaced; a build uses the locked ones or fails. `build` adds missing entries and
//! prints them; `--locked` refuses instead; only `cargo xtask bump` changes an entry.

pub mod compare;
pub mod debian;
pub mod module;

use crate::atomic_file;
use crate::context::Context;
use crate::digest::Digest;
use crate::fetch::{self, Download, FileName, FirstUse};
use crate::file_lock::FileLock;
use crate::url::without_credentials;
use anyhow::{Context as _, Result, bail, ensure};
use debian::DebianPackage;
use fs_err as fs;
use module::ModuleSums;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Permission to add entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adding {
    Allowed,
    /// `--locked`.
    Forbidden,
    /// Added in memory and not printed: for the sample.
    InMemory,
    /// Printed and not written: `--dry-run`.
    Planned,
}

/// The lockfile, open for one run.
#[derive(Debug)]
pub struct Lockfile {
    path: PathBuf,
    adding: Adding,
    entries: std::sync::Mutex<Entries>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entries {
    /// Repository URL, then tag, then commit.
    #[serde(default)]
    tags: BTreeMap<String, BTreeMap<String, String>>,
    /// URL of a file, then its checksum.
    #[serde(default)]
    files: BTreeMap<String, Digest>,
    /// Go modules that images are built from, `path version`, then their checksums.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    modules: BTreeMap<String, ModuleSums>,
    /// Debian release and architecture, then package.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    debian: BTreeMap<String, BTreeMap<String, DebianPackage>>,
}

impl Entries {
    /// Reads a lockfile; a missing one is empty.
    fn read(path: &Path) -> Result<Entries> {
        let mut entries: Entries = match fs::read(path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Entries::default(),
            Err(error) => return Err(error.into()),
        };
        for (url, tags) in &mut entries.tags {
            for (tag, commit) in tags {
                // As git itself reads it; it prints lower case.
                commit.make_ascii_lowercase();
                if commit.len() != 40 || !commit.chars().all(|c| c.is_ascii_hexdigit()) {
                    bail!(
                        "{}: {url} {tag}: {commit:?} is not a commit (40 hexadecimal digits)",
                        path.display()
                    );
                }
            }
        }
        Ok(entries)
    }
}

/// Returns a URL without credentials, as the lockfile names it.
fn key(url: &str) -> String {
    without_credentials(url)
}

impl Lockfile {
    /// Reads the lockfile; a missing one is empty.
    pub fn open(path: &Path, adding: Adding) -> Result<Lockfile> {
        let entries = std::sync::Mutex::new(Entries::read(path)?);
        Ok(Lockfile { path: path.to_owned(), adding, entries })
    }

    /// Returns an empty lockfile that is not written.
    pub fn empty() -> Lockfile {
        Lockfile { path: PathBuf::new(), adding: Adding::InMemory, entries: std::sync::Mutex::default() }
    }

    /// Returns a lockfile with exactly these tags and files that refuses all others.
    pub fn holding<'a>(
        path: PathBuf,
        tags: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
        files: impl Iterator<Item = (&'a str, &'a Digest)>,
    ) -> Lockfile {
        let mut entries = Entries::default();
        for (url, tag, commit) in tags {
            entries.tags.entry(key(url)).or_default().insert(tag.to_owned(), commit.to_owned());
        }
        entries.files.extend(files.map(|(url, sum)| (key(url), sum.clone())));
        Lockfile { path, adding: Adding::Forbidden, entries: std::sync::Mutex::new(entries) }
    }

    /// Returns all tags of a repository that are locked.
    pub fn tags(&self, url: &str) -> Vec<String> {
        self.entries().tags.get(&key(url)).into_iter().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// Returns the repositories of which tags are locked, each with its tags and their commits.
    pub fn commits(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        self.entries().tags.clone()
    }

    /// Returns the repositories of which a tag is locked.
    pub fn repositories(&self, tag: &str) -> Vec<String> {
        let entries = self.entries();
        let having = entries.tags.iter().filter(|(_, tags)| tags.contains_key(tag));
        having.map(|(url, _)| url.clone()).collect()
    }

    /// Returns the URLs of the files that are locked and have this URL, or end with this name.
    pub fn files(&self, name: &str) -> Vec<String> {
        let suffix = format!("/{name}");
        let entries = self.entries();
        entries.files.keys().filter(|url| **url == key(name) || url.ends_with(&suffix)).cloned().collect()
    }

    /// Checks that entries may be added, before a file or tag that is not locked is fetched; `bump` are the arguments of
    /// `cargo xtask bump` that lock it.
    pub fn require_adding(&self, what: &str, bump: &str) -> Result<()> {
        if self.adding == Adding::Forbidden {
            bail!(
                "{} does not lock {what}, and --locked forbids adding it\n  \
                 Lock it and commit the file: cargo xtask bump {bump}",
                self.path.display()
            );
        }
        Ok(())
    }

    /// Returns the commit a tag is locked to.
    pub fn commit(&self, url: &str, tag: &str) -> Option<String> {
        self.entries().tags.get(&key(url))?.get(tag).cloned()
    }

    /// Returns the checksum a file is locked to.
    pub fn file(&self, url: &str) -> Option<Digest> {
        self.entries().files.get(&key(url)).cloned()
    }

    /// Checks a tag's commit against the lockfile, or adds it.
    pub fn agree_on_commit(&self, context: &Context, url: &str, tag: &str, found: &str) -> Result<()> {
        let shown = key(url);
        match self.commit(url, tag) {
            Some(locked) if locked == found => Ok(()),
            Some(locked) => bail!(
                "the tag {tag} of {shown} has moved\n  locked  {locked} ({})\n  found   {found}\n  \
                 Nothing was built. If upstream moved it for a reason you accept: cargo xtask bump --k3s {tag}",
                self.path.display()
            ),
            None => {
                let what = format!("{tag} of {shown}");
                self.require_adding(&what, &format!("--k3s {tag}"))?;
                self.add(context, &what, found, &compare::page_of_tag(url, tag), |entries| {
                    let tags = entries.tags.entry(shown).or_default();
                    tags.entry(tag.to_owned()).or_insert_with(|| found.to_owned()) == found
                })
            }
        }
    }

    /// Returns a file whose checksum no tree names: the locked one, or at its first use the one that is found, if `check`
    /// accepts it.
    pub fn download(
        &self,
        context: &Context,
        name: FileName,
        url: &str,
        check: &dyn Fn(&Path) -> Result<()>,
    ) -> Result<Download> {
        if let Some(sha256) = self.file(url) {
            let download = Download { name, url: url.to_owned(), sha256 };
            download.require_offline(context)?;
            return Ok(download);
        }
        let shown = key(url);
        self.require_adding(&shown, &format!("--file {}", crate::process::quoted(&shown)))?;
        let FirstUse { download, found_at } = fetch::first_use(context, &name, url, check)?;
        let page = compare::page_of_file(url);
        let from = if found_at == url { String::new() } else { format!(", from {found_at}") };
        self.add(context, &shown, &format!("{}{from}", download.sha256), &page, |entries| {
            entries.files.entry(shown.clone()).or_insert_with(|| download.sha256.clone()) == &download.sha256
        })?;
        Ok(download)
    }

    /// Locks a tag to another commit and returns the one before (`cargo xtask bump`).
    pub fn replace_commit(
        &self,
        context: &Context,
        url: &str,
        tag: &str,
        commit: &str,
    ) -> Result<Option<String>> {
        let mut before = None;
        self.change(context, |entries| {
            let tags = entries.tags.entry(key(url)).or_default();
            before = tags.insert(tag.to_owned(), commit.to_owned());
            Ok(())
        })?;
        Ok(before)
    }

    /// Locks a file to another checksum and returns the one before (`cargo xtask bump`).
    pub fn replace_file(&self, context: &Context, url: &str, sha256: &Digest) -> Result<Option<Digest>> {
        let mut before = None;
        self.change(context, |entries| {
            before = entries.files.insert(key(url), sha256.clone());
            Ok(())
        })?;
        Ok(before)
    }

    /// Adds an entry and prints it with the page to compare it with; `agrees` inserts it if there is none and returns true
    /// if the entry has this value.
    fn add(
        &self,
        context: &Context,
        what: &str,
        value: &str,
        page: &str,
        agrees: impl FnOnce(&mut Entries) -> bool,
    ) -> Result<()> {
        let action = match self.adding {
            Adding::InMemory | Adding::Planned => {
                agrees(&mut self.entries());
                "not locked yet:"
            }
            Adding::Allowed | Adding::Forbidden => {
                self.change(context, |entries| {
                    ensure!(agrees(entries), "{what} was concurrently locked to another value than {value}");
                    Ok(())
                })?;
                "locked"
            }
        };
        if self.adding != Adding::InMemory {
            context.progress.print(format!(
                "{action} {what} at {value} ({})\n  This first use was trusted. Compare it: {page}",
                self.path.display()
            ));
        }
        Ok(())
    }

    /// Changes the current file: another build may have added entries since it was read.
    fn change(&self, context: &Context, change: impl FnOnce(&mut Entries) -> Result<()>) -> Result<()> {
        let name = format!("lock-{}", Digest::of(self.path.as_os_str().as_encoded_bytes()).short());
        let _lock = FileLock::acquire(context, &context.work.join("locks").join(name))?;
        let mut entries = Entries::read(&self.path)?;
        change(&mut entries)?;
        let text = format!("{}\n", serde_json::to_string_pretty(&entries)?);
        atomic_file::write(&self.path, text.as_bytes(), 0o644)?;
        *self.entries() = entries;
        Ok(())
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().expect("nothing panics while it holds the lockfile")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::Pins;
    use crate::upstream::release::UPSTREAM;

    #[test]
    fn committed_lockfile_locks_the_default_k3s() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../k3s.lock.json");
        let lock = Lockfile::open(&path, Adding::Forbidden).unwrap();
        let default = Pins::load().unwrap().k3s.version;
        assert!(lock.commit(UPSTREAM, &default).is_some(), "{default}");
    }

    #[test]
    fn commits_are_read_in_either_case() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("k3s.lock.json");
        let commit = "C5B158798A".repeat(4);
        fs::write(&path, format!(r#"{{"tags": {{"url": {{"v1": "{commit}"}}}}}}"#)).unwrap();
        let lock = Lockfile::open(&path, Adding::Forbidden).unwrap();
        assert_eq!(lock.commit("url", "v1"), Some("c5b158798a".repeat(4)));
    }

    const URL: &str = "https://host.example/k3s";

    /// Returns an empty directory, a lockfile in it, and a context whose file locks are there, too.
    fn fixture() -> (tempfile::TempDir, PathBuf, Context) {
        let directory = tempfile::tempdir().unwrap();
        let context = Context::new(None, crate::context::Network::Forbidden).unwrap();
        let context = Context { work: directory.path().join("work"), ..context };
        let path = directory.path().join("k3s.lock.json");
        (directory, path, context)
    }

    #[test]
    fn keeps_entries_of_other_builds() {
        let (_directory, path, context) = fixture();
        let (one, other) = ("1".repeat(40), "2".repeat(40));
        let open = || Lockfile::open(&path, Adding::Allowed).unwrap();
        let (first, second, third) = (open(), open(), open());
        first.agree_on_commit(&context, URL, "v1", &one).unwrap();
        second.agree_on_commit(&context, URL, "v2", &other).unwrap();
        assert_eq!((open().commit(URL, "v1"), open().commit(URL, "v2")), (Some(one), Some(other.clone())));
        let error = third.agree_on_commit(&context, URL, "v1", &other).unwrap_err().to_string();
        assert!(error.contains("was concurrently locked to another value"), "{error}");
    }

    #[test]
    fn credentials_are_not_written() {
        let (_directory, path, context) = fixture();
        let lock = Lockfile::open(&path, Adding::Allowed).unwrap();
        let commit = "1".repeat(40);
        lock.agree_on_commit(&context, "https://me:secret@host.example/k3s", "v1", &commit).unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains("secret"));
        assert_eq!(lock.commit(URL, "v1"), Some(commit));
    }

    #[test]
    fn planned_entries_are_not_written() {
        let (_directory, path, context) = fixture();
        let lock = Lockfile::open(&path, Adding::Planned).unwrap();
        let commit = "1".repeat(40);
        lock.agree_on_commit(&context, URL, "v1", &commit).unwrap();
        assert_eq!(lock.commit(URL, "v1"), Some(commit));
        assert!(!path.exists());
    }
}
