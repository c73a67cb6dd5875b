//! The one way to download: by hash, resumed, retried, verified, and renamed into place.

use crate::claim::Claim;
use crate::context::{Context, Network};
use crate::digest::Digest;
use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pauses before the second, third and fourth attempt.
const BACK_OFF: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(10)];

/// Something to be downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// Shown to the person who waits, and the end of the file's name in the cache.
    pub name: String,
    pub url: String,
    /// The sum it must have. Nothing is ever used that has not this sum.
    pub sha256: Digest,
}

impl Download {
    /// Where the verified file lies in the cache, whether or not it is there yet.
    pub fn path(&self, context: &Context) -> PathBuf {
        context.cache.join("downloads").join(self.sha256.short()).join(&self.name)
    }

    /// Whether the cache holds the file, whole. A damaged one is removed.
    pub fn is_cached(&self, context: &Context) -> Result<bool> {
        let path = self.path(context);
        if !path.is_file() {
            return Ok(false);
        }
        if Digest::of_file(&path)? == self.sha256 {
            return Ok(true);
        }
        context.progress.say(format!("{} is damaged and will be fetched again", path.display()));
        fs::remove_file(&path)?;
        Ok(false)
    }

    /// Where the network is forbidden, refuses at once what the cache lacks.
    pub fn require_offline(&self, context: &Context) -> Result<()> {
        if addresses(context, &self.url).is_empty() && !self.is_cached(context)? {
            bail!("{} is not in the cache, and --offline forbids fetching {}", self.name, self.url);
        }
        Ok(())
    }

    /// The verified file, from the cache or the network.
    pub fn get(&self, context: &Context) -> Result<PathBuf> {
        let path = self.path(context);
        if self.is_cached(context)? {
            return Ok(path);
        }
        self.require_offline(context)?;
        let folder = path.parent().context("a cached file has a folder")?;
        fs::create_dir_all(folder)?;
        let _claim = Claim::on(context, &folder.with_extension("claim"))?;
        if self.is_cached(context)? {
            return Ok(path);
        }
        let (part, url) = download(context, &self.name, &self.url, folder)?;
        let found = Digest::of_file(&part)?;
        if found != self.sha256 {
            fs::remove_file(&part)?;
            bail!(
                "{} from {url} is not what was expected\n  expected sha256 {}\n  found    sha256 {found}\n  \
                 The file was removed. If upstream replaced it, look why before you change the sum.",
                self.name,
                self.sha256
            );
        }
        fs::rename(&part, &path)?;
        for entry in fs::read_dir(folder)? {
            let other = entry?.path();
            if other.to_string_lossy().ends_with(PART) {
                fs::remove_file(other)?;
            }
        }
        Ok(path)
    }
}

/// Fetches a file whose sum nobody has told us yet, and returns it with the sum it has.
///
/// For the first use of a release (see [`crate::lock`]); the file goes into the cache under its sum.
pub fn first_use(context: &Context, name: &str, url: &str) -> Result<Download> {
    if addresses(context, url).is_empty() {
        bail!("{name} is not in the cache and its sum is not locked; --offline forbids fetching {url}");
    }
    let folder = context.cache.join("downloads").join(format!("first-{}", Digest::of(url).short()));
    let _claim = Claim::on(context, &folder.with_extension("claim"))?;
    // Nothing would tell whether what an earlier run has left still is the beginning of the same file.
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let (part, _) = download(context, name, url, &folder)?;
    let download = Download { name: name.to_owned(), url: url.to_owned(), sha256: Digest::of_file(&part)? };
    let path = download.path(context);
    fs::create_dir_all(path.parent().context("a cached file has a folder")?)?;
    fs::rename(&part, &path)?;
    fs::remove_dir_all(&folder)?;
    Ok(download)
}

/// The address at which a mirror keeps a file: its own address, then the original's host and path.
///
/// `https://host/dir/file` behind the mirror `https://mirror/cache` is `https://mirror/cache/host/dir/file`.
fn mirrored(url: &str, mirror: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    format!("{}/{rest}", mirror.trim_end_matches('/'))
}

/// Where a file is looked for: at the mirror and at its own host; where the network is forbidden, only in
/// folders of this machine.
fn addresses(context: &Context, url: &str) -> Vec<String> {
    let mirror = context.mirror.as_deref().map(|mirror| mirrored(url, mirror));
    let here =
        |address: &String| address.strip_prefix("file://").is_some_and(|path| Path::new(path).is_file());
    let all = mirror.into_iter().chain([url.to_owned()]);
    all.filter(|address| context.network == Network::Allowed || here(address)).collect()
}

