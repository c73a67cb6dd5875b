//! Checks the finished packages against the expected ones.

use super::Packaging;
use super::contents::{Contents, differences};
use super::sources::Topdir;
use super::{expected, read};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// Reads all packages back, and reports every difference.
pub fn all(packaging: &Packaging, topdir: &Topdir, made: &[PathBuf]) -> Result<Vec<Contents>> {
    let running = packaging.context.progress.step("read back");
    let expected = expected::packages(packaging, topdir)?;
    let found = made.iter().map(|path| read::read(path)).collect::<Result<Vec<_>>>()?;
    let mut wrong = Vec::new();
    for package in &expected {
        match found.iter().find(|other| other.nevra.name == package.nevra.name) {
            Some(found) => wrong.extend(differences(package, found)),
            None => wrong.push(format!("{}: was not built", package.nevra)),
        }
    }
    let unexpected =
        found.iter().filter(|one| !expected.iter().any(|other| other.nevra.name == one.nevra.name));
    wrong.extend(unexpected.map(|package| format!("{}: is not one of our packages", package.nevra)));
    if !wrong.is_empty() {
        bail!("{} differences:\n  {}", wrong.len(), wrong.join("\n  "));
    }
    let files: usize = found.iter().map(|package| package.file_count()).sum();
    running.done(format!("{files} files of {} packages are correct", found.len()));
    Ok(found)
}
