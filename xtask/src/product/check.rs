//! The product is checked, not the exit code of what made it.

use super::{Part, elf, run};
use crate::k3s::{Build, Part as Presence, bundle};
use crate::progress::Running;
use crate::step::Outputs;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use memchr::memmem;
use serde::{Deserialize, Serialize};

/// One thing that was looked at and found right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What holds, as a sentence.
    pub what: String,
    /// What was seen.
    pub seen: String,
}

fn check(what: impl Into<String>, seen: impl Into<String>) -> Check {
    Check { what: what.into(), seen: seen.into() }
}

/// Runs all checks; the first that fails stops the build.
pub fn all(build: &Build, outputs: &Outputs, parts: &[Part], running: &Running) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for part in parts {
        let bytes = fs::read(&part.path)?;
        running.doing(part.name.clone());
        match part.name.as_str() {
            "pause image" => {}
            "bundle" => checks.push(bundle_is_whole(build, &bytes)?),
            _ => checks.push(program_is_ours(build, part, &bytes)?),
        }
        match part.name.as_str() {
            "server" => checks.push(pause_image_is_patched(build, &bytes)?),
            "binary" => checks.push(size_is_allowed(build, &bytes)?),
            _ => {}
        }
    }
    running.doing("running the parts");
    checks.extend(run::all(build, outputs)?);
    Ok(checks)
}

fn program_is_ours(build: &Build, part: &Part, bytes: &[u8]) -> Result<Check> {
    elf::check(bytes, build.target.elf_machine)
        .with_context(|| format!("{} ({})", part.name, part.path.display()))?;
    for path in build_paths(build) {
        if memmem::find(bytes, path.as_bytes()).is_some() {
            bail!("{} names a path of this machine: {path}", part.name);
        }
    }
    Ok(check(
        format!("{} is a static {} program that names no path of this machine", part.name, build.target.go),
        format!("{} bytes", bytes.len()),
    ))
}

/// The folders of this machine that must not be found in anything shipped.
fn build_paths(build: &Build) -> Vec<String> {
    let context = build.context;
    let home = std::env::var("HOME").unwrap_or_default();
    let mut paths: Vec<String> = [&context.root, &context.cache, &context.work]
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    // A home such as `/` or `/root` stands in programs for reasons of their own.
    paths.extend(["go/pkg/mod", ".cargo/registry"].map(|folder| format!("{home}/{folder}")));
    paths
}

fn bundle_is_whole(build: &Build, bytes: &[u8]) -> Result<Check> {
    let contents = bundle::verify(bytes).context("the bundle would not be unpacked by k3s")?;
    for (name, _) in &build.facts.recipe.links {
        ensure!(contents.links.contains_key(name), "the bundle lacks the link {name}");
    }
    for name in ["k3s", "containerd-shim-runc-v2", "runc", "cni", "check-config"] {
        ensure!(contents.files.contains_key(name), "the bundle lacks {name}");
    }
    Ok(check(
        "every file and link of the bundle is as its lists say",
        format!("{} files, {} links", contents.files.len(), contents.links.len()),
    ))
}

/// The server asks for our image; upstream's name is gone.
fn pause_image_is_patched(build: &Build, server: &[u8]) -> Result<Check> {
    let ours = build.options.pause_image.as_str();
    ensure!(
        memmem::find(server, ours.as_bytes()).is_some(),
        "the server does not name the pause image {ours}"
    );
    let theirs = "rancher/mirrored-pause";
    if !ours.contains(theirs) {
        ensure!(memmem::find(server, theirs.as_bytes()).is_none(), "the server still names {theirs}");
    }
    if build.options.builtin_pause == Presence::Included {
        let marker = "k3s-builtin-pause.tar";
        ensure!(
            memmem::find(server, marker.as_bytes()).is_some(),
            "the server does not carry the pause image"
        );
    }
    Ok(check("the server names our pause image and not upstream's", ours))
}

/// What k3s-root adds to the binary, in MiB, where it is not inside (v0.14.1 for riscv64, compressed).
const ROOT_HEADROOM_MIB: u64 = 12;

fn size_is_allowed(build: &Build, binary: &[u8]) -> Result<Check> {
    let size = binary.len() as u64;
    let Some(limit) = build.facts.max_binary_mib else {
        return Ok(check("upstream sets no limit to the size of the binary", format!("{size} bytes")));
    };
    let headroom = if build.options.root == Presence::LeftOut { ROOT_HEADROOM_MIB } else { 0 };
    let allowed = limit.saturating_sub(headroom) << 20;
    ensure!(
        size <= allowed,
        "the binary has {size} bytes; upstream's limit of {limit} MiB, less {headroom} MiB for what is not inside, allows {allowed}"
    );
    let seen = format!(
        "{size} bytes, {} MiB below the limit of {limit} MiB, of which {headroom} are for k3s-root",
        (allowed - size) >> 20
    );
    Ok(check("the binary is within upstream's limit of size", seen))
}
