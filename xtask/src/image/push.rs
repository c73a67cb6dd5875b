//! To a registry, by crane: it speaks with every registry there is, and finds the credentials that docker
//! and podman keep.

use crate::context::{Context, Network};
use crate::image::crane::crane;
use crate::process::cmd;
use crate::reference::Reference;
use anyhow::{Result, anyhow, bail};
use std::path::Path;

/// How far the registry is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTPS with a certificate that the system trusts. Hosts of the machine's own may speak plain HTTP.
    Verified,
    /// `--insecure`: plain HTTP, or a certificate that nobody vouches for.
    Insecure,
}

/// Sends the index of a layout that has one entry to a registry. Returns `NAME@sha256:…`, as it is to be
/// pulled.
///
/// What the registry has already is not sent again.
pub fn push(context: &Context, layout: &Path, reference: &Reference, transport: Transport) -> Result<String> {
    let name = reference.normalised();
    if context.network == Network::Forbidden {
        bail!("--offline forbids pushing {name}");
    }
    let crane = crane(context)?;
    let running = context.progress.step("push");
    running.doing(name.clone());
    let insecure: &[&str] = match transport {
        Transport::Verified => &[],
        Transport::Insecure => &["--insecure"],
    };
    let program = cmd!(context, "{crane} {insecure...} push {layout} {name}")
        // Helpers that keep docker's credentials in a desktop's keyring or in pass look for them there.
        .inherit("DBUS_SESSION_", &[])
        .inherit("PASSWORD_STORE_", &[]);
    let (status, answer, messages) = program.capture()?;
    if !status.success() {
        let messages = String::from_utf8_lossy(&messages);
        let cause = anyhow!("{}", said(&messages).to_owned());
        return Err(cause.context(format!("cannot push {name}{}", advice(&messages, reference))));
    }
    running.done(format!("to {}", reference.registry()));
    Ok(String::from_utf8_lossy(&answer).trim().to_owned())
}

/// The error that crane ends with; before it stand its attempts.
fn said(messages: &str) -> &str {
    let said = messages.rsplit_once("Error: ").map_or(messages, |(_, error)| error).trim();
    if said.is_empty() { "crane ended without a word" } else { said }
}

/// The host of the request that failed, if it was one that uploads: a registry names the URL of each upload itself
/// (distribution-spec, `Location`), and it may be another host's.
fn upload_host(said: &str) -> Option<&str> {
    let upload = |(at, _): &(usize, &str)| {
        let before = said[..*at].trim_end_matches("https").trim_end_matches("http").trim_end_matches('"');
        ["patch", "put"]
            .contains(&before.trim_end().rsplit(' ').next().unwrap_or_default().to_lowercase().as_str())
    };
    let (at, scheme) = said.match_indices("://").filter(upload).last()?;
    said[at + scheme.len()..].split(['/', '"', ' ']).next()
}

/// What a person can do about a failed push.
fn advice(messages: &str, reference: &Reference) -> String {
    let (host, said) = (reference.registry(), said(messages));
    if let Some(other) = upload_host(said).filter(|other| *other != host) {
        return format!(
            ": {host} names {other} as the host that takes uploads, and that one failed\n  tell who runs {host}: a \
             registry behind a proxy has to be configured with the host that its clients see (REGISTRY_HTTP_HOST)"
        );
    }
    let says = |words: &[&str]| words.iter().any(|word| messages.contains(word));
    let advice = if says(&["UNAUTHORIZED", "DENIED", "401 ", "403 "]) {
        format!(
            "the registry does not let you in\n  log in as one who may push there: docker login {host}, or \
             podman login {host}"
        )
    } else if says(&["x509:", "tls: "]) {
        format!(
            "{host} has a certificate that this system does not trust\n  name its issuer in SSL_CERT_FILE, or use --insecure"
        )
    } else if says(&["server gave HTTP response to HTTPS client"]) {
        format!("{host} speaks plain HTTP\n  use --insecure if that is meant")
    } else if says(&["no such host", "connection refused", "i/o timeout", "network is unreachable"]) {
        format!("{host} cannot be reached\n  look at its name, the network and the proxy settings")
    } else if says(&["EOF", "connection reset", "broken pipe"]) {
        "the registry broke off\n  push again: what has arrived is not sent twice".to_owned()
    } else {
        return String::new();
    };
    format!(": {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crane_says_last_is_its_error() {
        assert_eq!(said("2026/01/01 retrying\nError: pushing: EOF\n"), "pushing: EOF");
        assert_eq!(said("panic"), "panic");
        assert_eq!(said(""), "crane ended without a word");
    }

    #[test]
    fn every_known_failure_of_a_push_comes_with_its_remedy() {
        let reference = Reference::parse("registry.example:5000/me/pause:1").unwrap();
        for (said, remedy) in [
            ("DENIED: requested access to the resource is denied", "docker login registry.example:5000"),
            ("unexpected status code 401 Unauthorized", "podman login registry.example:5000"),
            ("x509: certificate signed by unknown authority", "SSL_CERT_FILE"),
            ("http: server gave HTTP response to HTTPS client", "use --insecure if that is meant"),
            ("dial tcp: lookup registry.example: no such host", "registry.example:5000 cannot be reached"),
            ("unexpected EOF", "push again"),
        ] {
            assert!(advice(said, &reference).contains(remedy), "{said}: {}", advice(said, &reference));
        }
        assert_eq!(advice("something new", &reference), "");
    }

    #[test]
    fn only_uploads_tell_the_host_they_went_to() {
        let refused = "connect: connection refused";
        for (said, host) in [
            (
                format!("Patch \"http://storage.example:5000/v2/x\": dial tcp: {refused}"),
                Some("storage.example:5000"),
            ),
            (
                "PUT https://storage.example/x?digest=y: unexpected status code 403".to_owned(),
                Some("storage.example"),
            ),
            (format!("Post \"https://auth.example/token\": {refused}"), None),
            (format!("Get \"https://registry.example/v2/\": {refused}"), None),
        ] {
            assert_eq!(upload_host(&said), host, "{said}");
        }
    }

    #[test]
    fn without_a_host_the_credentials_are_docker_hubs() {
        let reference = Reference::parse("me/pause:1").unwrap();
        assert!(advice("UNAUTHORIZED", &reference).contains("docker login docker.io"));
    }
}
