//! A client of registries: crane, which works with all of them and finds the credentials that docker and podman keep.

use crate::clock;
use crate::context::{Context, Network};
use crate::digest::Digest;
use crate::fetch;
use crate::image::content::{MANIFEST_TYPE, OS, descriptor};
use crate::process::{Command, cmd};
use crate::reference::Reference;
use crate::toolchain::go_tool;
use anyhow::{Context as _, Result, anyhow, bail};
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

/// A client of registries.
pub struct Remote<'a> {
    context: &'a Context,
    crane: PathBuf,
    transport: Transport,
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
    pub fn new(context: &'a Context, transport: Transport, work: &str) -> Result<Remote<'a>> {
        if context.network == Network::Forbidden {
            bail!("--offline forbids {work}");
        }
        Ok(Remote { context, crane: go_tool::crane(context)?, transport })
    }

    /// Returns a call of crane.
    pub fn command(&self, arguments: &[&str]) -> Command<'a> {
        let (crane, insecure): (_, &[&str]) = match self.transport {
            Transport::Verified => (&self.crane, &[]),
            Transport::Insecure => (&self.crane, &["--insecure"]),
        };
        cmd!(self.context, "{crane} {insecure...} {arguments...}")
            // Helpers that keep docker's credentials in a desktop's keyring or in pass look for them there.
            .inherit("DBUS_SESSION_", &[])
            .inherit("PASSWORD_STORE_", &[])
    }

    /// Returns what is under a tag, if there is something.
    pub fn tagged(&self, reference: &Reference) -> Result<Option<Tagged>> {
        let name = reference.normalised();
        let Some(bytes) = self.read(reference, &["manifest", &name])? else { return Ok(None) };
        self.read_tagged(reference, &bytes)
            .with_context(|| format!("reading the manifest of {name}"))
            .map(Some)
    }

    fn read_tagged(&self, reference: &Reference, bytes: &[u8]) -> Result<Tagged> {
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
        let name = by_digest(reference, &digest);
        let config = self.read(reference, &["config", &name])?;
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
    pub fn manifest(&self, reference: &Reference, digest: &Digest) -> Result<Vec<u8>> {
        let name = by_digest(reference, digest);
        let manifest = self.read(reference, &["manifest", &name])?;
        manifest.with_context(|| format!("{reference} lists {name}, which the registry does not have"))
    }

    /// Runs crane and returns its output, or nothing for a name that the registry does not have. It waits if the
    /// registry limits requests and names a short time.
    fn read(&self, reference: &Reference, arguments: &[&str]) -> Result<Option<Vec<u8>>> {
        // The log of its requests has the headers of the responses, without credentials.
        let command = self.command(arguments).args(["--verbose"]);
        let mut waits = 0;
        loop {
            let (status, stdout, stderr) = command.capture()?;
            if status.success() {
                return Ok(Some(stdout));
            }
            let messages = String::from_utf8_lossy(&stderr);
            let error = last_error(&messages);
            if is_missing(error) {
                return Ok(None);
            }
            let now = self.context.clock.now();
            let pause = retry_after(&messages, now);
            match pause.filter(|pause| *pause <= LONGEST_WAIT && waits < WAITS) {
                Some(pause) => {
                    waits += 1;
                    let host = reference.registry();
                    let seconds = pause.as_secs();
                    self.context
                        .progress
                        .print(format!("{host} limits requests; asking again in {seconds} s"));
                    self.context.clock.wait(pause);
                }
                None => {
                    let limit = Limit { pause, now };
                    let advice = advice(error, reference, &limit);
                    return Err(
                        anyhow!("{error}").context(format!("cannot read {}{advice}", reference.normalised()))
                    );
                }
            }
        }
    }
}

/// Returns the name of content in a reference's repository.
fn by_digest(reference: &Reference, digest: &Digest) -> String {
    let name = reference.normalised();
    let repository = name.rsplit_once(':').map_or(name.as_str(), |(repository, _)| repository);
    format!("{repository}@sha256:{digest}")
}

fn sha256(text: &str) -> Result<Digest> {
    text.strip_prefix("sha256:").with_context(|| format!("{text:?} is not a SHA-256 digest"))?.parse()
}

