//! The repository of a release, in the layout that is published: the packages under test, and those of earlier minors.

use crate::boot::artifacts::{Artifacts, file_name};
use anyhow::Result;
use fs_err as fs;
use std::path::Path;

/// Writes `repository`, and `minors` with the minors from the oldest to that under test.
pub fn write(artifacts: &Artifacts, content: &Path) -> Result<()> {
    let directory = content.join("repository");
    let target = crate::boot::target()?;
    let packages = directory.join(target.rpm);
    fs::create_dir_all(&packages)?;
    let mut copies: Vec<_> = artifacts.earlier.packages.iter().collect();
    match &artifacts.earlier.repository {
        Some(archive) => tar::Archive::new(fs::File::open(archive)?).unpack(&directory)?,
        None => copies.extend(artifacts.packages_for(target)),
    }
    for package in copies {
        fs::copy(package, packages.join(file_name(package)?))?;
    }
    let lines: String = artifacts.minors().iter().map(|minor| format!("{minor}\n")).collect();
    Ok(fs::write(content.join("minors"), lines)?)
}
