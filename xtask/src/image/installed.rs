//! Pause images that upstream's k3s releases use by default. Under these names an installed k3s finds our image.

use crate::reference::Reference;
use anyhow::{Context as _, Result};

/// A reference in upstream's sources, with its first commit.
struct Asked {
    reference: &'static str,
    /// The commit on k3s' master that brought it (`pkg/cli/cmds`, `scripts/airgap/image-list.txt`), its date
    /// and the Kubernetes version of its go.mod.
    since: &'static str,
}

/// Older ones (`rancher/mirrored-pause:3.1` and before) belong to releases that have no riscv64 build.
const ASKED: [Asked; 2] = [
    Asked { reference: "rancher/mirrored-pause:3.6", since: "a094dee7d, 2022-01-14, v1.23.1" },
    Asked { reference: "rancher/mirrored-pause:3.10.2", since: "a3961a389, 2026-07-10, v1.36.2" },
];

/// Returns the references that unpatched k3s releases use, oldest first.
pub fn names() -> Result<Vec<Reference>> {
    let parse = |asked: &Asked| {
        Reference::parse(asked.reference)
            .with_context(|| format!("parsing the reference that k3s uses since {}", asked.since))
    };
    ASKED.iter().map(parse).collect()
}
