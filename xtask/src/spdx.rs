//! Bills of materials as SPDX 2.3 in JSON (spdx.github.io/spdx-spec/v2.3). The text depends on what it lists alone: its
//! time is that of the sources, its namespace a digest.

mod listed;

pub use listed::Listed;

use crate::clock;
use crate::digest::Digest;
use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A package inside another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub name: String,
    pub version: Option<String>,
    /// SPDX identifiers.
    pub licenses: BTreeSet<String>,
    /// Its package URL ([`crate::purl`]).
    pub purl: Option<String>,
    pub download: Option<String>,
    pub checksum: Option<Checksum>,
    /// The origin of its files, in words.
    pub source: Option<String>,
}

/// The checksum of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checksum {
    Sha256(Digest),
    Sha512(String),
    /// That of a module in go.sum, `h1:…`, which is no checksum of one file.
    GoSum(String),
}

/// The name and version of a package.
pub type NameVersion = (String, String);

/// A file, by its path from the root of the package that it is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedFile {
    /// The package, if it is not the product itself.
    pub package: Option<NameVersion>,
    pub path: String,
    pub sha1: String,
    pub sha256: Digest,
}

impl ListedFile {
    /// Returns a file of the product itself.
    pub fn of(path: impl Into<String>, bytes: &[u8]) -> ListedFile {
        ListedFile { package: None, path: path.into(), sha1: sha1(bytes), sha256: Digest::of(bytes) }
    }

    /// Returns the same file in a package.
    pub fn within(self, package: NameVersion) -> ListedFile {
        ListedFile { package: Some(package), ..self }
    }
}

impl fmt::Display for ListedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        self.package.iter().try_for_each(|(name, version)| write!(f, " of {name} {version}"))
    }
}

/// A bill of materials.
pub struct Sbom {
    /// The product itself.
    pub product: Part,
    pub arch: String,
    /// In seconds since 1970.
    pub time: i64,
    pub files: Vec<ListedFile>,
    /// The packages in the product, each with those that are in it.
    pub parts: Vec<(Part, Vec<Part>)>,
}

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const PRODUCT: &str = "SPDXRef-Product";
const CONTAINS: &str = "CONTAINS";

impl Sbom {
    /// Returns the document.
    pub fn text(&self) -> Result<String> {
        let Sbom { product, arch, files, .. } = self;
        let all: BTreeSet<&Part> =
            self.parts.iter().flat_map(|(part, inside)| std::iter::once(part).chain(inside)).collect();
        let ids: BTreeMap<&Part, String> = all.iter().copied().zip((1..).map(package_id)).collect();
        let holders: Vec<&str> = files.iter().map(|file| self.holder(file, &ids)).collect::<Result<_>>()?;
        ensure!(holders.contains(&PRODUCT), "the SBOM of {} has no files", product.name);
        let held = |id: &str| -> Vec<&ListedFile> {
            files.iter().zip(&holders).filter(|(_, holder)| **holder == id).map(|(file, _)| file).collect()
        };
        let mut packages = vec![package(product, PRODUCT, &held(PRODUCT))];
        packages.extend(ids.iter().map(|(part, id)| package(part, id, &held(id))));
        let mut relationships = vec![relationship(DOCUMENT, "DESCRIBES", PRODUCT)];
        let file_ids: Vec<String> =
            (1..=files.len()).map(|number| format!("SPDXRef-File-{number}")).collect();
        let contained = holders.iter().zip(&file_ids);
        relationships.extend(contained.map(|(holder, id)| relationship(holder, CONTAINS, id)));
        for (part, inside) in &self.parts {
            relationships.push(relationship(PRODUCT, CONTAINS, &ids[part]));
            relationships.extend(inside.iter().map(|it| relationship(&ids[part], CONTAINS, &ids[it])));
        }
        relationships.dedup();
        let files: Vec<Value> = files.iter().zip(&file_ids).map(|(listed, id)| file(listed, id)).collect();
        let name = format!("{}-{arch}-{}", product.name, product.version.as_deref().unwrap_or_default());
        let mut document = json!({
            "spdxVersion": "SPDX-2.3",
            "dataLicense": "CC0-1.0",
            "SPDXID": DOCUMENT,
            "name": name,
            "documentNamespace": "",
            "creationInfo": {"created": clock::rfc3339(self.time), "creators": ["Tool: k3s-riscv64"]},
            "packages": packages,
            "files": files,
            "hasExtractedLicensingInfos": named_here(all.iter().copied().chain([product])),
            "relationships": relationships,
        });
        let namespace = format!("https://spdx.org/spdxdocs/{name}-{}", Digest::of(document.to_string()));
        document["documentNamespace"] = namespace.into();
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }

