//! Downloads: by checksum, resumed, retried, verified, and renamed into place.

mod file_name;
mod response;
mod transfer;

pub use file_name::FileName;
pub use response::retry_after;

use crate::atomic_dir::AtomicDir;
use crate::context::{Context, Network};
use crate::digest::Digest;
use crate::dir;
use crate::file_lock::FileLock;
use crate::url::{file_path, without_credentials};
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::{Path, PathBuf};
use transfer::Resume;

/// A file to be downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// Shown to the user who waits, and the file's name in the cache.
    pub name: FileName,
    pub url: String,
    /// The checksum it must have; a file with another one is never used.
    pub sha256: Digest,
}

impl Download {
    /// Returns the path of the verified file in the cache, whether or not it is there yet.
    pub fn path(&self, context: &Context) -> PathBuf {
        self.directory(context).join(&self.name)
    }

    fn directory(&self, context: &Context) -> PathBuf {
        context.cache.join("downloads").join(self.sha256.short())
    }

    /// Returns true if the cache has the complete file.
    pub fn is_cached(&self, context: &Context) -> Result<bool> {
        let path = self.path(context);
        Ok(path.is_file() && Digest::of_file(&path)? == self.sha256)
    }

    /// Checks that the file is in the cache, if the network is forbidden.
    pub fn require_offline(&self, context: &Context) -> Result<()> {
        if urls(context, &self.url).is_empty() && !self.is_cached(context)? {
            let url = without_credentials(&self.url);
            let state = if self.path(context).exists() { "is damaged" } else { "is not" };
            bail!("{} {state} in the cache, and --offline forbids fetching {url}", self.name);
        }
        Ok(())
    }

    /// Returns the path of the verified file, which is fetched if it is not in the cache.
    pub fn get(&self, context: &Context) -> Result<PathBuf> {
        let (path, directory) = (self.path(context), self.directory(context));
        if self.is_cached(context)? {
            return Ok(path);
        }
        self.require_offline(context)?;
        fs::create_dir_all(&directory)?;
        let _lock = FileLock::acquire(context, &directory.with_extension("lock"))?;
        if self.is_cached(context)? {
            return Ok(path);
        }
        if path.exists() {
            context.progress.print(format!("{} is damaged and will be fetched again", path.display()));
        }
        let (part, url) = download(context, &self.name, &self.url, &directory, Resume::Allowed)?;
        let page = page_hint(&part)?;
        if let Some(mismatch) = self.mismatch(&part)? {
            fs::remove_file(&part)?;
            let (shown, locked) = (without_credentials(&url), without_credentials(&self.url));
            bail!(
                "{} from {shown} {mismatch}{page}\n  \
                 The file was removed. If upstream replaced it, find out why before you accept it. If k3s.lock.json locks it:\n  cargo xtask bump --file {}",
                self.name,
                crate::process::quoted(&locked),
            );
        }
        fs::rename(&part, &path)?;
        for other in dir::entries(&directory)? {
            if other.to_string_lossy().ends_with(PART) {
                fs::remove_file(other)?;
            }
        }
        Ok(path)
    }

    /// Copies a file of this machine into the cache, as if it had been downloaded.
    pub fn take(&self, context: &Context, file: &Path) -> Result<()> {
        if self.is_cached(context)? {
            return Ok(());
        }
        let directory = self.directory(context);
        fs::create_dir_all(&directory)?;
        let copy = tempfile::NamedTempFile::new_in(&directory)?;
        fs::copy(file, copy.path())?;
        if let Some(mismatch) = self.mismatch(copy.path())? {
            bail!("{} {mismatch}", file.display());
        }
        copy.persist(self.path(context))?;
        Ok(())
    }

    /// Describes the difference of a file's checksum, if there is one.
    fn mismatch(&self, file: &Path) -> Result<Option<String>> {
        let (expected, found) = (&self.sha256, Digest::of_file(file)?);
        let describe = || {
            format!(
                "has another checksum than expected\n  expected sha256 {expected}\n  found    sha256 {found}"
            )
        };
        Ok((found != *expected).then(describe))
    }
}

/// A file whose checksum was not known before.
pub struct FirstUse {
    pub download: Download,
    /// The URL that had it: its own, or a mirror's.
    pub found_at: String,
}

