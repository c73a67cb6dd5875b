//! Tests of the files themselves, and of what is left when they cannot be written.

use crate::{image, in_layout, references};
use xtask::image::{Compression, docker_archive, layout, write_archive};

#[test]
fn the_compressed_archive_holds_the_plain_one() {
    let names = references(&["pause:v1"]);
    let plain = docker_archive::archive(image("riscv64"), &names, Compression::None).unwrap();
    let compressed = docker_archive::archive(image("riscv64"), &names, Compression::Zstd).unwrap();
    assert!(compressed.len() < plain.len());
    assert_eq!(zstd::decode_all(&compressed[..]).unwrap(), plain);
}

#[test]
fn failed_archive_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let taken = directory.path().join("pause-image-riscv64.tar");
    std::fs::create_dir(&taken).unwrap();
    let names = references(&["pause:v1"]);
    let error = write_archive(image("riscv64"), &names, Compression::None, directory.path()).unwrap_err();
    assert!(format!("{error:#}").contains(&format!("cannot write {}", taken.display())), "{error:#}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn failed_layout_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let oci = directory.path().join("oci");
    std::fs::create_dir(&oci).unwrap();
    std::fs::write(oci.join("mine"), "kept").unwrap();
    let error = layout::write(&in_layout(), &[], &references(&["pause:v1"]), &oci).unwrap_err();
    assert!(format!("{error:#}").contains(oci.to_str().unwrap()), "{error:#}");
    assert_eq!(std::fs::read(oci.join("mine")).unwrap(), b"kept");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn archive_has_normalised_names() {
    let names = references(&["pause:v1", "index.docker.io/me/pause:2"]);
    let bytes = docker_archive::archive(image("riscv64"), &names, Compression::None).unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let first = archive.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(first.path().unwrap().to_str(), Some("manifest.json"));
    let manifest: serde_json::Value = serde_json::from_reader(first).unwrap();
    let expected = ["docker.io/library/pause:v1", "docker.io/me/pause:2"];
    assert_eq!(manifest[0]["RepoTags"], serde_json::json!(expected));
}