    /// Returns the identifier of the package that a file is in.
    fn holder<'a>(&self, file: &ListedFile, ids: &'a BTreeMap<&Part, String>) -> Result<&'a str> {
        let Some((name, version)) = &file.package else { return Ok(PRODUCT) };
        let is = |part: &Part| part.name == *name && part.version.as_ref() == Some(version);
        let part = self.parts.iter().map(|(part, _)| part).find(|part| is(part));
        let id = part.and_then(|part| ids.get(part));
        id.map(String::as_str)
            .with_context(|| format!("the SBOM of {} has no package of {file}", self.product.name))
    }
}

fn sha1(bytes: impl AsRef<[u8]>) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn package_id(number: usize) -> String {
    format!("SPDXRef-Package-{number}")
}

/// Returns a package, with the code over the files that are listed of it (section 7.9).
fn package(part: &Part, id: &str, files: &[&ListedFile]) -> Value {
    let license = expression(&part.licenses);
    let mut references = Vec::new();
    if let Some(purl) = &part.purl {
        references.push(json!({
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl,
        }));
    }
    let mut checksums = Vec::new();
    match &part.checksum {
        Some(Checksum::Sha256(sum)) => checksums.push(checksum("SHA256", sum.as_str())),
        Some(Checksum::Sha512(sum)) => checksums.push(checksum("SHA512", sum)),
        Some(Checksum::GoSum(sum)) => references.push(json!({
            "referenceCategory": "OTHER", "referenceType": "go-sum", "referenceLocator": sum,
        })),
        None => {}
    }
    let mut package = json!({
        "SPDXID": id,
        "name": part.name,
        "downloadLocation": part.download.as_deref().unwrap_or("NOASSERTION"),
        "filesAnalyzed": !files.is_empty(),
        "licenseConcluded": license,
        "licenseDeclared": license,
        "copyrightText": "NOASSERTION",
    });
    if let Some(version) = &part.version {
        package["versionInfo"] = version.as_str().into();
    }
    if let Some(source) = &part.source {
        package["sourceInfo"] = source.as_str().into();
    }
    for (key, list) in [("checksums", checksums), ("externalRefs", references)] {
        if !list.is_empty() {
            package[key] = list.into();
        }
    }
    if !files.is_empty() {
        let mut sums: Vec<&str> = files.iter().map(|file| file.sha1.as_str()).collect();
        sums.sort_unstable();
        package["packageVerificationCode"] = json!({"packageVerificationCodeValue": sha1(sums.concat())});
    }
    package
}

fn file(listed: &ListedFile, id: &str) -> Value {
    json!({
        "SPDXID": id,
        "fileName": format!("./{}", listed.path),
        "checksums": [checksum("SHA1", &listed.sha1), checksum("SHA256", listed.sha256.as_str())],
        "licenseConcluded": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    })
}

fn checksum(algorithm: &str, value: &str) -> Value {
    json!({"algorithm": algorithm, "checksumValue": value})
}

fn relationship(from: &str, kind: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to})
}

/// Returns the licences that all apply, as one expression (annex D).
fn expression(licenses: &BTreeSet<String>) -> String {
    let term = |it: &String| if it.contains(" OR ") { format!("({it})") } else { it.clone() };
    match licenses.is_empty() {
        true => "NOASSERTION".to_owned(),
        false => licenses.iter().map(term).collect::<Vec<_>>().join(" AND "),
    }
}

/// Returns the licences that are on no list of SPDX, which a document has to explain (section 10).
fn named_here<'a>(parts: impl Iterator<Item = &'a Part>) -> Vec<Value> {
    let all = parts.flat_map(|part| part.licenses.iter()).filter(|id| id.starts_with("LicenseRef-"));
    let all: BTreeSet<&String> = all.collect();
    let text = "The text is in the list of licences that is distributed with the product.";
    all.into_iter().map(|id| json!({"licenseId": id, "extractedText": text})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str) -> Part {
        let licenses = BTreeSet::from(["MIT".to_owned(), "A OR B".to_owned()]);
        Part { name: name.to_owned(), version: Some("v1".to_owned()), licenses, ..Part::default() }
    }

    fn sbom() -> Sbom {
        let inside = vec![part("shared")];
        Sbom {
            product: part("product"),
            arch: "riscv64".to_owned(),
            time: 0,
            files: vec![ListedFile::of("bin/a", b"abc")],
            parts: vec![(part("one"), inside.clone()), (part("two"), inside)],
        }
    }

    #[test]
    fn shared_package_is_listed_once() {
        let text = sbom().text().unwrap();
        assert_eq!(text.matches("\"name\": \"shared\"").count(), 1);
        assert!(text.contains("\"licenseDeclared\": \"(A OR B) AND MIT\""), "{text}");
        assert!(text.contains("a9993e364706816aba3e25717850c26c9cd0d89d"), "the SHA-1 of FIPS 180 for abc");
    }
}
