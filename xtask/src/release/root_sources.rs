//! `k3s-root-sources.tar`: the sources of the programs in k3s-root, which the GPL requires, and of the scripts that have
//! built them.

use crate::archive;
use crate::context::Context;
use crate::error::chain;
use crate::k3s::root_release::RootRelease;
use anyhow::{Result, ensure};
use fs_err as fs;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

/// The archive's name, and the directory in it.
pub const NAME: &str = "k3s-root-sources.tar";
const DIRECTORY: &str = "k3s-root-sources";

/// The file that lists what belongs there, and what could not be fetched.
const README: &str = "README";

/// Fetches what can be reached, and writes the archive. A server that is gone keeps no version from its release: what is
/// missing is printed, and listed in the archive with its URL.
pub fn write(context: &Context, release: &RootRelease, file: &Path) -> Result<()> {
    let mut tar = tar::Builder::new(fs::File::create(file)?);
    let mut readme = format!(
        "Sources of k3s-root {}, which is in k3s.\n\nBuildroot {} has built it, by the scripts, configuration and patches \
         of k3s-root (scripts/build).\nCopies of all packages' sources: https://sources.buildroot.net\n\n",
        release.name, release.buildroot
    );
    let scripts = release.scripts.iter().map(|script| {
        (format!("{} {}", script.name, script.url), script.name.to_string(), script.get(context))
    });
    let packages = release.packages.iter().map(|package| {
        let name = format!("{} {} {}", package.name, package.version, package.facts.source);
        (name, package.source_name().to_owned(), package.fetch(context))
    });
    for (described, name, fetched) in scripts.chain(packages) {
        readme.push_str(&format!("{described}\n"));
        match fetched {
            Ok(path) => archive::append(&mut tar, &path, &Path::new(DIRECTORY).join(name))?,
            Err(error) => {
                context.progress.print(format!("warning: not in {NAME}: {described}: {}", chain(&error)));
                readme.push_str("    not in this archive\n");
            }
        }
    }
    let text = tempfile::NamedTempFile::new()?;
    fs::write(text.path(), readme)?;
    archive::append(&mut tar, text.path(), &Path::new(DIRECTORY).join(README))?;
    tar.finish()?;
    Ok(())
}

/// Checks that an archive accounts for every package of k3s-root.
pub fn check(file: &Path, packages: &BTreeMap<String, String>) -> Result<()> {
    let mut readme = String::new();
    for entry in tar::Archive::new(fs::File::open(file)?).entries()? {
        let mut entry = entry?;
        if entry.path()?.ends_with(README) {
            entry.read_to_string(&mut readme)?;
        }
    }
    for (name, version) in packages {
        let described = format!("{name} {version} ");
        ensure!(
            readme.lines().any(|line| line.starts_with(&described)),
            "{described}is missing in its {README}"
        );
    }
    Ok(())
}