/// Fetches a file whose checksum is not known, and returns it with the checksum it has, if `check` accepts it.
///
/// It is transferred in one piece whose end the server marks, since no checksum would show that something is
/// missing. The file goes into the cache under its checksum.
pub fn first_use(
    context: &Context,
    name: &FileName,
    url: &str,
    check: &dyn Fn(&Path) -> Result<()>,
) -> Result<FirstUse> {
    let shown = without_credentials(url);
    if urls(context, url).is_empty() {
        bail!(
            "{name} is not in the cache and its checksum is not locked; --offline forbids fetching {shown}"
        );
    }
    let scratch = context.cache.join("downloads").join(format!("first-{}", Digest::of(url).short()));
    // Never moved to its place: only the file is.
    let directory = AtomicDir::create(context, &scratch)?;
    let (part, found_at) = download(context, name, url, directory.path(), Resume::Forbidden)?;
    if let Err(error) = check(&part) {
        let (page, found_at) = (page_hint(&part)?, without_credentials(&found_at));
        bail!("the file from {found_at} is not {name}, and was not locked: {error:#}{page}");
    }
    let download = Download { name: name.clone(), url: url.to_owned(), sha256: Digest::of_file(&part)? };
    fs::create_dir_all(download.directory(context))?;
    fs::rename(&part, download.path(context))?;
    Ok(FirstUse { download, found_at })
}

/// Returns a likely cause if a file is a web page.
fn page_hint(file: &Path) -> Result<&'static str> {
    let mut begin = Vec::new();
    fs::File::open(file)?.take(512).read_to_end(&mut begin)?;
    let begin = String::from_utf8_lossy(&begin).trim_start().to_ascii_lowercase();
    let page = ["<!doctype", "<html", "<?xml", "<head"].iter().any(|tag| begin.starts_with(tag));
    Ok(if page {
        "\n  It is a web page: does this network want you to log in first, or is a proxy in between?"
    } else {
        ""
    })
}

/// Returns the URL of a file at a mirror: the mirror's, then the original's host and path.
///
/// `https://host/dir/file` behind the mirror `https://mirror/cache` is `https://mirror/cache/host/dir/file`.
fn mirrored(url: &str, mirror: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    // The mirror does not get the credentials for the host.
    let host = rest.split('/').next().and_then(|authority| authority.rfind('@')).map_or(0, |user| user + 1);
    let rest = &rest[host..];
    format!("{}/{rest}", mirror.trim_end_matches('/'))
}

/// Returns the URLs to try for a file: the mirror's and its own; if the network is forbidden, only those of files on
/// this machine.
fn urls(context: &Context, url: &str) -> Vec<String> {
    let here = |url: &String| file_path(url).is_some_and(|path| path.is_file());
    let mirror = context.mirror.as_deref().map(|mirror| mirrored(url, mirror));
    // A mirror in a directory need not have the file.
    let mirror = mirror.filter(|url| here(url) || !url.starts_with("file://"));
    let all = mirror.into_iter().chain([url.to_owned()]);
    all.filter(|url| context.network == Network::Allowed || here(url)).collect()
}

/// Fetches a file into a directory from the first URL that has it, and returns it with that URL.
///
/// Each URL has a part of its own there, since another may have another file of the same name.
fn download(
    context: &Context,
    name: &FileName,
    url: &str,
    directory: &Path,
    resume: Resume,
) -> Result<(PathBuf, String)> {
    let fetch = |url: &String| -> Result<(PathBuf, String)> {
        let part = directory.join(format!("{name}.{}{PART}", Digest::of(url).short()));
        match file_path(url) {
            Some(path) => copy(&path, &part).with_context(|| format!("cannot fetch {url}"))?,
            None => transfer::fetch(context, &name.to_string(), url, &part, resume)?,
        }
        Ok((part, url.clone()))
    };
    let urls = urls(context, url);
    let (last, before) = urls
        .split_last()
        .with_context(|| format!("--offline forbids fetching {}", without_credentials(url)))?;
    for url in before {
        match fetch(url) {
            Ok(found) => return Ok(found),
            Err(error) => {
                context.progress.print(format!("{error:#}; trying {}", without_credentials(last)));
            }
        }
    }
    fetch(last)
}

fn copy(from: &Path, part: &Path) -> std::io::Result<()> {
    let mut file = open_part(part)?;
    file.set_len(0)?;
    std::io::copy(&mut fs::File::open(from)?, &mut file).map(drop)
}

/// Opens the part of a file that has arrived, for reading and writing. Others may write into a shared cache: a link
/// there is not followed.
fn open_part(part: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(part)
}

/// Extension of a file that has not arrived in full.
const PART: &str = ".part";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_not_write_through_link() {
        let directory = tempfile::tempdir().unwrap();
        let (mine, part) = (directory.path().join("mine"), directory.path().join("x.part"));
        fs::write(&mine, "mine").unwrap();
        fs::os::unix::fs::symlink(&mine, &part).unwrap();
        assert!(copy(&mine, &part).is_err());
        assert_eq!(fs::read(&mine).unwrap(), b"mine");
    }

    #[test]
    fn mirror_has_files_by_host() {
        let url = "https://host.example/a/b.tar";
        assert_eq!(mirrored(url, "https://m.example/x/"), "https://m.example/x/host.example/a/b.tar");
        assert_eq!(mirrored(url, "file:///srv/m"), "file:///srv/m/host.example/a/b.tar");
        let secret = "https://me:secret@host.example/a@b.tar";
        assert_eq!(mirrored(secret, "https://m.example"), "https://m.example/host.example/a@b.tar");
    }
}
