//! Tests of the image with tools that read its formats independently of this project.

use crate::{images, in_layout, needs, normalised, references};
use std::path::PathBuf;
use std::process::Command;
use xtask::image::{Compression, layout, write_archive};

const SKOPEO: (&str, &str) = ("skopeo", "skopeo");
const VALIDATOR: (&str, &str) = ("oci-image-tool", "oci-image-tool");

/// Returns the output of a command, and fails unless it succeeds.
fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{messages}", output.status);
    output.stdout
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn skopeo_reads_archive_by_each_name() {
    if !needs::programs("reading the archive with skopeo", &[SKOPEO]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let names = references(&["pause:v1", "rancher/mirrored-pause:3.6"]);
    for image in images() {
        let archive = write_archive(image, &names, Compression::None, directory.path()).unwrap();
        for name in normalised(&names) {
            let source = format!("docker-archive:{}:{name}", archive.display());
            let config = output(Command::new("skopeo").args(["inspect", "--raw", "--config", &source]));
            assert_eq!(json(&config), json(&image.config.bytes));
        }
    }
}

#[test]
fn skopeo_reads_layout_by_each_tag() {
    if !needs::programs("reading the layout with skopeo", &[SKOPEO]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let oci = directory.path().join("oci");
    let names = references(&["pause:v1", "rancher/mirrored-pause:3.6"]);
    layout::write(&in_layout(), &[], &names, &oci).unwrap();
    for image in images() {
        for tag in ["v1", "3.6"] {
            let source = format!("oci:{}:{tag}", oci.display());
            let config = output(
                Command::new("skopeo")
                    .args(["--override-os", "linux", "--override-arch", image.target.go])
                    .args(["inspect", "--raw", "--config", &source]),
            );
            assert_eq!(json(&config), json(&image.config.bytes), "{tag} for {}", image.target.go);
        }
    }
}

#[test]
fn oci_validator_accepts_only_intact_layout() {
    if !needs::programs("holding the layout against the OCI's own validator", &[VALIDATOR]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let oci = directory.path().join("oci");
    let validate = |of: &[&str]| {
        let mut command = Command::new("oci-image-tool");
        let output = command.args(["validate", "--type", "image"]).args(of).arg(&oci).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let validated = || validate(&[]);
    // Two names with one tag, which must still refer to one image only. (With three entries, this version of the
    // validator finds only the second.)
    let names = references(&["pause:v1", "other/pause:v1"]);
    layout::write(&in_layout(), &[], &names, &oci).unwrap();
    for entry in ["name=v1", "name=docker.io/other/pause:v1"] {
        let (accepted, messages) = validate(&["--ref", entry]);
        assert!(accepted, "{messages}");
    }
    let (accepted, messages) = validated();
    assert!(accepted, "{messages}");

    let files: Vec<PathBuf> = walkdir::WalkDir::new(&oci)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.is_file())
        .collect();
    // Layer, configuration and manifest of each architecture, the index and the two files of the layout.
    assert_eq!(files.len(), 3 * images().len() + 3);
    for file in files {
        let whole = std::fs::read(&file).unwrap();
        // A blob is damaged where only its digest shows it, the other files where they become unreadable.
        let place = if file.parent().unwrap().ends_with("sha256") { whole.len() / 2 } else { 0 };
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        std::fs::write(&file, damaged).unwrap();
        assert!(!validated().0, "{} is damaged and accepted", file.display());
        std::fs::remove_file(&file).unwrap();
        assert!(!validated().0, "{} is missing and accepted", file.display());
        std::fs::write(&file, whole).unwrap();
    }
    assert!(validated().0, "the layout is whole again");
}
