//! Pushing to a registry by crane: one list of images under a tag, in which entries for other architectures stay.

use crate::context::Context;
use crate::digest::Digest;
use crate::image::layout::{self, KeptEntry, LayoutImage};
use crate::image::remote::{Entry, Limit, Remote, Tagged, Transport, advice, last_error};
use crate::reference::Reference;
use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Map, Value};
use std::fmt;

/// A list of images that a registry has.
pub struct Pushed {
    /// `NAME@sha256:…`, by which it can be pulled.
    pub name: String,
    /// Platforms that were there before and that were kept.
    pub kept: Vec<String>,
}

impl fmt::Display for Pushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.kept.is_empty() {
            write!(f, "\n  kept: {}", self.kept.join(", "))?;
        }
        Ok(())
    }
}

/// Pushes images as one list under a tag.
///
/// Images for other architectures that the tag has already stay in the list. Blobs that the registry has already are
/// not sent again, and the tag is moved last, so that an interrupted push changes nothing.
pub fn push(
    context: &Context,
    images: &[LayoutImage],
    reference: &Reference,
    transport: Transport,
) -> Result<Pushed> {
    let name = reference.normalised();
    let remote = Remote::new(context, transport, &format!("pushing {name}"))?;
    let running = context.progress.step("push");
    running.doing(name.clone());
    let cannot = || format!("cannot push {name}");
    let kept = match remote.tagged(reference).with_context(cannot)? {
        Some(tagged) => kept(&remote, images, reference, &tagged).with_context(cannot)?,
        None => Vec::new(),
    };
    let scratch = tempfile::tempdir().context("making a scratch directory for the layout")?;
    let layout = scratch.path().join("oci");
    layout::write(images, &kept, std::slice::from_ref(reference), &layout)?;
    let command = remote.command(&["push", &layout.to_string_lossy(), &name]);
    let (status, stdout, stderr) = command.capture()?;
    if !status.success() {
        let messages = String::from_utf8_lossy(&stderr);
        let error = last_error(&messages);
        let limit = Limit { pause: None, now: context.clock.now() };
        let advice = upload_advice(error, reference).unwrap_or_else(|| advice(error, reference, &limit));
        return Err(anyhow!("{error}").context(format!("cannot push {name}{advice}")));
    }
    running.done(format!("to {}", reference.registry()));
    let kept = kept.iter().map(|entry| platform(&entry.descriptor)).collect();
    Ok(Pushed { name: String::from_utf8_lossy(&stdout).trim().to_owned(), kept })
}

/// Returns the entries that stay in the list.
fn kept(
    remote: &Remote,
    images: &[LayoutImage],
    reference: &Reference,
    tagged: &Tagged,
) -> Result<Vec<KeptEntry>> {
    let is_replaced = |entry: &&Entry| {
        entry.architecture().is_some_and(|name| images.iter().any(|image| image.target.go == name))
    };
    let replaced: Vec<&Digest> = tagged.entries.iter().filter(is_replaced).map(|it| &it.digest).collect();
    let stays = |entry: &&Entry| {
        !is_replaced(entry) && entry.describes().is_none_or(|digest| !replaced.contains(&&digest))
    };
    let keep = |entry: &Entry| {
        if entry.digest == tagged.digest && entry.architecture().is_none() {
            bail!(
                "the tag has one image, for {}, and no list in which it could be kept\n  \
                 push to another registry or path, or delete the tag first",
                platform(&entry.descriptor)
            );
        }
        let manifest = remote.manifest(reference, &entry.digest)?;
        Ok(KeptEntry { manifest, descriptor: entry.descriptor.clone(), digest: entry.digest.clone() })
    };
    tagged.entries.iter().filter(stays).map(keep).collect()
}

/// Returns the platform of a descriptor, as `crane --platform` takes it.
fn platform(descriptor: &Map<String, Value>) -> String {
    let part = |key: &str| descriptor.get("platform").and_then(|platform| platform.get(key)?.as_str());
    let parts: Vec<&str> = ["os", "architecture", "variant"].into_iter().filter_map(part).collect();
    if parts.is_empty() { "an unknown platform".to_owned() } else { parts.join("/") }
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

/// Returns the cause and remedy of a failure at another host than the registry's.
fn upload_advice(error: &str, reference: &Reference) -> Option<String> {
    let host = reference.registry();
    let other = upload_host(error).filter(|other| *other != host)?;
    Some(format!(
        ": {host} names {other} as the host that takes uploads, and that one failed\n  ask the operator of {host}: a \
         registry behind a proxy has to be configured with the host that its clients see (REGISTRY_HTTP_HOST)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
