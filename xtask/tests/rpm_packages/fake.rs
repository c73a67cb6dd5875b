//! Finished products without a build: the pause program in place of k3s, and a matching manifest.

use crate::packages::context;
use fs_err as fs;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use xtask::digest::Digest;
use xtask::image::content::{Blob, CONFIG_TYPE, LAYER_TYPE, append};
use xtask::image::docker_archive;
use xtask::product::check::{Check, CheckResult};
use xtask::product::component::Component;
use xtask::product::manifest::{FileEntry, Manifest, PatchEntry};
use xtask::product::run::SERVER_STARTS;
use xtask::product::third_party::ThirdParty;
use xtask::spdx::{ListedFile, Part, Sbom};
use xtask::target::Target;
use xtask::upstream::release::Origin;

/// Time of all fake products: 2025-04-18.
pub const TIME: i64 = 1_745_000_000;

pub fn riscv64() -> &'static Target {
    Target::named("riscv64").unwrap()
}

/// Returns a static riscv64 program that starts and ends: pause, which with `-v` only prints its version.
fn program() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| fs::read(xtask::pause::build(context(), riscv64()).unwrap()).unwrap())
}

/// Returns the manifest of a complete release of this version.
pub fn manifest(version: &str) -> Manifest {
    let texts = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    let module = "github.com/containerd/containerd/v2 v2.1.5 => github.com/k3s-io/containerd/v2 v2.1.5-k3s1";
    Manifest {
        k3s: version.to_owned(),
        commit: "dc03cb4b3f0f3ab1b5d5f5c2a1a1a1a1a1a1a1a1".into(),
        origin: Origin::Release,
        arch: "riscv64".into(),
        code: None,
        level: "rva20u64".into(),
        source_date_epoch: TIME,
        modified: true,
        pause_image: "carvicsforth/pause:v3.10-v1.31.1".into(),
        builtin_pause: true,
        builtin_images: Vec::new(),
        releases: Some("https://host.example/me/k3s/releases".parse().unwrap()),
        incomplete: vec![],
        patches: vec![PatchEntry {
            name: "pause-image".into(),
            why: "Every pod's sandbox is held by the pause image, and upstream's has no riscv64 manifest."
                .into(),
            files: vec!["pkg/cli/cmds/agent.go".into()],
            diff_sha256: Digest::of("a diff"),
        }],
        third_party: ThirdParty {
            modules: [module.parse().unwrap()].into(),
            libraries: texts(&[("sqlite", "3.50.4"), ("golang", "1.24.2")]),
            k3s_root: BTreeMap::new(),
            licenses: ["Apache-2.0", "MIT"].map(str::to_owned).into(),
        },
        sources: texts(&[
            ("containerd", "github.com/k3s-io/containerd/v2 v2.1.5-k3s1"),
            ("runc", "github.com/opencontainers/runc v1.2.5"),
            ("https://github.com/rancher/plugins", "v1.6.0-k3s1 d0c0d0c0d0c0d0c0d0c0d0c0d0c0d0c0d0c0d0c0"),
        ]),
        tools: texts(&[
            ("go", "1.24.2"),
            ("libseccomp", "2.6.0"),
            ("rustc", "rustc 1.95.0 (59807616e 2026-04-14)"),
            ("zig", "0.17.1"),
        ]),
        components: BTreeMap::new(),
        files: BTreeMap::new(),
        checks: vec![Check {
            what: SERVER_STARTS.into(),
            result: CheckResult::Passed(format!("Starting k3s {version}")),
        }],
    }
}

/// Writes a complete product of this version.
pub fn product(directory: &Path, version: &str) {
    product_of(directory, manifest(version));
}

/// Writes a complete product, with the checksums that its manifest does not have yet.
pub fn product_of(directory: &Path, mut manifest: Manifest) {
    fs::create_dir_all(directory).unwrap();
    let bundle = bundle();
    let k3s = [program(), b"\0", &bundle, b"\0", manifest.k3s.as_bytes()].concat();
    let entry = FileEntry { size: bundle.len() as u64, sha256: Digest::of(&bundle) };
    manifest.components.insert(Component::Bundle, entry);
    let sbom = sbom(&manifest, &k3s);
    let files: [(&str, &[u8]); 9] = [
        ("k3s-riscv64", &k3s),
        ("k3s.spdx.json", sbom.as_bytes()),
        ("pause", program()),
        ("pause-image-riscv64.tar", b"an image"),
        ("check-config.sh", b"#!/bin/sh\necho checked\n"),
        ("k3s-check", b"#!/bin/sh\necho checked\n"),
        ("install.sh", b"#!/bin/sh\necho installed\n"),
        ("LICENSE", b"Apache License\nVersion 2.0\n"),
        ("THIRD-PARTY-NOTICES", b"containerd: Apache-2.0\n"),
    ];
    for (name, bytes) in files {
        fs::write(directory.join(name), bytes).unwrap();
        let entry = FileEntry { size: bytes.len() as u64, sha256: Digest::of(bytes) };
        manifest.files.insert(name.to_owned(), entry);
    }
    write_manifest(directory, &manifest);
}

/// The only program in the bundle, which lists the module of the manifest as Go's linker does.
const SERVER: &[u8] = b"\xff Go buildinf:\x08\x02................\x06go1.24\x9d\x01\
    0123456789abcdefdep\tgithub.com/containerd/containerd/v2\tv2.1.5\n\
    =>\tgithub.com/k3s-io/containerd/v2\tv2.1.5-k3s1\th1:abcdefghijklmnopqrstuvwxyz=\n0123456789abcdef";

