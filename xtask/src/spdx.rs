//! Bills of materials as SPDX 2.3 in JSON (spdx.github.io/spdx-spec/v2.3). The text depends on what it lists alone: its
//! time is that of the sources, its namespace a digest.

use crate::clock;
use crate::digest::Digest;
use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use std::collections::{BTreeMap, BTreeSet};

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

/// A file, by its path from the root of the product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    pub path: String,
    pub sha1: String,
    pub sha256: Digest,
}

impl ListedFile {
    pub fn of(path: impl Into<String>, bytes: &[u8]) -> ListedFile {
        ListedFile { path: path.into(), sha1: sha1(bytes), sha256: Digest::of(bytes) }
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

impl Sbom {
    /// Returns the document.
    pub fn text(&self) -> Result<String> {
        let Sbom { product, arch, files, .. } = self;
        let all: BTreeSet<&Part> =
            self.parts.iter().flat_map(|(part, inside)| std::iter::once(part).chain(inside)).collect();
        let ids: BTreeMap<&Part, String> = all.iter().copied().zip((1..).map(package_id)).collect();
        let mut packages = vec![self.product_package()?];
        packages.extend(ids.iter().map(|(part, id)| package(part, id)));
        let mut relationships = vec![relationship(DOCUMENT, "DESCRIBES", PRODUCT)];
        let file_ids: Vec<String> =
            (1..=files.len()).map(|number| format!("SPDXRef-File-{number}")).collect();
        relationships.extend(file_ids.iter().map(|id| relationship(PRODUCT, "CONTAINS", id)));
        for (part, inside) in &self.parts {
            relationships.push(relationship(PRODUCT, "CONTAINS", &ids[part]));
            relationships.extend(inside.iter().map(|it| relationship(&ids[part], "CONTAINS", &ids[it])));
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

    /// Returns the product as a package, with the code over its files (section 7.9).
    fn product_package(&self) -> Result<Value> {
        ensure!(!self.files.is_empty(), "the SBOM of {} has no files", self.product.name);
        let mut sums: Vec<&str> = self.files.iter().map(|file| file.sha1.as_str()).collect();
        sums.sort_unstable();
        let mut product = package(&self.product, PRODUCT);
        product["filesAnalyzed"] = true.into();
        product["packageVerificationCode"] = json!({"packageVerificationCodeValue": sha1(sums.concat())});
        Ok(product)
    }
}

fn sha1(bytes: impl AsRef<[u8]>) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn package_id(number: usize) -> String {
    format!("SPDXRef-Package-{number}")
}

fn package(part: &Part, id: &str) -> Value {
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
        "filesAnalyzed": false,
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

/// The list in a document: name and version of each package, as far as it has one, and the files.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    pub packages: BTreeSet<(String, String)>,
    pub files: Vec<ListedFile>,
}

impl Listed {
    /// Reads a document, without the product itself.
    pub fn read(text: &[u8]) -> Result<Listed> {
        let document: Document = serde_json::from_slice(text).context("it is no SPDX document")?;
        let parts = document.packages.into_iter().filter(|package| package.id != PRODUCT);
        let packages = parts.filter_map(|package| Some((package.name, package.version?))).collect();
        let listed = |file: DocumentFile| {
            let sum = |algorithm: &str| {
                let found = file.checksums.iter().find(|it| it.algorithm == algorithm);
                let found = found.with_context(|| format!("{} has no {algorithm}", file.name))?;
                anyhow::Ok(found.value.clone())
            };
            let path = file.name.strip_prefix("./").unwrap_or(&file.name).to_owned();
            Ok(ListedFile { path, sha1: sum("SHA1")?, sha256: sum("SHA256")?.parse()? })
        };
        let files = document.files.into_iter().map(listed).collect::<Result<_>>()?;
        Ok(Listed { packages, files })
    }

    /// Checks that the packages and files are these.
    pub fn check(&self, packages: &BTreeSet<(String, String)>, files: &[ListedFile]) -> Result<()> {
        let first = |one: &BTreeSet<(String, String)>, other| {
            one.difference(other).next().map(|(name, version)| format!("{name} {version}"))
        };
        if let Some(missing) = first(packages, &self.packages) {
            anyhow::bail!("it does not list {missing}");
        }
        if let Some(other) = first(&self.packages, packages) {
            anyhow::bail!("it lists {other}, which is not there");
        }
        for file in files {
            let listed = self.files.iter().find(|it| it.path == file.path);
            let listed = listed.with_context(|| format!("it does not list the file {}", file.path))?;
            ensure!(listed == file, "it has other checksums for the file {}", file.path);
        }
        ensure!(self.files.len() == files.len(), "it lists files that are not there");
        Ok(())
    }
}

#[derive(Deserialize)]
struct Document {
    packages: Vec<DocumentPackage>,
    files: Vec<DocumentFile>,
}

#[derive(Deserialize)]
struct DocumentPackage {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(rename = "versionInfo")]
    version: Option<String>,
}

#[derive(Deserialize)]
struct DocumentFile {
    #[serde(rename = "fileName")]
    name: String,
    checksums: Vec<DocumentChecksum>,
}

#[derive(Deserialize)]
struct DocumentChecksum {
    algorithm: String,
    #[serde(rename = "checksumValue")]
    value: String,
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

    #[test]
    fn what_differs_is_named() {
        let listed = Listed::read(sbom().text().unwrap().as_bytes()).unwrap();
        let (packages, files) = (listed.packages.clone(), sbom().files);
        listed.check(&packages, &files).unwrap();
        let said = |packages: &BTreeSet<_>, files: &[ListedFile]| {
            listed.check(packages, files).unwrap_err().to_string()
        };
        let mut more = packages.clone();
        more.insert(("three".to_owned(), "v1".to_owned()));
        assert_eq!(said(&more, &files), "it does not list three v1");
        more.retain(|(name, _)| name == "one" || name == "shared");
        assert_eq!(said(&more, &files), "it lists two v1, which is not there");
        let other = [ListedFile::of("bin/a", b"abd")];
        assert_eq!(said(&packages, &other), "it has other checksums for the file bin/a");
        assert_eq!(said(&packages, &[]), "it lists files that are not there");
    }
}
