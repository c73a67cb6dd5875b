//! The bill of materials of a product: everything in its binary, with the files that it unpacks.

use super::component::Component;
use super::go_buildinfo::{self, Compiled, CompiledFrom};
use super::manifest::Manifest;
use crate::digest::Digest;
use crate::k3s::{Build, bundle};
use crate::purl;
use crate::spdx::{Checksum, Listed, ListedFile, Part, Sbom};
use crate::target::Target;
use anyhow::{Context as _, Result, ensure};
use memchr::memmem;
use std::collections::{BTreeMap, BTreeSet};

/// The document's name in the product's directory.
pub const NAME: &str = "k3s.spdx.json";

/// Licences of packages, by the packages' names and versions.
pub type Licenses<'a> = BTreeMap<&'a str, &'a BTreeSet<String>>;

/// Checksums of modules, by paths and versions, as a program lists them.
pub type Sums = BTreeMap<String, String>;

/// Returns a module as a package.
pub fn module(module: &Compiled, licenses: &Licenses, sums: &Sums) -> Part {
    let origin = module.origin().to_string();
    let known = licenses.get(origin.as_str()).or_else(|| licenses.get(module.to_string().as_str()));
    let purl = match module.origin() {
        CompiledFrom::Module { path, version } => Some(purl::golang(&path, &version)),
        CompiledFrom::Directory(_) => None,
    };
    Part {
        name: module.path.clone(),
        version: Some(module.compiled_version()),
        licenses: known.map(|licenses| (*licenses).clone()).unwrap_or_default(),
        purl,
        checksum: sums.get(&origin).cloned().map(Checksum::GoSum),
        source: module.replacement.as_ref().map(|_| format!("compiled from {origin} in its place")),
        ..Part::default()
    }
}

/// Returns the document of a product.
pub fn document(build: &Build, binary: &[u8], bundle: &[u8], parts: Vec<Part>) -> Result<String> {
    let Build { source, target, .. } = build;
    let product = Part {
        name: "k3s".to_owned(),
        version: Some(source.version.to_string()),
        licenses: BTreeSet::from(["Apache-2.0".to_owned()]),
        source: Some(format!("commit {}, patched", source.commit.id)),
        ..Part::default()
    };
    let sbom = Sbom {
        product,
        arch: target.go.to_owned(),
        time: source.time,
        files: files(target, binary, bundle)?.0,
        parts: parts.into_iter().map(|part| (part, Vec::new())).collect(),
    };
    sbom.text()
}

/// Returns the files of a product, and the modules that its programs list.
fn files(target: &Target, binary: &[u8], bundle: &[u8]) -> Result<(Vec<ListedFile>, BTreeSet<Compiled>)> {
    let modules_of =
        |bytes: &[u8]| go_buildinfo::in_program(bytes).map(|text| go_buildinfo::of_build_info(&text));
    let mut files = vec![ListedFile::of(target.k3s_binary(), binary)];
    let mut modules: BTreeSet<Compiled> = modules_of(binary).into_iter().flatten().collect();
    bundle::for_each_file(bundle, |path, bytes| {
        modules.extend(modules_of(bytes).into_iter().flatten());
        files.push(ListedFile::of(path, bytes));
    })?;
    Ok((files, modules))
}

/// Checks a document against the manifest, which lists the same packages, and against the binary: its own digest, those
/// of the files inside, and the modules that Go's linker has listed in the programs.
pub fn check(document: &[u8], manifest: &Manifest, binary: &[u8]) -> Result<()> {
    let target = Target::named(&manifest.arch)?;
    let bundle = bundle_in(binary, manifest)?;
    let (files, modules) = files(target, binary, bundle)?;
    let listed = Listed::read(document)?;
    for module in modules {
        let package = (module.path.clone(), module.compiled_version());
        ensure!(listed.packages.contains(&package), "it does not list {module}, which is in the binary");
    }
    let bundled = manifest.third_party.bundled().map(|(_, name, version)| (name, version));
    listed.check(&bundled.collect(), &files)
}

/// The first bytes of a Zstandard frame (RFC 8878, section 3.1.1).
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Finds the bundle in a binary, by its size and digest in the manifest.
fn bundle_in<'b>(binary: &'b [u8], manifest: &Manifest) -> Result<&'b [u8]> {
    let entry = manifest.components.get(&Component::Bundle).context("the manifest names no bundle")?;
    let size = usize::try_from(entry.size)?;
    memmem::find_iter(binary, &ZSTANDARD)
        .filter_map(|start| binary.get(start..start.checked_add(size)?))
        .find(|bytes| Digest::of(bytes) == entry.sha256)
        .context("the bundle that the manifest names is not in the binary")
}
