//! Loading of a product that was built earlier, perhaps on another machine.

use super::manifest::Manifest;
use super::{MANIFEST, Product, SUMS, node_check};
use crate::digest::Digest;
use crate::elf;
use crate::target::Target;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use memchr::memmem;
use std::collections::BTreeMap;
use std::path::Path;

/// The script that checks a node's kernel (k3s, contrib/util).
pub const CHECK_CONFIG: &str = "check-config.sh";
/// Upstream's installer, patched.
pub const INSTALL: &str = "install.sh";
/// k3s' own licence.
pub const LICENSE: &str = "LICENSE";
/// The licences of everything else inside.
pub const NOTICES: &str = "THIRD-PARTY-NOTICES";

impl Product {
    /// Loads a product, if it is complete, for this architecture, and as its manifest describes it.
    pub fn open(directory: &Path, target: &Target) -> Result<Product> {
        load(directory, target)
            .with_context(|| format!("{} contains no product that can be packaged", directory.display()))
    }

    /// Loads a product of the architecture that its manifest names.
    pub fn open_any(directory: &Path) -> Result<Product> {
        let arch = Manifest::read(&directory.join(MANIFEST)).map(|manifest| manifest.arch);
        // Without a manifest, the error of the usual architecture names the remedy.
        Product::open(directory, Target::named(arch.as_deref().unwrap_or("riscv64"))?)
    }
}

fn load(directory: &Path, target: &Target) -> Result<Product> {
    ensure!(
        directory.join(MANIFEST).is_file(),
        "there is no {MANIFEST}\n  cargo xtask build writes one to target/dist/<version>/{}",
        target.go
    );
    let manifest = Manifest::read(&directory.join(MANIFEST))?;
    let sums = verified_sums(directory)?;
    ensure!(sums.contains_key(MANIFEST), "{SUMS} does not name {MANIFEST}");
    for (name, entry) in &manifest.files {
        ensure!(sums.get(name) == Some(&entry.sha256), "{SUMS} and {MANIFEST} differ on {name}");
    }
    ensure!(manifest.arch == target.go, "it is for {}, not for {}", manifest.arch, target.go);
    let binary = target.k3s_binary();
    for name in
        [binary.as_str(), crate::pause::PROGRAM, CHECK_CONFIG, INSTALL, node_check::NAME, LICENSE, NOTICES]
    {
        if !manifest.files.contains_key(name) {
            bail!("{name} is missing, which {MANIFEST} should name");
        }
    }
    let bytes = fs::read(directory.join(&binary))?;
    elf::check(bytes.as_slice(), target.elf_machine)
        .with_context(|| format!("{binary} is not for {}", target.go))?;
    ensure!(
        memmem::find(&bytes, manifest.k3s.as_bytes()).is_some(),
        "{binary} is of another version: it does not name {}",
        manifest.k3s
    );
    Ok(Product { directory: directory.to_owned(), manifest })
}

/// Returns the digests in a directory's `SHA256SUMS`, given that its files have them.
pub(crate) fn verified_sums(directory: &Path) -> Result<BTreeMap<String, Digest>> {
    let sums = sums(&directory.join(SUMS))?;
    for (name, sum) in &sums {
        let file = directory.join(name);
        ensure!(file.is_file(), "{name} is missing, which {SUMS} names");
        ensure!(Digest::of_file(&file)? == *sum, "checksum mismatch for {name} (listed in {SUMS})");
    }
    Ok(sums)
}

/// Reads a file of checksums (sha256sum(1)).
pub(crate) fn sums(file: &Path) -> Result<BTreeMap<String, Digest>> {
    let sum = |line: &str| {
        let (sum, name) = line.split_once("  ").with_context(|| format!("{line:?} has no checksum"))?;
        ensure!(!name.contains('/'), "{name} is not in this directory");
        Ok((name.to_owned(), sum.parse()?))
    };
    let sums = fs::read_to_string(file)?.lines().map(sum).collect::<Result<_>>();
    sums.with_context(|| format!("reading {}", file.display()))
}