/// Fetches a file into a folder from the first address that has it, and returns it with that address.
///
/// Each address has a part of its own there, since another may keep another file under the same name.
fn download(context: &Context, name: &str, url: &str, folder: &Path) -> Result<(PathBuf, String)> {
    let fetch = |address: &String| -> Result<(PathBuf, String)> {
        let part = folder.join(format!("{name}.{}{PART}", Digest::of(address).short()));
        download_from(context, name, address, &part)?;
        Ok((part, address.clone()))
    };
    let addresses = addresses(context, url);
    let (last, before) =
        addresses.split_last().with_context(|| format!("--offline forbids fetching {url}"))?;
    for address in before {
        match fetch(address) {
            Ok(found) => return Ok(found),
            Err(error) => context.progress.say(format!("{error:#}; trying {last}")),
        }
    }
    fetch(last)
}

/// The end of the name of what has arrived of a file.
const PART: &str = ".part";

/// Fetches one address into `part`, going on where an earlier attempt stopped.
fn download_from(context: &Context, name: &str, url: &str, part: &Path) -> Result<()> {
    if let Some(path) = url.strip_prefix("file://") {
        fs::copy(path, part).with_context(|| format!("cannot fetch {url}"))?;
        return Ok(());
    }
    let running = context.progress.step(format!("fetch {name}"));
    let agent = agent();
    let mut pauses = BACK_OFF.iter();
    loop {
        match attempt(&agent, url, part, &running) {
            Ok(size) => {
                running.done(indicatif::HumanBytes(size));
                return Ok(());
            }
            Err(Failure::Final(error)) => return Err(error.context(format!("cannot fetch {url}"))),
            Err(Failure::Passing(error)) => match pauses.next() {
                Some(pause) => {
                    context.progress.say(format!("{name}: {error:#}; trying again in {} s", pause.as_secs()));
                    std::thread::sleep(*pause);
                }
                None => {
                    return Err(error.context(format!(
                        "cannot fetch {url} after {} attempts\n  what has arrived is kept and resumed next time",
                        BACK_OFF.len() + 1
                    )));
                }
            },
        }
    }
}

/// Why an attempt did not succeed.
enum Failure {
    /// Trying again may help: the connection broke, the server is overloaded.
    Passing(anyhow::Error),
    /// Trying again will not help: the file is not there, the certificate is not trusted.
    Final(anyhow::Error),
}

impl Failure {
    fn of_request(error: ureq::Error) -> Failure {
        match error {
            ureq::Error::BadUri(_) | ureq::Error::InvalidProxyUrl | ureq::Error::Tls(_) => {
                Failure::Final(error.into())
            }
            // rustls tells of a certificate that is not trusted as of data that is not valid.
            ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => Failure::Final(io.into()),
            _ => Failure::Passing(error.into()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        // A full disk or a forbidden folder does not mend itself; a broken connection may.
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::PermissionDenied => {
                Failure::Final(error.into())
            }
            _ => Failure::Passing(error.into()),
        }
    }
}

/// How long a server may be silent, before its answer and in the middle of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client over rustls that trusts what the system trusts and takes the proxies of the environment.
fn agent() -> ureq::Agent {
    use ureq::tls::{RootCerts, TlsConfig};
    ureq::Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .http_status_as_error(false)
        .build()
        .into()
}

/// One request: all of the file, or the rest of it where a part is there. Returns the whole size.
fn attempt(
    agent: &ureq::Agent,
    url: &str,
    part: &Path,
    running: &crate::progress::Running,
) -> Result<u64, Failure> {
    let mut file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(part)?;
    let have = file.seek(SeekFrom::End(0))?;
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let mut response = request.call().map_err(Failure::of_request)?;
    let status = response.status().as_u16();
    match status {
        206 => {}
        // The server has no ranges, or sends all of it again.
        200 => file.set_len(0)?,
        // Nothing lies beyond what we have: it is whole, or the part is of another file.
        416 => {
            file.set_len(0)?;
            return Err(Failure::Passing(anyhow!("the part that had arrived does not fit; starting over")));
        }
        429 | 500..=599 => return Err(Failure::Passing(anyhow!("the server answered {status}"))),
        404 => return Err(Failure::Final(anyhow!("the server answered 404: there is no such file"))),
        _ => return Err(Failure::Final(anyhow!("the server answered {status}"))),
    }
    let mut size = file.seek(SeekFrom::End(0))?;
    let expected = response.body().content_length().map(|rest| size + rest);
    if let Some(expected) = expected {
        running.expect_bytes(expected);
    }
    let mut body = response.body_mut().as_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = body.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count])?;
        size += count as u64;
        running.received(size);
    }
    match expected {
        Some(expected) if size < expected => {
            Err(Failure::Passing(anyhow!("the connection ended after {size} of {expected} bytes")))
        }
        _ => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_keeps_files_under_the_names_of_their_hosts() {
        let url = "https://host.example/a/b.tar";
        assert_eq!(mirrored(url, "https://m.example/x/"), "https://m.example/x/host.example/a/b.tar");
        assert_eq!(mirrored(url, "file:///srv/m"), "file:///srv/m/host.example/a/b.tar");
    }
}