/// Returns the error that crane ends with, without its attempts before it.
pub fn last_error(messages: &str) -> &str {
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

/// The wait that a registry asks for, and the time of its answer.
pub struct Limit {
    pub pause: Option<Duration>,
    pub now: SystemTime,
}

/// Returns the cause and remedy of a failure of crane's, if its message is a known one.
pub fn advice(error: &str, reference: &Reference, limit: &Limit) -> String {
    let host = reference.registry();
    let contains = |words: &[&str]| words.iter().any(|word| error.contains(word));
    let advice = if limit.pause.is_some() || contains(&["TOOMANYREQUESTS", "429 "]) {
        let until = limit.pause.map_or(String::new(), |pause| {
            let wait = i64::try_from(pause.as_secs()).unwrap_or(i64::MAX);
            let until = clock::http_date(clock::seconds(limit.now).saturating_add(wait));
            format!(": the next one is allowed in {wait} s, {until}")
        });
        format!(
            "{host} limits requests{until}\n  run this again then, or log in, which raises the limit: docker login {host}"
        )
    } else if contains(&["UNAUTHORIZED", "DENIED", "401 ", "403 "]) {
        format!(
            "the registry denies access\n  log in as a user who has it: docker login {host}, or podman login {host}"
        )
    } else if contains(&["x509:", "tls: "]) {
        format!(
            "{host} has a certificate that this system does not trust\n  name its issuer in SSL_CERT_FILE, or use --insecure"
        )
    } else if contains(&["server gave HTTP response to HTTPS client"]) {
        format!("{host} uses plain HTTP\n  use --insecure if that is meant")
    } else if contains(&["no such host", "connection refused", "i/o timeout", "network is unreachable"]) {
        format!("{host} cannot be reached\n  look at its name, the network and the proxy settings")
    } else if contains(&["EOF", "connection reset", "broken pipe"]) {
        "the registry closed the connection\n  run this again: what has arrived is not sent twice".to_owned()
    } else {
        return String::new();
    };
    format!(": {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMIT: Limit = Limit { pause: None, now: SystemTime::UNIX_EPOCH };

    #[test]
    fn reads_last_error_of_crane() {
        assert_eq!(last_error("2026/01/01 retrying\nError: pushing: EOF\n"), "pushing: EOF");
        assert_eq!(last_error("panic"), "panic");
        assert_eq!(last_error(""), "crane failed without a message");
    }

    #[test]
    fn known_failures_have_remedies() {
        let reference = Reference::parse("registry.example:5000/me/pause:1").unwrap();
        for (message, remedy) in [
            ("DENIED: requested access to the resource is denied", "docker login registry.example:5000"),
            ("unexpected status code 401 Unauthorized", "podman login registry.example:5000"),
            ("x509: certificate signed by unknown authority", "SSL_CERT_FILE"),
            ("http: server gave HTTP response to HTTPS client", "use --insecure if that is meant"),
            ("dial tcp: lookup registry.example: no such host", "registry.example:5000 cannot be reached"),
            ("unexpected EOF", "run this again"),
            ("TOOMANYREQUESTS: slow down", "registry.example:5000 limits requests\n"),
        ] {
            let advice = advice(message, &reference, &NO_LIMIT);
            assert!(advice.contains(remedy), "{message}: {advice}");
        }
        assert_eq!(advice("something new", &reference, &NO_LIMIT), "");
    }

    #[test]
    fn limit_names_the_time() {
        let log = "2026/11/27 HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\n\r\nbody\nError: TOOMANYREQUESTS\n";
        let pause = retry_after(log, SystemTime::UNIX_EPOCH);
        assert_eq!(pause, Some(Duration::from_secs(3600)));
        let reference = Reference::parse("me/pause:1").unwrap();
        let advice = advice("429 ", &reference, &Limit { pause, ..NO_LIMIT });
        assert!(
            advice.contains(
                "docker.io limits requests: the next one is allowed in 3600 s, Thu, 01 Jan 1970 01:00:00 GMT"
            ),
            "{advice}"
        );
        let endless = Limit { pause: Some(Duration::MAX), ..NO_LIMIT };
        assert!(super::advice("429 ", &reference, &endless).contains("31 Dec 9999"));
        let other = "HTTP/1.1 429 x\r\n\r\nRetry-After: 1\n";
        assert_eq!(retry_after(other, SystemTime::UNIX_EPOCH), None, "a body is no header");
        assert_eq!(retry_after("HTTP/1.1 200 OK\r\nRetry-After: 1\r\n", SystemTime::UNIX_EPOCH), None);
    }

    #[test]
    fn default_credentials_are_for_docker_hub() {
        let reference = Reference::parse("me/pause:1").unwrap();
        assert!(advice("UNAUTHORIZED", &reference, &NO_LIMIT).contains("docker login docker.io"));
    }

    #[test]
    fn content_is_named_in_the_repository() {
        let digest = Digest::of("x");
        let reference = Reference::parse("registry.example:5000/me/pause:1").unwrap();
        assert_eq!(by_digest(&reference, &digest), format!("registry.example:5000/me/pause@sha256:{digest}"));
    }
}
