//! Tests of the bill of materials: validated by the reference implementation of SPDX, and compared with the binary.

use crate::test_env::{TestEnv, context};
use fs_err as fs;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use xtask::product::Product;
use xtask::product::manifest::Manifest;
use xtask::product::sbom::{NAME, check};
use xtask::rpm::documents;
use xtask::target::Target;
use xtask::toolchain::spdx_tools;

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn sbom_of_the_sample_is_valid_and_checked() {
    let env = TestEnv::new();
    env.succeeds(["build", "--sample", "--builtin-images", "all", "--substitute", "busybox=1.37.0"]);
    let directory = env.dist().join("v0.35.0+k3s1.sample/riscv64");
    spdx_tools::validate(&context(), &directory.join(NAME)).unwrap();
    let manifest = Manifest::read(&directory.join("manifest.json")).unwrap();
    let binary = fs::read(directory.join("k3s-riscv64")).unwrap();
    let document = read(&directory.join(NAME));
    let checked = |document: &Value, binary: &[u8]| {
        check(document.to_string().as_bytes(), &manifest, binary).map_err(|error| error.to_string())
    };
    checked(&document, &binary).unwrap();

    let product = Product { directory: directory.clone(), manifest: manifest.clone() };
    let bundled = documents::bundled(&[(Target::named("riscv64").unwrap(), &product)]);
    let bundled: BTreeSet<&str> =
        bundled.lines().filter_map(|it| it.split("bundled(").nth(1)?.split(") =").next()).collect();
    let packages = document["packages"].as_array().unwrap();
    let versioned = packages.iter().skip(1).filter(|it| it["versionInfo"].is_string());
    let names: BTreeSet<&str> = versioned.map(|it| it["name"].as_str().unwrap()).collect();
    let of_rpm: BTreeSet<&str> = bundled
        .iter()
        .map(|it| it.strip_prefix("golang(").map_or(*it, |it| it.trim_end_matches(')')))
        .collect();
    assert_eq!(names, of_rpm);

    let mut less = document.clone();
    let packages = less["packages"].as_array_mut().unwrap();
    packages.retain(|package| package["name"] != "github.com/klauspost/compress");
    let said = checked(&less, &binary).unwrap_err();
    assert!(said.starts_with("it does not list github.com/klauspost/compress v"), "{said}");

    let mut other = document.clone();
    let sum = &mut other["files"][1]["checksums"][1]["checksumValue"];
    *sum = "0".repeat(64).into();
    let said = checked(&other, &binary).unwrap_err();
    assert!(said.starts_with("it has other checksums for the file "), "{said}");

    let mut changed = binary.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(checked(&document, &changed).unwrap_err(), "it has other checksums for the file k3s-riscv64");
}

#[test]
fn validator_refuses_a_broken_document() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broken.json");
    let document = serde_json::json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "x",
        "documentNamespace": "https://host.example/x",
        "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: x"]},
        "packages": [{"SPDXID": "SPDXRef-P", "name": "p", "downloadLocation": "NOASSERTION", "filesAnalyzed": false}],
        "relationships": [{
            "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-P",
        }],
    });
    fs::write(&path, document.to_string()).unwrap();
    spdx_tools::validate(&context(), &path).unwrap();
    fs::write(
        &path,
        document
            .to_string()
            .replace("\"relatedSpdxElement\":\"SPDXRef-P\"", "\"relatedSpdxElement\":\"SPDXRef-Q\""),
    )
    .unwrap();
    let said = format!("{:#}", spdx_tools::validate(&context(), &path).unwrap_err());
    assert!(said.contains("SPDXRef-Q"), "{said}");
}
