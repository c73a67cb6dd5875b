//! Verifies a release for its users. Unlike [`Checked::problems`], nothing here depends on this repository's lockfile and
//! commit, which may be others than those of the release.

use super::check::{self, Checked};
use super::problems::Problem;
use super::{PREVIEW, booted, signatures};
use crate::boot;
use crate::boot::results::RESULTS;
use crate::context::Context;
use crate::product::SUMS;
use anyhow::{Result, bail};
use fs_err as fs;
use std::path::Path;

/// Verifies all records of a directory against its files, and returns the directory with the results, one a line.
/// Signatures have to be by the given key, or else by the one in the directory.
pub fn directory(context: &Context, directory: &Path, key: Option<&Path>) -> Result<(Checked, Vec<String>)> {
    let checked = check::directory(directory)?;
    let mut lines = vec![
        format!("{} files have the checksums in {SUMS}", checked.sums.len()),
        "manifests, SBOMs, packages, repositories and lists of images are of these files".to_owned(),
    ];
    lines.push(match signatures::verify(context, &checked, key)? {
        Some(fingerprint) => format!("checksums and packages are signed by {fingerprint}"),
        None => "nothing is signed".to_owned(),
    });
    lines.extend(boots(context, &checked)?);
    Ok((checked, lines))
}

/// Verifies the results of the boot tests. A preview may be without; what it is not is printed.
fn boots(context: &Context, checked: &Checked) -> Result<Vec<String>> {
    let problems = booted::problems(&context.root, checked)?;
    if checked.files.iter().any(|name| name == PREVIEW) {
        let marks = fs::read_to_string(checked.directory.join(PREVIEW))?;
        let problems = problems.iter().map(|problem| format!("- {problem}"));
        return Ok(marks.lines().map(str::to_owned).chain(problems).collect());
    }
    if !problems.is_empty() {
        let list: String = problems.iter().map(|problem: &Problem| format!("\n- {problem}")).collect();
        bail!("files were not booted, or not these:{list}");
    }
    let booted = format!("{RESULTS} has a passed boot test of every file for {}", boot::target()?.go);
    let others = checked.not_booted()?.into_iter().map(|arch| format!("not booted: the files for {arch}"));
    Ok(std::iter::once(booted).chain(others).collect())
}
