//! `k3s.lock.json`: what upstream's names meant when they were first used, as Cargo.lock does it.
//!
//! A tag can be moved and a download replaced; what was built from them once is built from the same
//! again, or not at all. `build` adds what is not there yet and says so; `--locked` refuses instead;
//! only `cargo xtask bump` changes an entry.

use crate::claim::Claim;
use crate::context::Context;
use crate::digest::Digest;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Whether entries may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adding {
    Allowed,
    /// `--locked`.
    Forbidden,
    /// Neither said nor written: the sample's, which are of our own making.
    Unsaid,
}

/// The lock file, open for one run.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    adding: Adding,
    entries: std::sync::Mutex<Entries>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entries {
    /// Repository address, then tag, then commit.
    #[serde(default)]
    tags: BTreeMap<String, BTreeMap<String, String>>,
    /// Address of a file, then its sum.
    #[serde(default)]
    files: BTreeMap<String, Digest>,
}

impl Entries {
    /// Reads a lock file; one that is not there is empty.
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

impl Lock {
    /// Reads the lock file; one that is not there is empty.
    pub fn open(path: &Path, adding: Adding) -> Result<Lock> {
        let entries = std::sync::Mutex::new(Entries::read(path)?);
        Ok(Lock { path: path.to_owned(), adding, entries })
    }

    /// A lock that holds exactly these tags and files and refuses all others.
    pub fn holding<'a>(
        path: PathBuf,
        tags: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
        files: impl Iterator<Item = (&'a str, &'a Digest)>,
    ) -> Lock {
        let mut entries = Entries::default();
        for (url, tag, commit) in tags {
            entries.tags.entry(url.to_owned()).or_default().insert(tag.to_owned(), commit.to_owned());
        }
        entries.files.extend(files.map(|(url, sum)| (url.to_owned(), sum.clone())));
        Lock { path, adding: Adding::Forbidden, entries: std::sync::Mutex::new(entries) }
    }

    /// All tags of a repository that are locked.
    pub fn tags(&self, url: &str) -> Vec<String> {
        self.entries().tags.get(url).into_iter().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// Refuses, where nothing may be added, what is not locked yet, before it is fetched.
    pub fn require_adding(&self, what: &str) -> Result<()> {
        if self.adding == Adding::Forbidden {
            bail!(
                "{} does not lock {what}, and --locked forbids adding it\n  \
                 Run the same command once without --locked and commit the lock file.",
                self.path.display()
            );
        }
        Ok(())
    }

    /// The commit a tag is locked to.
    pub fn commit(&self, url: &str, tag: &str) -> Option<String> {
        self.entries().tags.get(url)?.get(tag).cloned()
    }

    /// The sum a file is locked to.
    pub fn file(&self, url: &str) -> Option<Digest> {
        self.entries().files.get(url).cloned()
    }

    /// Holds a tag's commit against the lock, or adds it.
    pub fn agree_on_commit(&self, context: &Context, url: &str, tag: &str, found: &str) -> Result<()> {
        match self.commit(url, tag) {
            Some(locked) if locked == found => Ok(()),
            Some(locked) => bail!(
                "the tag {tag} of {url} has moved\n  locked  {locked} ({})\n  found   {found}\n  \
                 Nothing was built. If upstream moved it for a reason you accept: cargo xtask bump --k3s {tag}",
                self.path.display()
            ),
            None => self.add(context, &format!("{tag} of {url}"), found, |entries| {
                let tags = entries.tags.entry(url.to_owned()).or_default();
                tags.entry(tag.to_owned()).or_insert_with(|| found.to_owned()) == found
            }),
        }
    }

    /// Adds the sum of a file that no tree names.
    pub fn add_file(&self, context: &Context, url: &str, sum: &Digest) -> Result<()> {
        self.add(context, url, sum.as_str(), |entries| {
            entries.files.entry(url.to_owned()).or_insert_with(|| sum.clone()) == sum
        })
    }

    /// Forgets a tag, so that its next use is a first use (`cargo xtask bump`).
    pub fn forget(&self, context: &Context, tag: &str) -> Result<Vec<String>> {
        let mut forgotten = Vec::new();
        self.change(context, |entries| {
            for (url, tags) in &mut entries.tags {
                if let Some(commit) = tags.remove(tag) {
                    forgotten.push(format!("{url} {tag} {commit}"));
                }
            }
            Ok(())
        })?;
        Ok(forgotten)
    }

    /// Adds an entry and says so; `agrees` puts it where there is none and tells whether it is this one.
    fn add(
        &self,
        context: &Context,
        what: &str,
        value: &str,
        agrees: impl FnOnce(&mut Entries) -> bool,
    ) -> Result<()> {
        self.require_adding(what)?;
        if self.adding == Adding::Unsaid {
            agrees(&mut self.entries());
            return Ok(());
        }
        self.change(context, |entries| {
            ensure!(agrees(entries), "another build has just locked {what} at something else than {value}");
            Ok(())
        })?;
        context.progress.say(format!("locked {what} at {value} ({})", self.path.display()));
        Ok(())
    }

    /// Changes the file as it is now: another build may have added to it since it was read.
    fn change(&self, context: &Context, change: impl FnOnce(&mut Entries) -> Result<()>) -> Result<()> {
        let name = format!("lock-{}", Digest::of(self.path.as_os_str().as_encoded_bytes()).short());
        let _claim = Claim::on(context, &context.work.join("claims").join(name))?;
        let mut entries = Entries::read(&self.path)?;
        change(&mut entries)?;
        self.write(&entries)?;
        *self.entries() = entries;
        Ok(())
    }

    fn write(&self, entries: &Entries) -> Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        // To be read by everybody who may read the folder, unlike other scratch files.
        let permissions = std::fs::Permissions::from_mode(0o644);
        let mut file = tempfile::Builder::new()
            .permissions(permissions)
            .tempfile_in(folder)
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        serde_json::to_writer_pretty(&mut file, entries)?;
        writeln!(file)?;
        file.persist(&self.path).with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(())
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().expect("nothing panics while it holds the lock file")
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
        let lock = Lock::open(&path, Adding::Forbidden).unwrap();
        let default = Pins::load().unwrap().k3s.version;
        assert!(lock.commit(UPSTREAM, &default).is_some(), "{default}");
    }

    #[test]
    fn commits_are_read_in_either_case() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k3s.lock.json");
        let commit = "C5B158798A".repeat(4);
        fs::write(&path, format!(r#"{{"tags": {{"url": {{"v1": "{commit}"}}}}}}"#)).unwrap();
        let lock = Lock::open(&path, Adding::Forbidden).unwrap();
        assert_eq!(lock.commit("url", "v1"), Some("c5b158798a".repeat(4)));
    }
}
