//! This repository's own files and the crates of xtask, for source packages.

use crate::context::{Context, Network};
use crate::digest::Digest;
use crate::dir;
use crate::process::{Command, cmd};
use crate::repository;
use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Directory of the user's own patches in a copy of this repository.
pub const OWN_PATCHES: &str = "own-patches";

/// Returns the commit of this repository that is checked out.
pub fn commit(context: &Context) -> Result<String> {
    let repository = repository::open(&context.root)?;
    let commit = repository.head().and_then(|head| head.peel_to_commit());
    let commit = commit.with_context(|| format!("{} has no commit checked out", context.root.display()))?;
    Ok(commit.id().to_string())
}

/// Returns the files of this repository that git knows, as they are now, by their paths from its root. Other files are
/// private: notes, keys, temporary binaries.
fn files(context: &Context) -> Result<BTreeSet<PathBuf>> {
    let root = &context.root;
    let repository =
        repository::open(root).context("a source package is made from a git checkout of this repository")?;
    let mut found: BTreeSet<PathBuf> = repository.index()?.iter().map(|entry| path(&entry.path)).collect();
    found.retain(|path| root.join(path).symlink_metadata().is_ok());
    Ok(found)
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// Returns the checksum of all files, and of the user's own patches.
pub fn digest(context: &Context, patches: Option<&Path>) -> Result<Digest> {
    let mut lines = Vec::new();
    for path in files(context)? {
        lines.push(format!("{} {}", path.display(), dir::content(&context.root.join(&path))?));
    }
    if let Some(patches) = patches {
        lines.push(dir::digest(patches)?.to_string());
    }
    Ok(Digest::of(lines.join("\n")))
}

/// Copies all files, and the user's own patches beside them.
pub fn copy(context: &Context, patches: Option<&Path>, into: &Path) -> Result<()> {
    for path in files(context)? {
        let place = into.join(&path);
        fs::create_dir_all(place.parent().unwrap_or(into))?;
        dir::copy_one(&context.root.join(path), &place)?;
    }
    match patches {
        Some(patches) => dir::copy(patches, &into.join(OWN_PATCHES)),
        None => Ok(()),
    }
}

/// The hosts that the source package is built on.
const HOSTS: [&str; 3] =
    ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "riscv64gc-unknown-linux-gnu"];

/// Fills a directory with the crates of Cargo.lock, for cargo's source replacement.
///
/// Cargo needs every crate to be there, also those that only other systems compile. Of these, half of the total size,
/// only the manifest is kept.
pub fn vendor_crates(context: &Context, into: &Path) -> Result<()> {
    let running = context.progress.step("vendor crates");
    let offline = (context.network == Network::Forbidden).then_some("--offline");
    // From the user's mirror of the registry, where there is one.
    let vendor = "vendor --locked --quiet --versioned-dirs --respect-source-config".split(' ');
    cargo(cmd!(context, "cargo {vendor...} {offline...} {into}"))
        .log("crates")
        .run()
        .context("gathering the crates of xtask")?;
    let mut needed = BTreeSet::new();
    for host in HOSTS {
        let list = "metadata --format-version 1 --locked --filter-platform".split(' ');
        let json = cargo(cmd!(context, "cargo {list...} {host} {offline...}")).read()?;
        needed.extend(resolved(&json)?);
    }
    let mut kept = 0;
    for path in dir::entries(into)? {
        match path.file_name().is_some_and(|name| needed.contains(&*name.to_string_lossy())) {
            true => kept += 1,
            false => reduce(&path)?,
        }
    }
    running.done(format!("{kept} crates"));
    Ok(())
}

/// Configures a cargo command with the user's settings of where crates come from, and none of how they are compiled,
/// since cargo asks rustc which crates a host needs.
fn cargo(command: Command<'_>) -> Command<'_> {
    command
        .inherit("CARGO_HTTP_", &[])
        .inherit("CARGO_NET_", &[])
        .inherit("CARGO_REGISTR", &[])
        // Above what the user's config.toml says of them (doc.rust-lang.org/cargo/reference/config.html).
        .env("RUSTC", "rustc")
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "")
        .env("CARGO_ENCODED_RUSTFLAGS", "")
}

/// Returns the packages that are compiled for a platform, `name-version` each, by what `cargo metadata` prints.
fn resolved(json: &str) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
        resolve: Resolve,
    }
    #[derive(Deserialize)]
    struct Package {
        id: String,
        name: String,
        version: String,
    }
    #[derive(Deserialize)]
    struct Resolve {
        nodes: Vec<Node>,
    }
    #[derive(Deserialize)]
    struct Node {
        id: String,
    }
    let metadata: Metadata = serde_json::from_str(json).context("reading what cargo metadata has printed")?;
    let nodes: BTreeSet<String> = metadata.resolve.nodes.into_iter().map(|node| node.id).collect();
    let packages = metadata.packages.into_iter().filter(|package| nodes.contains(&package.id));
    Ok(packages.map(|package| format!("{}-{}", package.name, package.version)).collect())
}

/// Reduces a crate to its manifest and an empty library.
fn reduce(directory: &Path) -> Result<()> {
    for path in dir::entries(directory)? {
        match path.is_dir() {
            true => fs::remove_dir_all(path)?,
            false if path.ends_with("Cargo.toml") || path.ends_with(CHECKSUMS) => {}
            false => fs::remove_file(path)?,
        }
    }
    fs::create_dir(directory.join("src"))?;
    fs::write(directory.join("src/lib.rs"), "")?;
    let sums = directory.join(CHECKSUMS);
    let mut checksums: serde_json::Value = serde_json::from_slice(&fs::read(&sums)?)?;
    checksums["files"] = serde_json::json!({});
    fs::write(sums, checksums.to_string())?;
    Ok(())
}

/// File of checksums that cargo verifies a vendored crate against.
const CHECKSUMS: &str = ".cargo-checksum.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crates_of_a_platform_are_compiled_there() {
        let json = r#"{
            "packages": [
                { "id": "a", "name": "libc", "version": "0.2.1", "dependencies": [] },
                { "id": "b", "name": "windows-sys", "version": "0.61.2", "dependencies": [] }
            ],
            "resolve": { "nodes": [{ "id": "a", "deps": [] }], "root": null }
        }"#;
        assert_eq!(resolved(json).unwrap(), BTreeSet::from(["libc-0.2.1".to_owned()]));
    }
}
