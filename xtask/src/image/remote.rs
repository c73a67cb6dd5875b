//! A client of a repository in a registry: crane, which works with all registries.

use crate::context::{Context, Network};
use crate::digest::Digest;
use crate::fetch;
use crate::image::advice::{Request, advice};
use crate::image::content::{MANIFEST_TYPE, OS, descriptor};
use crate::image::login::Login;
use crate::image::plain_http;
use crate::process::{Command, cmd};
use crate::reference::Reference;
use crate::toolchain::go_tool;
use anyhow::{Context as _, Error, Result, anyhow, bail};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Security of the connection to a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTPS with a certificate that the system trusts. Hosts of this machine may use plain HTTP.
    Verified,
    /// `--insecure`: plain HTTP, or a self-signed certificate.
    Insecure,
}

/// A client of one repository.
pub struct Remote<'a> {
    context: &'a Context,
    crane: PathBuf,
    reference: &'a Reference,
    transport: Transport,
    login: Login,
}

/// Content of a tag.
#[derive(Clone, Debug)]
pub struct Tagged {
    pub digest: Digest,
    /// One for each architecture; a single one for a tag that is no list.
    pub entries: Vec<Entry>,
}

/// An image of a list, as the list describes it, or the only one of a tag.
#[derive(Clone, Debug)]
pub struct Entry {
    pub descriptor: Map<String, Value>,
    pub digest: Digest,
}

/// The longest wait for a registry that limits requests, and the number of waits.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const WAITS: usize = 3;

impl Entry {
    fn new(descriptor: &Value) -> Result<Entry> {
        let descriptor = descriptor.as_object().context("an entry of the list is no object")?;
        let digest = descriptor.get("digest").and_then(Value::as_str).unwrap_or_default();
        Ok(Entry { digest: sha256(digest)?, descriptor: descriptor.clone() })
    }

    fn platform(&self, key: &str) -> &str {
        let platform = self.descriptor.get("platform");
        platform.and_then(|platform| platform.get(key)?.as_str()).unwrap_or_default()
    }

    /// Returns the architecture under Go's name, if it is an image for Linux.
    pub fn architecture(&self) -> Option<&str> {
        (self.platform("os") == OS).then(|| self.platform("architecture"))
    }

    /// Returns the digest of the image that this entry only describes: buildx adds such entries with the platform
    /// `unknown/unknown` (moby/buildkit, docs/attestations/attestation-storage.md).
    pub fn describes(&self) -> Option<Digest> {
        let annotations = self.descriptor.get("annotations")?;
        sha256(annotations.get("vnd.docker.reference.digest")?.as_str()?).ok()
    }
}

impl Tagged {
    /// Returns the architectures under Go's names, of images for Linux.
    pub fn architectures(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.entries.iter().filter_map(Entry::architecture).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    }
}

