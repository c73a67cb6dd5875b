//! References of container images: as users write them, and as containerd looks them up.
//!
//! Grammar and normal form are those of distribution/reference (reference.go, normalize.go), which docker,
//! containerd and k3s share.

use anyhow::{Result, bail};
use serde::Deserialize;
use std::fmt;

/// The registry of references that name none.
const DEFAULT_HOST: &str = "docker.io";

/// Bytes of host and repository together (reference.go, `NameTotalLengthMax`).
const NAME_MAX: usize = 255;

/// Bytes of a tag (reference.go, `tag`).
const TAG_MAX: usize = 128;

/// The name of an image: a repository and a tag, with or without a registry's host.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Reference {
    given: String,
    host: Option<String>,
    path: String,
    tag: String,
}

impl Reference {
    /// Reads a reference that has a tag and no digest.
    ///
    /// A tag is required because k3s retags what it imports from files by name *and tag*, and a digest is
    /// refused because nothing that is imported from a file can be found by one (k3s,
    /// pkg/agent/containerd/containerd.go, `imageTagNames`).
    pub fn parse(text: &str) -> Result<Reference> {
        if let Some((name, _)) = text.split_once('@') {
            bail!(
                "{text:?} names a digest, but containerd finds images that were imported from files by name and tag\n  \
                 write a tag in its place: {}:TAG",
                without_tag(name)
            );
        }
        let Some((name, tag)) = split_tag(text) else {
            bail!(
                "{text:?} is not an image reference with a tag\n  write it as NAME:TAG, for example {EXAMPLE}"
            );
        };
        let (host, path) = split_host(name);
        if let Err(reason) = check(host, path, tag) {
            bail!(
                "{text:?} is not an image reference: {reason}\n  write it as NAME:TAG, for example {EXAMPLE}"
            );
        }
        Ok(Reference {
            given: text.to_owned(),
            host: host.map(str::to_owned),
            path: path.to_owned(),
            tag: tag.to_owned(),
        })
    }

    /// Returns the text as it was given, which is the reference that k3s uses.
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// Returns the repository without the registry's host: `rancher/klipper-lb`.
    pub fn repository(&self) -> &str {
        &self.path
    }

    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Returns the registry's host and port if the text names them, even if it is docker.io.
    ///
    /// Such a reference is not found under `--system-default-registry R`: k3s then asks for
    /// `R/<the whole text>`, but tags what it imports as `R/<path>:<tag>`, without the host (k3s,
    /// pkg/agent/config/config.go and `imageTagNames`).
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Returns a warning about an image that a k3s may not find, since its name has a host (see [`Reference::host`]).
    pub fn host_warning(&self) -> Option<String> {
        self.host()?;
        Some(format!(
            "{self} names a host: a k3s with --system-default-registry will not find it\n  \
             such a k3s asks for REGISTRY/{self}, but knows imported images without their host"
        ))
    }

    /// Returns the host and port that a registry is asked at.
    pub fn registry(&self) -> &str {
        match self.host() {
            None | Some("index.docker.io") => DEFAULT_HOST,
            Some(host) => host,
        }
    }

    /// Returns the full form under which containerd keeps the image: `pause:3.6` is
    /// `docker.io/library/pause:3.6`.
    pub fn normalised(&self) -> String {
        format!("{}:{}", self.name(), self.tag)
    }

    /// Returns the full form without the tag: the registry and the repository in it.
    pub fn name(&self) -> String {
        let (registry, path) = (self.registry(), &self.path);
        let library = if registry == DEFAULT_HOST && !path.contains('/') { "library/" } else { "" };
        format!("{registry}/{library}{path}")
    }
}

impl TryFrom<String> for Reference {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Reference> {
        Reference::parse(&text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

const EXAMPLE: &str = "carvicsforth/pause:v3.10-v1.31.1";

/// Splits off the tag. A colon begins a tag only after the last slash; before it, it begins a port.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))
}

fn without_tag(name: &str) -> &str {
    split_tag(name).map_or(name, |(name, _)| name)
}

/// Splits off the host: the first part, if it cannot be part of a repository's path, or is `localhost`
/// (normalize.go, `splitDockerDomain`).
///
/// One in capitals without a dot is left to the path, which refuses it: implementations differ there.
fn split_host(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), path),
        _ => (None, name),
    }
}

