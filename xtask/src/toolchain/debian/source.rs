//! Source packages of Debian: those that a package is built from, as the archive's signed index has them.

use super::{Apt, fetch_file, package_of_uri};
use crate::context::Context;
use crate::process::cmd;
use anyhow::{Context as _, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A source package. The archive never has two of one name and version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourcePackage {
    pub name: String,
    /// With its epoch.
    pub version: String,
}

impl SourcePackage {
    /// Returns the one that a package is built from (deb-substvars(5), `source:Package`).
    pub fn of(context: &Context, package: &Path) -> Result<SourcePackage> {
        let fields = fields(context, package, "${source:Package} ${source:Version}")?;
        let (name, version) = fields
            .split_once(' ')
            .with_context(|| format!("{} names no source package: {fields}", package.display()))?;
        Ok(SourcePackage { name: name.to_owned(), version: version.to_owned() })
    }

    /// Returns those of everything in a package: its own, and those that are linked into its programs
    /// (deb-control(5), `Built-Using` and `Static-Built-Using`).
    pub fn all_of(context: &Context, package: &Path) -> Result<BTreeSet<SourcePackage>> {
        let linked = fields(context, package, "${Built-Using}, ${Static-Built-Using}")?;
        let mut all = built_using(&linked).with_context(|| format!("reading {}", package.display()))?;
        all.insert(SourcePackage::of(context, package)?);
        Ok(all)
    }

    /// Returns the verified files of the source package, by their names.
    pub fn fetch(&self, apt: &Apt) -> Result<BTreeMap<String, PathBuf>> {
        let name = format!("{}={}", self.name, self.version);
        let command = cmd!(apt.context, "apt-get source --quiet --download-only --print-uris {name}");
        // apt omits files that are in its directory already.
        let uris = apt.configured(command).dir(apt.directory.join("none")).read()?;
        let files = uris.lines().filter(|line| line.starts_with('\'')).map(|line| {
            let file = package_of_uri(line)
                .with_context(|| format!("apt names a file without a SHA-256 checksum: {line}"))?;
            Ok((file.file_name(), fetch_file(apt.context, &file)?))
        });
        let files = files.collect::<Result<BTreeMap<_, _>>>()?;
        ensure!(!files.is_empty(), "apt names no files of the source package {name}:\n{uris}");
        Ok(files)
    }
}

/// Returns fields of a package's control file.
fn fields(context: &Context, package: &Path, format: &str) -> Result<String> {
    cmd!(context, "dpkg-deb --show --showformat {format} {package}").read()
}

/// Parses `Built-Using`: `glibc (= 2.41-12), zlib (= 1:1.3-1)`.
fn built_using(field: &str) -> Result<BTreeSet<SourcePackage>> {
    let package = |text: &str| {
        let (name, version) = text.strip_suffix(')')?.split_once(" (= ")?;
        Some(SourcePackage { name: name.to_owned(), version: version.to_owned() })
    };
    let packages = field.split(',').map(str::trim).filter(|text| !text.is_empty());
    packages.map(|text| package(text).with_context(|| format!("{text:?} is not NAME (= VERSION)"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linked_sources_have_exact_versions() {
        let found = built_using("glibc (= 2.41-12+deb13u4), zlib (= 1:1.3-1), ").unwrap();
        let found: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.version.as_str())).collect();
        assert_eq!(found, [("glibc", "2.41-12+deb13u4"), ("zlib", "1:1.3-1")]);
        assert!(built_using(", ").unwrap().is_empty());
        assert!(built_using("glibc (>= 2.41)").is_err());
    }
}