impl<'a> Remote<'a> {
    /// Prepares a client for this work, which `--offline` forbids.
    pub fn new(
        context: &'a Context,
        reference: &'a Reference,
        transport: Transport,
        work: &str,
    ) -> Result<Remote<'a>> {
        if context.network == Network::Forbidden {
            bail!("--offline forbids {work}");
        }
        let crane = go_tool::crane(context)?;
        Ok(Remote { context, crane, reference, transport, login: Login::find(context, reference)? })
    }

    /// Returns a call of crane.
    pub fn command(&self, arguments: &[&str]) -> Command<'a> {
        let crane = &self.crane;
        let command = match self.transport {
            Transport::Verified => cmd!(self.context, "{crane} {arguments...}")
                .envs(plain_http::forbidden(self.reference.registry(), |name| std::env::var_os(name))),
            Transport::Insecure => cmd!(self.context, "{crane} --insecure {arguments...}"),
        };
        command.env("DOCKER_CONFIG", self.login.directory())
    }

    /// Returns the error of a call of crane that failed, with its cause and remedy. The log is crane's stderr.
    pub fn failure(&self, log: &str, action: &str) -> Error {
        let error = plain_http::without_attempt(last_error(log));
        let name = self.reference.normalised();
        let now = self.context.clock.now();
        let (login, pause) = (self.login.origin.as_deref(), retry_after(log, now));
        let request = Request { reference: self.reference, login, pause, now };
        let advice = advice(error, &request);
        anyhow!("{error}").context(format!("cannot {action} {name}{advice}"))
    }

    /// Returns what is under a tag, if there is something.
    pub fn tagged(&self) -> Result<Option<Tagged>> {
        let name = self.reference.normalised();
        let Some(bytes) = self.read(&["manifest", &name])? else { return Ok(None) };
        self.read_tagged(&bytes).with_context(|| format!("reading the manifest of {name}")).map(Some)
    }

    fn read_tagged(&self, bytes: &[u8]) -> Result<Tagged> {
        let digest = Digest::of(bytes);
        let manifest: Value = serde_json::from_slice(bytes)?;
        if let Some(list) = manifest.get("manifests").and_then(Value::as_array) {
            return Ok(Tagged { digest, entries: list.iter().map(Entry::new).collect::<Result<_>>()? });
        }
        if manifest.get("config").is_none() {
            bail!("it is neither an image nor a list of images, as Docker and OCI define them since 2016");
        }
        let media_type = manifest.get("mediaType").and_then(Value::as_str).unwrap_or(MANIFEST_TYPE);
        let mut single = descriptor(media_type, &digest, bytes.len() as u64);
        let name = self.by_digest(&digest);
        let config = self.read(&["config", &name])?;
        let config: Value = serde_json::from_slice(&config.context("its configuration is not there")?)?;
        let mut platform = Map::new();
        for key in ["architecture", "os", "os.version", "variant"] {
            if let Some(value) = config.get(key).filter(|value| value.as_str() != Some("")) {
                platform.insert(key.to_owned(), value.clone());
            }
        }
        single.insert("platform".to_owned(), json!(platform));
        Ok(Tagged { entries: vec![Entry { descriptor: single, digest: digest.clone() }], digest })
    }

    /// Returns the manifest with this digest.
    pub fn manifest(&self, digest: &Digest) -> Result<Vec<u8>> {
        let name = self.by_digest(digest);
        let manifest = self.read(&["manifest", &name])?;
        let reference = self.reference;
        manifest.with_context(|| format!("{reference} lists {name}, which the registry does not have"))
    }

    /// Returns the name of content in the repository.
    fn by_digest(&self, digest: &Digest) -> String {
        format!("{}@sha256:{digest}", self.reference.name())
    }

    /// Runs crane and returns its output, or nothing for a name that the registry does not have. It waits if the
    /// registry limits requests and names a short time.
    fn read(&self, arguments: &[&str]) -> Result<Option<Vec<u8>>> {
        // The log of its requests has the headers of the responses, without credentials.
        let command = self.command(arguments).args(["--verbose"]);
        let mut waits = 0;
        loop {
            let (status, stdout, stderr) = command.capture()?;
            if status.success() {
                return Ok(Some(stdout));
            }
            let log = String::from_utf8_lossy(&stderr);
            if is_missing(last_error(&log)) {
                return Ok(None);
            }
            let pause = retry_after(&log, self.context.clock.now());
            match pause.filter(|pause| *pause <= LONGEST_WAIT && waits < WAITS) {
                Some(pause) => {
                    waits += 1;
                    let host = self.reference.registry();
                    let seconds = pause.as_secs();
                    self.context
                        .progress
                        .print(format!("{host} limits requests; asking again in {seconds} s"));
                    self.context.clock.wait(pause);
                }
                None => return Err(self.failure(&log, "read")),
            }
        }
    }
}

fn sha256(text: &str) -> Result<Digest> {
    text.strip_prefix("sha256:").with_context(|| format!("{text:?} is not a SHA-256 digest"))?.parse()
}

/// Returns the error that crane ends with, without its attempts before it.
fn last_error(messages: &str) -> &str {
    let error = messages.rsplit_once("Error: ").map_or(messages, |(_, error)| error).trim();
    if error.is_empty() { "crane failed without a message" } else { error }
}

/// Returns whether the registry answered that it has no such image (distribution-spec, error codes).
fn is_missing(error: &str) -> bool {
    ["MANIFEST_UNKNOWN", "NAME_UNKNOWN", "404 Not Found"].iter().any(|code| error.contains(code))
}

/// Returns the time until which the last response with the status 429 or 503 in a log of crane's asks to wait.
fn retry_after(log: &str, now: SystemTime) -> Option<Duration> {
    let statuses = ["HTTP/1.1 429", "HTTP/2.0 429", "HTTP/1.1 503", "HTTP/2.0 503"];
    let at = statuses.iter().filter_map(|status| log.rfind(status)).max()?;
    let head = log[at..].lines().take_while(|line| !line.trim().is_empty());
    let mut headers = head.filter_map(|line| line.split_once(':'));
    let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    fetch::retry_after(value, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_last_error_of_crane() {
        assert_eq!(last_error("2026/01/01 retrying\nError: pushing: EOF\n"), "pushing: EOF");
        assert_eq!(last_error("panic"), "panic");
        assert_eq!(last_error(""), "crane failed without a message");
    }

    #[test]
    fn reads_the_wait_from_the_headers() {
        let log = "2026/11/27 HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\n\r\nbody\nError: TOOMANYREQUESTS\n";
        assert_eq!(retry_after(log, SystemTime::UNIX_EPOCH), Some(Duration::from_secs(3600)));
        let other = "HTTP/1.1 429 x\r\n\r\nRetry-After: 1\n";
        assert_eq!(retry_after(other, SystemTime::UNIX_EPOCH), None, "a body is no header");
        assert_eq!(retry_after("HTTP/1.1 200 OK\r\nRetry-After: 1\r\n", SystemTime::UNIX_EPOCH), None);
    }
}
