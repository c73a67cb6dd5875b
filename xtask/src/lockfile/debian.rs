//! Locked packages of Debian.

use super::Lockfile;
use crate::context::Context;
use crate::digest::Digest;
use anyhow::Result;
use serde::{Deserialize, Serialize};

/// A Debian package of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianPackage {
    /// Its path in the archive, as part of a URL: `pool/main/b/busybox/busybox-static_1.37.0-6%2bb3_riscv64.deb`.
    pub file: String,
    pub sha256: Digest,
}

impl DebianPackage {
    /// Returns the name of the file, in which underscores separate name, version and architecture
    /// (deb-version(7), dpkg-name(1)).
    pub fn file_name(&self) -> String {
        let name = self.file.rsplit('/').next().unwrap_or(&self.file);
        name.replace("%2b", "+").replace("%7e", "~")
    }

    pub fn name(&self) -> &str {
        let name = self.file.rsplit('/').next().unwrap_or(&self.file);
        name.split('_').next().unwrap_or_default()
    }

    /// Returns the version without its epoch, which file names do not have.
    pub fn version(&self) -> String {
        self.file_name().split('_').nth(1).unwrap_or_default().to_owned()
    }

    /// Returns the name of its source package, which is that of its directory in the archive.
    pub fn source(&self) -> &str {
        self.file.rsplit('/').nth(1).unwrap_or_default()
    }
}

impl Lockfile {
    /// Returns the package that is locked for a Debian release and architecture.
    pub fn debian_package(&self, release: &str, name: &str) -> Option<DebianPackage> {
        self.entries().debian.get(release)?.get(name).cloned()
    }

    /// Returns whether a package is locked, for whatever Debian release.
    pub fn locks_debian_package(&self, package: &DebianPackage) -> bool {
        self.entries().debian.values().any(|packages| packages.get(package.name()) == Some(package))
    }

    /// Adds a package of a Debian release and architecture, which apt has verified.
    pub fn add_debian_package(
        &self,
        context: &Context,
        release: &str,
        name: &str,
        package: &DebianPackage,
    ) -> Result<()> {
        let value = format!("{} sha256 {}", package.file, package.sha256);
        let page = format!("apt-cache show {name}, on Debian {release}");
        self.add(context, &format!("{name} of Debian {release}"), &value, &page, |entries| {
            let packages = entries.debian.entry(release.to_owned()).or_default();
            packages.entry(name.to_owned()).or_insert_with(|| package.clone()) == package
        })
    }

    /// Locks a package of a Debian release and architecture to another version (`cargo xtask bump`).
    pub fn replace_debian_package(
        &self,
        context: &Context,
        release: &str,
        name: &str,
        package: &DebianPackage,
    ) -> Result<()> {
        self.change(context, |entries| {
            let packages = entries.debian.entry(release.to_owned()).or_default();
            packages.insert(name.to_owned(), package.clone());
            Ok(())
        })
    }
}
