//! Expected packages, derived from the product, the lists of files and the spec.

use super::Packaging;
use super::contents::Contents;
use super::files;
use super::rpmbuild::{self, BUILD_HOST, SpecVariant};
use super::sources::{self, PROGRAM, Topdir};
use super::spec::{self, Properties};
use crate::digest::Digest;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::PathBuf;

/// Targets of the links in the packages.
const LINKS: [(&str, &str); 6] = [
    ("/usr/bin/crictl", "k3s"),
    ("/usr/bin/ctr", "k3s"),
    ("/usr/bin/k3s-agent-uninstall.sh", "k3s-uninstall.sh"),
    ("/usr/bin/kubectl", "k3s"),
    (
        "/var/lib/rancher/k3s/agent/images/k3s-airgap-images.tar.zst",
        "/usr/share/k3s/images/k3s-airgap-images.tar.zst",
    ),
    ("/var/lib/rancher/k3s/agent/images/k3s-pause-image.tar", "/usr/share/k3s/images/k3s-pause-image.tar"),
];

/// Returns all packages of the specs.
pub fn packages(packaging: &Packaging, topdir: &Topdir) -> Result<Vec<Contents>> {
    let mut found = Vec::new();
    for variant in SpecVariant::of_packages(packaging) {
        let queried = rpmbuild::queried_spec(packaging, topdir, variant, &spec::format())?;
        for (name, properties) in spec::parse(&queried).context("reading what rpmspec prints")? {
            found.push(package(packaging, topdir, &name, properties)?);
        }
    }
    Ok(found)
}

fn package(
    packaging: &Packaging,
    topdir: &Topdir,
    name: &str,
    mut properties: Properties,
) -> Result<Contents> {
    let arch = properties.get("tag Arch").with_context(|| format!("the spec gives {name} no Arch"))?;
    let nevra = packaging.nevra(name, arch);
    let list = format!("rpm/{name}.files");
    let mut config = false;
    for listed in files::parse(&fs::read_to_string(packaging.context.root.join(&list))?).context(list)? {
        let path = &listed.path;
        config |= listed.marks.contains("%config(noreplace)");
        properties.insert(format!("file {path}"), listed.to_string());
        if let Some((_, target)) = LINKS.iter().find(|(link, _)| link == path) {
            properties.insert(format!("link {path}"), (*target).to_owned());
        } else if !listed.marks.contains("%dir") {
            properties.insert(format!("sha256 {path}"), digest(packaging, topdir, path)?.to_string());
            if listed.mode.is_some_and(|mode| mode & 0o111 != 0) {
                // rpm finds the interpreters of installed scripts only when it builds.
                let interpreter = interpreter(&fs::read(source(packaging, topdir, path))?);
                properties.extend(interpreter.map(|program| (format!("Requires: {program}"), String::new())));
            }
        }
    }
    if config {
        for relation in ["Provides", "Requires"] {
            let config = format!("{relation}: config({name}) = {}-{}", nevra.version, nevra.release);
            properties.insert(config, String::new());
        }
    }
    let time = packaging.time().to_string();
    let built =
        [("build host", BUILD_HOST), ("build time", &time), ("times of files", &time), ("payload", "zstd")];
    properties.extend(built.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(Contents { nevra, properties })
}

/// Returns the digest of an installed file. For the program it is the product's own, not that of a copy.
fn digest(packaging: &Packaging, topdir: &Topdir, installed: &str) -> Result<Digest> {
    if sources::source_of(installed) != PROGRAM {
        return Digest::of_file(&source(packaging, topdir, installed));
    }
    let file = packaging.target.k3s_binary();
    let entry = packaging.product.manifest.files.get(&file);
    Ok(entry.with_context(|| format!("the manifest does not name {file}"))?.sha256.clone())
}

/// Returns the path of an installed file's source: in this repository, or else among those that were written for these
/// packages.
fn source(packaging: &Packaging, topdir: &Topdir, installed: &str) -> PathBuf {
    let source = sources::source_of(installed);
    let ours = packaging.context.root.join("rpm").join(source);
    if ours.is_file() { ours } else { topdir.sources().join(source) }
}

/// Returns the interpreter that a script's first line names.
fn interpreter(script: &[u8]) -> Option<String> {
    let line = script.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).split_whitespace().next()?.to_owned())
}
