//! What the packages have to be: by the product, the lists of files and the spec.

use super::Packaging;
use super::build::{self, BUILD_HOST, Mode};
use super::contents::{Contents, File, Kind};
use super::files;
use super::recipe::{self, Package, Relation};
use super::sources::{self, PROGRAM, Topdir};
use crate::digest::Digest;
use anyhow::{Context as _, Result, anyhow};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Where the links of the packages lead.
const LINKS: [(&str, &str); 4] = [
    ("/usr/bin/crictl", "k3s"),
    ("/usr/bin/ctr", "k3s"),
    ("/usr/bin/kubectl", "k3s"),
    ("/var/lib/rancher/k3s/agent/images/k3s-pause-image.tar", "/usr/share/k3s/images/k3s-pause-image.tar"),
];

/// All packages of the spec.
pub fn packages(packaging: &Packaging, topdir: &Topdir) -> Result<Vec<Contents>> {
    let spec = recipe::parse(&build::expanded_spec(packaging, topdir, Mode::Prebuilt)?)
        .context("reading the expanded spec")?;
    let main = spec.get("k3s").context("the spec has no package k3s")?;
    spec.iter().map(|(name, package)| one(packaging, topdir, name, package, main)).collect()
}

fn one(
    packaging: &Packaging,
    topdir: &Topdir,
    name: &str,
    package: &Package,
    main: &Package,
) -> Result<Contents> {
    let arch = package.tags.get("BuildArch").map_or(packaging.target.rpm, String::as_str);
    let nevra = packaging.nevra(name, arch);
    let tag = |tag: &str| {
        let value = package.tags.get(tag).or_else(|| main.tags.get(tag));
        value.cloned().with_context(|| format!("the spec gives {name} no {tag}"))
    };
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
    let mut relations = package.relations.clone();
    relations.entry(Relation::Provides).or_default().extend(provided(packaging, name, arch, &files));
    relations
        .entry(Relation::Requires)
        .or_default()
        .extend(required(packaging, topdir, name, package, &files)?);
    relations.retain(|_, some| !some.is_empty());
    Ok(Contents { nevra, tags, files, relations, scriptlets: package.scriptlets.clone() })
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

/// Where a source comes from: this repository, or else it was made for these packages.
fn original(packaging: &Packaging, sources: &Path, source: &str) -> PathBuf {
    let ours = packaging.context.root.join("rpm").join(source);
    if ours.is_file() { ours } else { sources.join(source) }
}

/// What every package provides: itself, itself for its architecture, its configuration.
fn provided(
    packaging: &Packaging,
    name: &str,
    arch: &str,
    files: &BTreeMap<String, File>,
) -> BTreeSet<String> {
    let version = version_release(packaging);
    let mut found = BTreeSet::from([format!("{name} = {version}")]);
    if arch != "noarch" {
        found.insert(format!("{name}({}) = {version}", packaging.target.rpm_isa));
    }
    if files.values().any(|file| file.marks.config) {
        found.insert(format!("config({name}) = {version}"));
    }
    found
}

/// What rpm adds to the spec's own dependencies: interpreters of scriptlets and of installed scripts, and the
/// package's configuration.
fn required(
    packaging: &Packaging,
    topdir: &Topdir,
    name: &str,
    package: &Package,
    files: &BTreeMap<String, File>,
) -> Result<BTreeSet<String>> {
    let mut found: BTreeSet<String> =
        package.scriptlets.keys().map(|scriptlet| format!("{scriptlet}: /bin/sh")).collect();
    if files.values().any(|file| file.marks.config) {
        found.insert(format!("config({name}) = {}", version_release(packaging)));
    }
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

fn version_release(packaging: &Packaging) -> String {
    let nevra = packaging.nevra("", "");
    format!("{}-{}", nevra.version, nevra.release)
}
