//! Pushing to a registry by crane, which works with all registries and finds the credentials that docker and podman
//! keep.

use crate::context::{Context, Network};
use crate::process::cmd;
use crate::reference::Reference;
use crate::toolchain::go_tool;
use anyhow::{Result, anyhow, bail};
use std::path::Path;

/// Security of the connection to a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTPS with a certificate that the system trusts. Hosts of this machine may use plain HTTP.
    Verified,
    /// `--insecure`: plain HTTP, or a self-signed certificate.
    Insecure,
}

/// Pushes a layout with one index to a registry and returns `NAME@sha256:…`, by which it can be pulled.
///
/// Blobs that the registry has already are not sent again.
pub fn push(context: &Context, layout: &Path, reference: &Reference, transport: Transport) -> Result<String> {
    let name = reference.normalised();
    if context.network == Network::Forbidden {
        bail!("--offline forbids pushing {name}");
    }
    let crane = go_tool::crane(context)?;
    let running = context.progress.step("push");
    running.doing(name.clone());
    let insecure: &[&str] = match transport {
        Transport::Verified => &[],
        Transport::Insecure => &["--insecure"],
    };
    let command = cmd!(context, "{crane} {insecure...} push {layout} {name}")
        // Helpers that keep docker's credentials in a desktop's keyring or in pass look for them there.
        .inherit("DBUS_SESSION_", &[])
        .inherit("PASSWORD_STORE_", &[]);
    let (status, stdout, stderr) = command.capture()?;
    if !status.success() {
        let messages = String::from_utf8_lossy(&stderr);
        let cause = anyhow!("{}", last_error(&messages));
        return Err(cause.context(format!("cannot push {name}{}", advice(&messages, reference))));
    }
    running.done(format!("to {}", reference.registry()));
    Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
}

/// Returns the error that crane ends with, without its attempts before it.
fn last_error(messages: &str) -> &str {
    let error = messages.rsplit_once("Error: ").map_or(messages, |(_, error)| error).trim();
    if error.is_empty() { "crane failed without a message" } else { error }
}

/// Returns the host of the failed request, if it was an upload: a registry names the URL of each upload itself
/// (distribution-spec, `Location`), and it may be on another host.
fn upload_host(error: &str) -> Option<&str> {
    let upload = |(at, _): &(usize, &str)| {
        let before = error[..*at].trim_end_matches("https").trim_end_matches("http").trim_end_matches('"');
        ["patch", "put"]
            .contains(&before.trim_end().rsplit(' ').next().unwrap_or_default().to_lowercase().as_str())
    };
    let (at, scheme) = error.match_indices("://").filter(upload).last()?;
    error[at + scheme.len()..].split(['/', '"', ' ']).next()
}

/// Returns the cause and remedy of a failed push, if its message is a known one.
fn advice(messages: &str, reference: &Reference) -> String {
    let (host, error) = (reference.registry(), last_error(messages));
    if let Some(other) = upload_host(error).filter(|other| *other != host) {
        return format!(
            ": {host} names {other} as the host that takes uploads, and that one failed\n  ask the operator of {host}: a \
             registry behind a proxy has to be configured with the host that its clients see (REGISTRY_HTTP_HOST)"
        );
    }
    let contains = |words: &[&str]| words.iter().any(|word| messages.contains(word));
    let advice = if contains(&["UNAUTHORIZED", "DENIED", "401 ", "403 "]) {
        format!(
            "the registry denies access\n  log in as a user who may push there: docker login {host}, or podman login {host}"
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
        "the registry closed the connection\n  push again: what has arrived is not sent twice".to_owned()
    } else {
        return String::new();
    };
    format!(": {advice}")
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
    fn known_failures_have_remedies() {
        let reference = Reference::parse("registry.example:5000/me/pause:1").unwrap();
        for (message, remedy) in [
            ("DENIED: requested access to the resource is denied", "docker login registry.example:5000"),
            ("unexpected status code 401 Unauthorized", "podman login registry.example:5000"),
            ("x509: certificate signed by unknown authority", "SSL_CERT_FILE"),
            ("http: server gave HTTP response to HTTPS client", "use --insecure if that is meant"),
            ("dial tcp: lookup registry.example: no such host", "registry.example:5000 cannot be reached"),
            ("unexpected EOF", "push again"),
        ] {
            assert!(
                advice(message, &reference).contains(remedy),
                "{message}: {}",
                advice(message, &reference)
            );
        }
        assert_eq!(advice("something new", &reference), "");
    }

    #[test]
    fn finds_host_of_uploads_only() {
        let refused = "connect: connection refused";
        for (message, host) in [
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
            assert_eq!(upload_host(&message), host, "{message}");
        }
    }

    #[test]
    fn default_credentials_are_for_docker_hub() {
        let reference = Reference::parse("me/pause:1").unwrap();
        assert!(advice("UNAUTHORIZED", &reference).contains("docker login docker.io"));
    }
}