/// Returns the archive that k3s unpacks.
fn bundle() -> Vec<u8> {
    let mut tar = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(SERVER.len() as u64);
    tar.append_data(&mut header, "bin/k3s", SERVER).unwrap();
    tar.into_inner().unwrap().finish().unwrap()
}

/// Returns the bill of materials of what a manifest lists, with this binary.
pub fn sbom(manifest: &Manifest, k3s: &[u8]) -> String {
    let files = vec![ListedFile::of("k3s-riscv64", k3s), ListedFile::of("bin/k3s", SERVER)];
    let part = |name: &str, version: &str| Part {
        name: name.to_owned(),
        version: Some(version.to_owned()),
        ..Part::default()
    };
    let parts = manifest.third_party.bundled().map(|(_, name, version)| (part(&name, &version), vec![]));
    let parts = parts.collect();
    let product = part("k3s", &manifest.k3s);
    Sbom { product, arch: "riscv64".to_owned(), time: TIME, files, parts }.text().unwrap()
}

/// The bundle of the default images.
pub const BUNDLE: &str = "k3s-airgap-images-riscv64.tar.zst";

/// The bill of materials of the default images.
pub const IMAGES_SBOM: &str = "images-riscv64.spdx.json";

/// The only file in each of the default images, whose content is the version.
const VERSION_FILE: &str = "etc/version";

/// Returns an archive of one image under these names.
fn images_bundle(version: &str, names: &[&str]) -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, VERSION_FILE, 0o644, version.as_bytes()).unwrap();
    let layer = Blob::new(LAYER_TYPE, layer.into_inner().unwrap());
    let names: Vec<String> = names.iter().map(|name| format!("docker.io/{name}")).collect();
    let archive = docker_archive::plain(&Blob::new(CONFIG_TYPE, b"{}".to_vec()), &layer, &names).unwrap();
    zstd::encode_all(&*archive, 1).unwrap()
}

/// Writes the directory of the images of a product, as `cargo xtask images build` does.
pub fn images(directory: &Path, version: &str) {
    fs::create_dir_all(directory).unwrap();
    let pause = manifest(version).pause_image;
    let names =
        [&pause[..], "rancher/mirrored-library-busybox:1.36.1", "rancher/mirrored-metrics-server:v0.8.1"];
    let list: String = names.iter().map(|name| format!("docker.io/{name}\n")).collect();
    let bundle = images_bundle(version, &names);
    let (mut files, mut parts) = (vec![ListedFile::of(BUNDLE, &bundle)], Vec::new());
    for (name, version_of) in names.iter().filter_map(|reference| reference.rsplit_once(':')) {
        let package = (name.to_owned(), version_of.to_owned());
        files.push(ListedFile::of(VERSION_FILE, version.as_bytes()).within(package));
        let version = Some(version_of.to_owned());
        parts.push((Part { name: name.to_owned(), version, ..Part::default() }, Vec::new()));
    }
    let product = Part { name: "k3s-airgap-images".to_owned(), ..Part::default() };
    let sbom = Sbom { product, arch: "riscv64".to_owned(), time: TIME, files, parts };
    let files = [
        (BUNDLE, bundle),
        (IMAGES_SBOM, sbom.text().unwrap().into_bytes()),
        ("images-riscv64-licenses.txt", b"texts\n".to_vec()),
        ("images-riscv64.cdx.json", b"{}\n".to_vec()),
        ("k3s-images.txt", list.into_bytes()),
    ];
    for (name, bytes) in &files {
        fs::write(directory.join(name), bytes).unwrap();
    }
    let image = |(reference, version, substitute): (&str, &str, bool)| {
        json!({
            "reference": reference, "id": "", "version": version, "substitute": substitute,
            "left_out": null, "module": null, "modules": [], "debian": [],
        })
    };
    let images = [(names[1], "1.36.1", false), (names[2], "v0.9.0", true)].map(image);
    let manifest = json!({
        "k3s": version, "arch": "riscv64", "pause": [pause], "images": images,
        "licenses": ["Apache-2.0"], "files": {
            BUNDLE: FileEntry::of(&directory.join(BUNDLE)).unwrap(),
            IMAGES_SBOM: FileEntry::of(&directory.join(IMAGES_SBOM)).unwrap(),
        },
    });
    fs::write(directory.join("images-riscv64.json"), manifest.to_string()).unwrap();
    let sum = |name: &str| format!("{}  {name}\n", Digest::of_file(&directory.join(name)).unwrap());
    let names = files.iter().map(|(name, _)| *name).chain(["images-riscv64.json"]);
    fs::write(directory.join("SHA256SUMS"), names.map(sum).collect::<String>()).unwrap();
}

/// Writes a manifest, and the checksums of the files that it names.
pub fn write_manifest(directory: &Path, manifest: &Manifest) {
    let text = manifest.text().unwrap();
    fs::write(directory.join("manifest.json"), &text).unwrap();
    let mut sums: Vec<String> =
        manifest.files.iter().map(|(name, file)| format!("{}  {name}\n", file.sha256)).collect();
    sums.push(format!("{}  manifest.json\n", Digest::of(&text)));
    fs::write(directory.join("SHA256SUMS"), sums.concat()).unwrap();
}
