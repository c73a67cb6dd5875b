//! The product is checked, not the exit code of what made it.

use super::{Part, names};
use crate::elf;
use crate::k3s::{Build, Part as Presence, bundle, format};
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use indicatif::HumanBytes;
use serde::{Deserialize, Serialize};
use std::path::Path;

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

/// Looks at all parts; the first that is not right stops the build.
pub fn all(build: &Build, parts: &[Part]) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for part in parts {
        checks.extend(match part.name.as_str() {
            "pause image" => vec![],
            "bundle" => vec![bundle_is_whole(build, part)?],
            "server" => vec![program_is_ours(build, part)?, pause_image_is_patched(build, part)?],
            "binary" => vec![program_is_ours(build, part)?, size_is_allowed(build, part)?],
            _ => vec![program_is_ours(build, part)?],
        });
    }
    Ok(checks)
}

fn program_is_ours(build: &Build, part: &Part) -> Result<Check> {
    let headers = object::ReadCache::new(fs::File::open(&part.path)?.into_file());
    elf::check(&headers, build.target.elf_machine)
        .with_context(|| format!("{} ({})", part.name, part.path.display()))?;
    let paths = build_paths(build);
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    if let Some(path) = names::found_in(&part.path, &paths)?.first() {
        bail!("{} names a path of this machine: {path}", part.name);
    }
    Ok(check(
        format!("{} is a static {} program that names no path of this machine", part.name, build.target.go),
        format!("{} bytes", size(part)?),
    ))
}

fn size(part: &Part) -> Result<u64> {
    Ok(fs::metadata(&part.path)?.len())
}

/// The directories of this machine that must not be found in anything shipped.
fn build_paths(build: &Build) -> Vec<String> {
    let context = build.context;
    let home = std::env::var("HOME").unwrap_or_default();
    // Directories in them, since a directory such as /src, /cache or /root stands in programs for reasons of their own.
    let below = [
        context.root.join("pause/src"),
        context.work.join(build.target.go),
        build.patched.tree.clone(),
        context.cache.join("go-build"),
        context.cache.join("tools"),
        context.cache.join("zig"),
        Path::new(&home).join(".cargo/registry"),
        build.any_go.module_cache().directory,
    ];
    let known = below.iter().filter(|path| path.is_absolute());
    known.map(|path| path.display().to_string()).collect()
}

fn bundle_is_whole(build: &Build, part: &Part) -> Result<Check> {
    let contents =
        bundle::verify(fs::File::open(&part.path)?).context("the bundle would not be unpacked by k3s")?;
    for (name, _) in &build.facts.recipe.links {
        ensure!(contents.links.contains_key(name), "the bundle lacks the link {name}");
    }
    for name in ["k3s", "containerd-shim-runc-v2", "runc", "cni", "check-config"] {
        ensure!(contents.files.contains_key(name), "the bundle lacks {name}");
    }
    if build.options.root == Presence::Included {
        let has = |name: &str| contents.files.contains_key(name) || contents.links.contains_key(name);
        let missing = format::missing(has);
        ensure!(missing.is_empty(), "k3s-root is included, and the bundle has no {}", missing.join(", "));
    }
    Ok(check(
        "every file and link of the bundle is as its lists say",
        format!("{} files, {} links", contents.files.len(), contents.links.len()),
    ))
}

/// The server asks for our image; upstream's name is gone.
fn pause_image_is_patched(build: &Build, server: &Part) -> Result<Check> {
    let ours = build.options.pause_image.as_str();
    let found = names::found_in(&server.path, &[ours, THEIRS, STAGED])?;
    ensure!(found.contains(&ours), "the server does not name the pause image {ours}");
    ensure!(ours.contains(THEIRS) || !found.contains(&THEIRS), "the server still names {THEIRS}");
    let inside = build.options.builtin_pause == Presence::Included;
    ensure!(
        inside == found.contains(&STAGED),
        "the server carries a pause image: {}, wanted: {inside}",
        !inside
    );
    Ok(check("the server names our pause image and not upstream's", ours))
}

/// The repository of upstream's default pause image.
const THEIRS: &str = "rancher/mirrored-pause";

/// The file as which the patched server stages the image it carries (patches/builtin-pause).
const STAGED: &str = "k3s-builtin-pause.tar";

/// Holds the binary against upstream's own limit. What is not inside cannot be weighed, so the room
/// that is left for it is stated instead.
fn size_is_allowed(build: &Build, binary: &Part) -> Result<Check> {
    let size = size(binary)?;
    let Some(limit) = build.facts.max_binary_mib.map(|limit| limit << 20) else {
        return Ok(check("upstream sets no limit to the size of the binary", format!("{size} bytes")));
    };
    ensure!(
        size <= limit,
        "the binary has {size} bytes; upstream allows {limit} (scripts/binary_size_check.sh)"
    );
    let room = HumanBytes(limit - size);
    let seen = match build.incomplete().as_slice() {
        [] => format!("{size} bytes, {room} below the limit"),
        missing => {
            format!("{size} bytes; {room} are left for {}, which are not inside", missing.join(" and "))
        }
    };
    Ok(check("the binary is within upstream's limit of size", seen))
}