fn check(host: Option<&str>, path: &str, tag: &str) -> Result<(), String> {
    if let Some(host) = host.filter(|host| !is_host(host)) {
        let scheme = matches!(host, "http:" | "https:" | "docker:");
        let hint = if scheme { ", it begins without a scheme" } else { "" };
        return Err(format!("{host:?} is not a host{hint}"));
    }
    if let Some(part) = path.split('/').find(|part| !is_path_component(part)) {
        let hint = if part.bytes().any(|b| b.is_ascii_uppercase()) { ", it must be lower case" } else { "" };
        return Err(format!("{part:?} is not part of a repository's name{hint}"));
    }
    if !is_tag(tag) {
        return Err(format!("{tag:?} is not a tag (letters, digits, _ . -, at most {TAG_MAX})"));
    }
    if host.is_none() && path.len() == 64 && path.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err("64 hexadecimal digits are an image's ID, not a name".to_owned());
    }
    let length = host.unwrap_or(DEFAULT_HOST).len() + "/library/".len() + path.len();
    if length > NAME_MAX {
        return Err(format!("the name is longer than {NAME_MAX} characters"));
    }
    Ok(())
}

/// `domain` in reference.go: a name of labels, or an IPv4 address, and a port. IPv6 addresses are left out:
/// containerd knows them only since 1.7, and older ones would refuse the whole archive.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let is_label = |label: &str| {
        label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.split('.').all(is_label)
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// `path-component` in reference.go: runs of lower-case letters and digits, between them one dot, one
/// or two underscores, or any number of dashes.
fn is_path_component(part: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = [part.bytes().next(), part.bytes().last()];
    ends.iter().all(|end| end.is_some_and(is_word))
        && part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}

/// `tag` in reference.go.
fn is_tag(tag: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.bytes().next().is_some_and(is_word)
        && tag.len() <= TAG_MAX
        && tag.bytes().all(|b| is_word(b) || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Reference::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn normalises_as_containerd_does() {
        for (given, normalised) in [
            ("pause:3.6", "docker.io/library/pause:3.6"),
            ("carvicsforth/pause:v3", "docker.io/carvicsforth/pause:v3"),
            ("docker.io/pause:3.6", "docker.io/library/pause:3.6"),
            ("index.docker.io/rancher/pause:3.6", "docker.io/rancher/pause:3.6"),
            ("localhost/pause:1", "localhost/pause:1"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b:1"),
            ("[::1]:5000/pause:1", ""),
            ("registry.example/a__b/c.d--e:T_1", "registry.example/a__b/c.d--e:T_1"),
            ("registry.example/a__b/c-.d:T_1", ""),
            ("localhost:5000", "docker.io/library/localhost:5000"),
        ] {
            match Reference::parse(given) {
                Ok(reference) => {
                    assert_eq!(reference.normalised(), normalised, "{given}");
                    assert_eq!(reference.as_str(), given);
                }
                Err(_) => assert_eq!(normalised, "", "{given}"),
            }
        }
    }

    #[test]
    fn default_host_counts_as_a_host() {
        assert_eq!(Reference::parse("docker.io/rancher/pause:3.6").unwrap().host(), Some("docker.io"));
        assert_eq!(Reference::parse("rancher/pause:3.6").unwrap().host(), None);
        assert_eq!(Reference::parse("host:5000/pause:3.6").unwrap().host(), Some("host:5000"));
    }

    #[test]
    fn rejects_digest() {
        let digest = format!("host:5000/pause:3.6@sha256:{}", "0".repeat(64));
        assert!(
            error(&digest).contains("write a tag in its place: host:5000/pause:TAG"),
            "{}",
            error(&digest)
        );
    }

    #[test]
    fn rejects_missing_tag() {
        for text in ["", "pause", "host:5000/pause", "rancher/mirrored-pause"] {
            assert!(error(text).contains("write it as NAME:TAG"), "{text}");
        }
    }

    #[test]
    fn refusals_name_the_reason() {
        for (text, reason) in [
            ("Rancher/pause:1", "\"Rancher\" is not part of a repository's name, it must be lower case"),
            ("https://docker.io/pause:1", "it begins without a scheme"),
            ("a//b:1", "\"\" is not part of a repository's name"),
            ("a/b:-1", "\"-1\" is not a tag"),
            ("a/b:", "\"\" is not a tag"),
            ("host:port/b:1", "\"host:port\" is not a host"),
            ("-a.example/b:1", "\"-a.example\" is not a host"),
            ("a b:1", "\"a b\" is not part"),
            ("a...b/c:1", "\"a...b\" is not a host"),
            (&format!("{}:1", "0".repeat(64)), "an image's ID"),
            (&format!("{}:1", "z".repeat(250)), "longer than 255"),
            (&format!("a:{}", "1".repeat(129)), "is not a tag"),
        ] {
            assert!(error(text).contains(reason), "{text}: {}", error(text));
        }
    }
}
