//! A package in the layout of openEuler's own k3s 1.24.2, from which users upgrade: its k3s is a stub.

use super::stub;
use crate::boot;
use crate::context::Context;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

const SPEC: &str = include_str!("openeuler.spec");
/// The stub of k3s.
pub const K3S: &str = include_str!("openeuler-k3s.sh");

/// Builds the package in a directory, under its own name. Its installer is upstream's, as openEuler's is.
pub fn build(context: &Context, installer: &Path, directory: &Path) -> Result<()> {
    let scratch = tempfile::tempdir_in(directory)?;
    fs::write(scratch.path().join("k3s"), K3S)?;
    fs::copy(installer, scratch.path().join("k3s-install.sh"))?;
    let built = stub::package(context, scratch.path(), SPEC, boot::target()?.rpm)
        .context("building the stub package of openEuler's k3s 1.24.2")?;
    let name = built.file_name().context("a package has a name")?;
    Ok(fs::rename(&built, directory.join(name))?)
}
