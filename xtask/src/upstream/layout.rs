//! Layouts that upstream's tree has had.

use anyhow::{Result, bail};
use std::path::Path;

/// Method by which k3s embeds manifests, charts and the data tarball in its binaries.
///
/// It is matched and never compared, so that a further method is a compile error wherever it matters.
#[derive(Clone, Copy, Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmbedMethod {
    /// A generator writes Go files from directories (up to 2025-07, k3s commit 8fff7f573).
    GoBindata,
    /// `//go:embed` reads directories beside the Go files.
    GoEmbed,
}

impl EmbedMethod {
    /// Detects the method by the files of a tree.
    pub fn of(tree: &Path) -> Result<EmbedMethod> {
        let bindata = tree.join("pkg/codegen/main.go").is_file();
        let embed = tree.join("pkg/data/embed/.empty").is_file();
        match (bindata, embed) {
            (_, true) => Ok(EmbedMethod::GoEmbed),
            (true, false) => Ok(EmbedMethod::GoBindata),
            (false, false) => bail!(
                "the tree embeds its files by an unknown method: \
                 neither pkg/codegen/main.go nor pkg/data/embed/.empty is there"
            ),
        }
    }
}
