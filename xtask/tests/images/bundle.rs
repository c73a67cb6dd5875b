//! The bundle, read back by other code than wrote it.

use crate::test_env::{TestEnv, context};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::sync::LazyLock;
use xtask::digest::Digest;
use xtask::image::content::append;
use xtask::images::manifest::ImagesManifest;
use xtask::images::spdx;
use xtask::spdx::ListedFile;
use xtask::toolchain::spdx_tools;

/// The size of the window that k3s' reader of archives takes, as a power of two (rancher/wharfie, pkg/tarfile,
/// `MaxDecoderMemory`).
const WINDOW: u32 = 25;

const BUNDLE: &str = "k3s-airgap-images-riscv64.tar.zst";

/// The published directory of all images of the sample.
pub static BUILT: LazyLock<(TestEnv, PathBuf)> = LazyLock::new(|| {
    let env = TestEnv::new();
    env.succeeds(["images", "build", "--sample"]);
    let directory = env.dist().join("v0.35.0+k3s1.sample/images");
    (env, directory)
});

/// Returns every file of the bundle, by its path.
fn contents() -> BTreeMap<String, Vec<u8>> {
    let mut decoder = zstd::Decoder::new(fs::File::open(BUILT.1.join(BUNDLE)).unwrap()).unwrap();
    decoder.window_log_max(WINDOW).unwrap();
    let mut archive = tar::Archive::new(decoder);
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if entry.header().entry_type().is_file() {
            let path = entry.path().unwrap().display().to_string();
            assert!(found.insert(path, bytes).is_none(), "a file is in the bundle twice");
        }
    }
    found
}

/// Returns a bundle of these files.
fn packed(contents: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in contents {
        append(&mut archive, path, 0o644, bytes).unwrap();
    }
    zstd::encode_all(&*archive.into_inner().unwrap(), 1).unwrap()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect()
}

/// Returns the configuration of an image by a part of its name, and its layers.
fn image(contents: &BTreeMap<String, Vec<u8>>, name: &str) -> (Value, Vec<String>) {
    let list = json(&contents["manifest.json"]);
    let entry =
        list.as_array().unwrap().iter().find(|it| strings(&it["RepoTags"])[0].contains(name)).unwrap();
    let config = json(&contents[entry["Config"].as_str().unwrap()]);
    (config, strings(&entry["Layers"]).into_iter().map(str::to_owned).collect())
}

