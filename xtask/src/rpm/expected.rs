//! Expected packages, derived from the product, the lists of files and the spec.

use super::Packaging;
use super::build::{self, BUILD_HOST};
use super::contents::{Contents, File, Kind, Relation};
use super::files;
use super::sources::{self, PROGRAM, Topdir};
use super::spec::{self, Package};
use crate::digest::Digest;
use anyhow::{Context as _, Result, anyhow};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Targets of the links in the packages.
const LINKS: [(&str, &str); 4] = [
    ("/usr/bin/crictl", "k3s"),
    ("/usr/bin/ctr", "k3s"),
    ("/usr/bin/kubectl", "k3s"),
    ("/var/lib/rancher/k3s/agent/images/k3s-pause-image.tar", "/usr/share/k3s/images/k3s-pause-image.tar"),
];

/// All packages of the spec.
pub fn packages(packaging: &Packaging, topdir: &Topdir) -> Result<Vec<Contents>> {
    let queried = build::queried_spec(packaging, topdir, &spec::format())?;
    let packages = spec::parse(&queried).context("reading what rpmspec prints")?;
    packages.into_iter().map(|(name, package)| one(packaging, topdir, &name, package)).collect()
}

fn one(packaging: &Packaging, topdir: &Topdir, name: &str, package: Package) -> Result<Contents> {
    let tag =
        |tag: &str| package.tags.get(tag).cloned().with_context(|| format!("the spec gives {name} no {tag}"));
    let nevra = packaging.nevra(name, &tag("Arch")?);
    let tags = BTreeMap::from([
        ("Summary", tag("Summary")?),
        ("License", tag("License")?),
        ("Vendor", tag("Vendor")?),
        ("URL", tag("URL")?),
        ("build host", BUILD_HOST.to_owned()),
        ("build time", packaging.time().to_string()),
        ("times of files", packaging.time().to_string()),
        ("payload", "zstd".to_owned()),
    ]);
    let list = format!("rpm/{name}.files");
    let listed = files::parse(&fs::read_to_string(packaging.context.root.join(&list))?).context(list)?;
    let files = listed
        .into_iter()
        .map(|listed| {
            let kind = kind(packaging, &topdir.sources(), &listed)?;
            let files::Listed { path, mode, user, group, marks, .. } = listed;
            Ok((path, File { kind, mode, user, group, marks }))
        })
        .collect::<Result<BTreeMap<_, _>>>()?;
    let mut relations = package.relations;
    if files.values().any(|file| file.marks.config) {
        let config = format!("config({name}) = {}-{}", nevra.version, nevra.release);
        relations.entry(Relation::Provides).or_default().insert(config.clone());
        relations.entry(Relation::Requires).or_default().insert(config);
    }
    let interpreters = interpreters(packaging, topdir, &files)?;
    if !interpreters.is_empty() {
        relations.entry(Relation::Requires).or_default().extend(interpreters);
    }
    Ok(Contents { nevra, tags, files, relations, scriptlets: package.scriptlets })
}

fn kind(packaging: &Packaging, sources: &Path, listed: &files::Listed) -> Result<Kind> {
    if listed.is_directory {
        return Ok(Kind::Directory);
    }
    if let Some((_, target)) = LINKS.iter().find(|(path, _)| *path == listed.path) {
        return Ok(Kind::Link((*target).to_owned()));
    }
    match sources::source_of(&listed.path) {
        // The product's own word for it, not that of a copy of ours.
        PROGRAM => {
            let file = packaging.target.k3s_binary();
            let entry = packaging.product.manifest.files.get(&file);
            Ok(Kind::Regular(
                entry.ok_or_else(|| anyhow!("the manifest does not name {file}"))?.sha256.clone(),
            ))
        }
        source => Ok(Kind::Regular(Digest::of_file(&original(packaging, sources, source))?)),
    }
}

/// Returns the path of a source: in this repository, or else among those written for these packages.
fn original(packaging: &Packaging, sources: &Path, source: &str) -> PathBuf {
    let ours = packaging.context.root.join("rpm").join(source);
    if ours.is_file() { ours } else { sources.join(source) }
}

/// The interpreters of installed scripts, which rpm finds only when it builds.
fn interpreters(
    packaging: &Packaging,
    topdir: &Topdir,
    files: &BTreeMap<String, File>,
) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for (path, file) in files {
        let executable = file.mode.is_some_and(|mode| mode & 0o111 != 0);
        if executable && matches!(file.kind, Kind::Regular(_)) {
            let text = fs::read(original(packaging, &topdir.sources(), sources::source_of(path)))?;
            found.extend(interpreter(&text));
        }
    }
    Ok(found)
}

/// The program that a script's first line names.
fn interpreter(script: &[u8]) -> Option<String> {
    let line = script.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).split_whitespace().next()?.to_owned())
}
