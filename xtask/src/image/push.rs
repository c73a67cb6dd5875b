//! Pushing to a registry by crane: one list of images under a tag, in which entries for other architectures stay.

use crate::context::Context;
use crate::digest::Digest;
use crate::image::layout::{self, KeptEntry, LayoutImage};
use crate::image::remote::{Entry, Remote, Tagged, Transport};
use crate::reference::Reference;
use anyhow::{Context as _, Result, bail};
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
    let cannot = || format!("cannot push {name}");
    let remote =
        Remote::new(context, reference, transport, &format!("pushing {name}")).with_context(cannot)?;
    let running = context.progress.step("push");
    running.doing(name.clone());
    let kept = match remote.tagged().with_context(cannot)? {
        Some(tagged) => kept(&remote, images, &tagged).with_context(cannot)?,
        None => Vec::new(),
    };
    let scratch = tempfile::tempdir().context("making a scratch directory for the layout")?;
    let layout = scratch.path().join("oci");
    layout::write(images, &kept, std::slice::from_ref(reference), &layout)?;
    let command = remote.command(&["push", &layout.to_string_lossy(), &name]);
    let (status, stdout, stderr) = command.capture()?;
    if !status.success() {
        return Err(remote.failure(&String::from_utf8_lossy(&stderr), "push"));
    }
    running.done(format!("to {}", reference.registry()));
    let kept = kept.iter().map(|entry| platform(&entry.descriptor)).collect();
    Ok(Pushed { name: String::from_utf8_lossy(&stdout).trim().to_owned(), kept })
}

/// Returns the entries that stay in the list.
fn kept(remote: &Remote, images: &[LayoutImage], tagged: &Tagged) -> Result<Vec<KeptEntry>> {
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
        let manifest = remote.manifest(&entry.digest)?;
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
