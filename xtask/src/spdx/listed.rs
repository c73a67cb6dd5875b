//! The list in a bill of materials, read and compared with what is there.

use super::{CONTAINS, ListedFile, NameVersion, PRODUCT};
use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The list in a document: name and version of each package, as far as it has one, and the files.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    pub packages: BTreeSet<NameVersion>,
    pub files: BTreeSet<ListedFile>,
}

impl Listed {
    /// Reads a document, without the product itself.
    pub fn read(text: &[u8]) -> Result<Listed> {
        let document: Document = serde_json::from_slice(text).context("it is no SPDX document")?;
        let named: BTreeMap<&str, NameVersion> =
            document.packages.iter().filter_map(Package::named).collect();
        let by_id: BTreeMap<&str, &File> =
            document.files.iter().map(|file| (file.id.as_str(), file)).collect();
        let mut files = BTreeSet::new();
        for it in document.relationships.iter().filter(|it| it.kind == CONTAINS) {
            let Some(file) = by_id.get(it.to.as_str()) else { continue };
            let package = match it.from.as_str() {
                PRODUCT => None,
                id => Some(named.get(id).with_context(|| format!("it has no package {id}"))?.clone()),
            };
            files.insert(file.listed(package)?);
        }
        ensure!(files.len() == document.files.len(), "it does not list each file in one package");
        Ok(Listed { packages: named.into_values().collect(), files })
    }

    /// Checks that the packages and files are these.
    pub fn check(&self, packages: &BTreeSet<NameVersion>, files: &[ListedFile]) -> Result<()> {
        let first = |one: &BTreeSet<NameVersion>, other| {
            one.difference(other).next().map(|(name, version)| format!("{name} {version}"))
        };
        if let Some(missing) = first(packages, &self.packages) {
            bail!("it does not list {missing}");
        }
        if let Some(other) = first(&self.packages, packages) {
            bail!("it lists {other}, which is not there");
        }
        if let Some(file) = files.iter().find(|file| !self.files.contains(file)) {
            let same = |it: &&ListedFile| it.path == file.path && it.package == file.package;
            ensure!(self.files.iter().any(|it| same(&it)), "it does not list the file {file}");
            bail!("it has other checksums for the file {file}");
        }
        let there: BTreeSet<&ListedFile> = files.iter().collect();
        let other = self.files.iter().find(|file| !there.contains(file));
        other.map_or(Ok(()), |file| bail!("it lists the file {file}, which is not there"))
    }
}

#[derive(Deserialize)]
struct Document {
    packages: Vec<Package>,
    files: Vec<File>,
    relationships: Vec<Relationship>,
}

#[derive(Deserialize)]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(rename = "versionInfo")]
    version: Option<String>,
}

impl Package {
    /// Returns identifier, name and version, if it is not the product itself and has a version.
    fn named(&self) -> Option<(&str, NameVersion)> {
        let version = self.version.clone().filter(|_| self.id != PRODUCT)?;
        Some((&self.id, (self.name.clone(), version)))
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "SPDXID")]
    id: String,
    #[serde(rename = "fileName")]
    name: String,
    checksums: Vec<Checksum>,
}

impl File {
    fn listed(&self, package: Option<NameVersion>) -> Result<ListedFile> {
        let sum = |algorithm: &str| {
            let found = self.checksums.iter().find(|it| it.algorithm == algorithm);
            let found = found.with_context(|| format!("{} has no {algorithm}", self.name))?;
            anyhow::Ok(found.value.clone())
        };
        let path = self.name.strip_prefix("./").unwrap_or(&self.name).to_owned();
        Ok(ListedFile { package, path, sha1: sum("SHA1")?, sha256: sum("SHA256")?.parse()? })
    }
}

#[derive(Deserialize)]
struct Checksum {
    algorithm: String,
    #[serde(rename = "checksumValue")]
    value: String,
}

#[derive(Deserialize)]
struct Relationship {
    #[serde(rename = "spdxElementId")]
    from: String,
    #[serde(rename = "relationshipType")]
    kind: String,
    #[serde(rename = "relatedSpdxElement")]
    to: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spdx::{Part, Sbom};

    fn part(name: &str) -> Part {
        Part { name: name.to_owned(), version: Some("v1".to_owned()), ..Part::default() }
    }

    fn files() -> Vec<ListedFile> {
        let inside = ListedFile::of("bin/a", b"abc").within(("one".to_owned(), "v1".to_owned()));
        vec![ListedFile::of("archive", b"abc"), inside]
    }

    fn text() -> String {
        let parts = vec![(part("one"), vec![part("shared")]), (part("two"), vec![])];
        let sbom =
            Sbom { product: part("product"), arch: "riscv64".to_owned(), time: 0, files: files(), parts };
        sbom.text().unwrap()
    }

    #[test]
    fn what_differs_is_named() {
        let listed = Listed::read(text().as_bytes()).unwrap();
        let packages = listed.packages.clone();
        listed.check(&packages, &files()).unwrap();
        let said = |packages: &BTreeSet<_>, files: &[ListedFile]| {
            listed.check(packages, files).unwrap_err().to_string()
        };
        let mut more = packages.clone();
        more.insert(("three".to_owned(), "v1".to_owned()));
        assert_eq!(said(&more, &files()), "it does not list three v1");
        more.retain(|(name, _)| name == "one" || name == "shared");
        assert_eq!(said(&more, &files()), "it lists two v1, which is not there");
        let [archive, inside] = <[ListedFile; 2]>::try_from(files()).unwrap();
        let other = ListedFile { package: inside.package.clone(), ..ListedFile::of("bin/a", b"abd") };
        let text = "it has other checksums for the file bin/a of one v1";
        assert_eq!(said(&packages, &[archive.clone(), other]), text);
        let elsewhere = inside.clone().within(("two".to_owned(), "v1".to_owned()));
        let text = "it does not list the file bin/a of two v1";
        assert_eq!(said(&packages, &[archive, inside.clone(), elsewhere]), text);
        assert_eq!(said(&packages, &[inside]), "it lists the file archive, which is not there");
    }

    #[test]
    fn every_file_is_in_one_package() {
        let document = text();
        let id = "\"relatedSpdxElement\": \"SPDXRef-File-2\"";
        assert!(document.contains(id), "{document}");
        let apart = document.replace(id, "\"relatedSpdxElement\": \"SPDXRef-Package-1\"");
        let said = Listed::read(apart.as_bytes()).unwrap_err().to_string();
        assert_eq!(said, "it does not list each file in one package");
    }
}