#[test]
fn bundle_has_the_images_that_the_sample_asks_for() {
    let contents = contents();
    let list = json(&contents["manifest.json"]);
    let names: BTreeSet<&str> =
        list.as_array().unwrap().iter().flat_map(|it| strings(&it["RepoTags"])).collect();
    let expected = [
        "docker.io/carvicsforth/pause:v3.10-v1.31.1",
        "docker.io/rancher/klipper-helm:v0.9.12-build20251215",
        "docker.io/rancher/klipper-lb:v0.4.13",
        "docker.io/rancher/local-path-provisioner:v0.0.34",
        "docker.io/rancher/mirrored-coredns-coredns:1.14.0",
        "docker.io/rancher/mirrored-library-busybox:1.37.0",
        "docker.io/rancher/mirrored-library-traefik:3.6.7",
        "docker.io/rancher/mirrored-metrics-server:v0.8.0",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    let list = fs::read_to_string(BUILT.1.join("k3s-images.txt")).unwrap();
    assert_eq!(list.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn layers_have_the_digests_of_their_configuration() {
    let contents = contents();
    for entry in json(&contents["manifest.json"]).as_array().unwrap() {
        let config = json(&contents[entry["Config"].as_str().unwrap()]);
        assert_eq!(config["architecture"], "riscv64");
        let digests: Vec<String> = strings(&entry["Layers"])
            .iter()
            .map(|layer| format!("sha256:{}", Digest::of(&contents[*layer])))
            .collect();
        assert_eq!(digests, strings(&config["rootfs"]["diff_ids"]), "{entry}");
    }
}

#[test]
fn images_share_the_layer_of_busybox() {
    let contents = contents();
    let (_, of_busybox) = image(&contents, "busybox");
    let (_, of_helm) = image(&contents, "klipper-helm");
    assert_eq!(of_busybox[0], of_helm[0]);
    let mut archive = tar::Archive::new(contents[&of_helm[0]].as_slice());
    let entries = archive.entries().unwrap();
    let paths: BTreeSet<String> =
        entries.map(|it| it.unwrap().path().unwrap().display().to_string()).collect();
    for path in ["bin", "usr/bin/busybox", "usr/bin/sh", "usr/share/doc/busybox-static/copyright"] {
        assert!(paths.contains(path), "{path} is not in {paths:?}");
    }
}

#[test]
fn program_is_for_the_target_and_has_its_capability() {
    let contents = contents();
    let (config, layers) = image(&contents, "coredns");
    assert_eq!(config["config"]["User"], "65532:65532");
    let mut archive = tar::Archive::new(contents[layers.last().unwrap()].as_slice());
    let mut entries = archive.entries().unwrap();
    let mut entry =
        entries.find(|it| it.as_ref().unwrap().path().unwrap().ends_with("coredns")).unwrap().unwrap();
    let mut bytes = Vec::new();
    let extensions: Vec<String> =
        entry.pax_extensions().unwrap().unwrap().map(|it| it.unwrap().key().unwrap().to_owned()).collect();
    assert_eq!(extensions, ["SCHILY.xattr.security.capability"]);
    entry.read_to_end(&mut bytes).unwrap();
    // e_machine of RISC-V (elf.h).
    assert_eq!((&bytes[..4], u16::from_le_bytes([bytes[18], bytes[19]])), (b"\x7fELF".as_slice(), 243));
}

#[test]
fn labels_say_that_the_image_is_rebuilt() {
    let (config, _) = image(&contents(), "coredns");
    let labels = &config["config"]["Labels"];
    let label = |name: &str| labels[format!("org.opencontainers.image.{name}")].as_str().unwrap().to_owned();
    assert_eq!(label("version"), "v1.14.0-sample");
    assert!(label("vendor").contains("not the image that the name's owner publishes"));
    assert!(label("revision").starts_with("github.com/coredns/coredns v1.14.0-sample h1:"));
    assert_eq!(labels["org.opencontainers.image.base.name"], Value::Null);
}

#[test]
fn manifest_names_modules_packages_and_licences() {
    let manifest = json(&fs::read(BUILT.1.join("images-riscv64.json")).unwrap());
    let size = fs::metadata(BUILT.1.join(BUNDLE)).unwrap().len();
    assert_eq!(manifest["files"][BUNDLE]["size"], size);
    let images = manifest["images"].as_array().unwrap();
    let busybox = images.iter().find(|it| it["reference"].as_str().unwrap().contains("busybox")).unwrap();
    let file = busybox["debian"][0]["file"].as_str().unwrap();
    assert!(file.starts_with("pool/main/b/busybox/busybox-static_1.37.0"), "{file}");
    let licenses = fs::read_to_string(BUILT.1.join("images-riscv64-licenses.txt")).unwrap();
    assert!(licenses.contains("Debian busybox-static 1.37.0"), "{licenses}");
}

#[test]
fn second_build_runs_no_step() {
    let (env, directory) = &*BUILT;
    let before = Digest::of_file(&directory.join(BUNDLE)).unwrap();
    let output = env.xtask(["images", "build", "--sample"]).output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{messages}");
    // Another test may have apt's lock.
    let steps = messages.lines().filter(|line| line.starts_with('✓') && !line.contains("waiting"));
    assert_eq!(steps.collect::<Vec<_>>(), [""; 0]);
    assert_eq!(Digest::of_file(&directory.join(BUNDLE)).unwrap(), before);
}

#[test]
fn bundle_is_reproducible() {
    let other = TestEnv::named("a 目录; with a longer name");
    other.succeeds(["images", "build", "--sample", "--jobs", "1"]);
    let digests = [&BUILT.1, &other.dist().join("v0.35.0+k3s1.sample/images")]
        .map(|directory| fs::read_to_string(directory.join("SHA256SUMS")).unwrap());
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn architectures_are_published_together() {
    let env = TestEnv::new();
    let only = ["images", "build", "--sample", "--only", "coredns,pause", "--arch"];
    env.succeeds(only.into_iter().chain(["riscv64,amd64"]));
    let directory = env.dist().join("v0.35.0+k3s1.sample/images");
    for name in [BUNDLE, "k3s-airgap-images-amd64.tar.zst", "images-amd64.json"] {
        assert!(directory.join(name).is_file(), "{name}");
    }
    let list = fs::read_to_string(directory.join("k3s-images.txt")).unwrap();
    assert_eq!(list.lines().count(), 2, "{list}");
}

const SBOM: &str = "images-riscv64.spdx.json";

/// Returns what the check says of a document and a bundle.
fn checked(document: &str, bundle: &[u8]) -> Result<(), String> {
    let manifest = ImagesManifest::read(&BUILT.1.join("images-riscv64.json")).unwrap();
    spdx::check(document.as_bytes(), &manifest, bundle).map_err(|error| format!("{error:#}"))
}

#[test]
fn sbom_is_valid_and_lists_the_bundle() {
    spdx_tools::validate(&context(), &BUILT.1.join(SBOM)).unwrap();
    let text = fs::read_to_string(BUILT.1.join(SBOM)).unwrap();
    let mut bundle = fs::read(BUILT.1.join(BUNDLE)).unwrap();
    checked(&text, &bundle).unwrap();
    let document = json(text.as_bytes());
    let packages = document["packages"].as_array().unwrap();
    let busybox = packages.iter().find(|it| it["name"] == "busybox-static").unwrap();
    assert!(busybox["sourceInfo"].as_str().unwrap().contains("source package busybox 1:1."), "{busybox}");
    assert_eq!(busybox["checksums"][0]["algorithm"], "SHA256", "{busybox}");
    bundle.push(0);
    let said = checked(&text, &bundle).unwrap_err();
    assert_eq!(said, format!("it has other checksums for the file {BUNDLE}"));
}

#[test]
fn sbom_lists_every_file_of_every_image() {
    let text = fs::read_to_string(BUILT.1.join(SBOM)).unwrap();
    let mut contents = contents();
    let before = ListedFile::of(BUNDLE, &fs::read(BUILT.1.join(BUNDLE)).unwrap());
    // The digest of the bundle itself is right in every case: the files in it are compared.
    let document = |bundle: &[u8]| {
        let after = ListedFile::of(BUNDLE, bundle);
        text.replace(&before.sha1, &after.sha1).replace(before.sha256.as_str(), after.sha256.as_str())
    };
    let bundle = packed(&contents);
    let unchanged = document(&bundle);
    checked(&unchanged, &bundle).unwrap();

    let mut less = json(unchanged.as_bytes());
    let files = less["files"].as_array_mut().unwrap();
    let at = files.iter().position(|it| it["fileName"] == "./coredns").unwrap();
    let id = files.remove(at)["SPDXID"].clone();
    less["relationships"].as_array_mut().unwrap().retain(|it| it["relatedSpdxElement"] != id);
    let said = checked(&less.to_string(), &bundle).unwrap_err();
    assert_eq!(said, "it does not list the file coredns of rancher/mirrored-coredns-coredns 1.14.0");

    let (_, of_coredns) = image(&contents, "coredns");
    let layer = contents.get_mut(of_coredns.last().unwrap()).unwrap();
    // Behind the header of the only file.
    layer[100_000] ^= 1;
    let bundle = packed(&contents);
    let said = checked(&document(&bundle), &bundle).unwrap_err();
    assert_eq!(
        said,
        "it has other checksums for the file coredns of rancher/mirrored-coredns-coredns 1.14.0"
    );

    contents.remove("manifest.json");
    let bundle = packed(&contents);
    let said = checked(&document(&bundle), &bundle).unwrap_err();
    assert_eq!(said, "the bundle has no image carvicsforth/pause:v3.10-v1.31.1");
}

#[test]
fn scanners_find_modules_and_source_packages() {
    let document = json(&fs::read(BUILT.1.join("images-riscv64.cdx.json")).unwrap());
    assert_eq!((&document["bomFormat"], &document["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    let components = document["components"].as_array().unwrap();
    let purls: Vec<&str> = components.iter().filter_map(|it| it["purl"].as_str()).collect();
    let busybox = purls.iter().find(|purl| purl.starts_with("pkg:deb/debian/busybox@")).unwrap();
    // With the epoch, and without the number of Debian's own rebuild.
    assert!(busybox.contains("@1%3A1.") && !busybox.contains("%2Bb"), "{busybox}");
    assert!(purls.contains(&"pkg:golang/github.com/coredns/coredns@v1.14.0-sample"), "{purls:?}");
    let images = components.iter().filter(|it| it["type"] == "container").count();
    assert_eq!(document["dependencies"].as_array().unwrap().len(), images);
}
