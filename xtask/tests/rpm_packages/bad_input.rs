//! Tests of what cannot be packaged: each is refused with a reason and a remedy, and leaves nothing half-written.

use crate::fake;
use crate::needs;
use crate::packages::{CREATEREPO, can_build};
use crate::test_env::{TestEnv, failed, succeeded};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use xtask::digest::Digest;
use xtask::product::manifest::Manifest;

fn can_package(what: &str) -> bool {
    can_build(what) && needs::programs(what, &[CREATEREPO])
}

/// A complete product, and a place for what is built from it.
struct Case {
    env: TestEnv,
}

impl Case {
    fn new() -> Case {
        let case = Case { env: TestEnv::new() };
        fake::product(&case.product(), "v1.33.0+k3s1");
        case
    }

    fn product(&self) -> PathBuf {
        self.env.path("product")
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let product = self.product().to_str().unwrap().to_owned();
        let arguments = ["rpm", "--product", &product];
        arguments.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    /// Returns the error of the packaging, and checks that nothing appears.
    #[track_caller]
    fn refused(&self, more: &[&str]) -> String {
        self.env.fails(self.arguments(more))
    }

    /// Changes the manifest, and the checksums with it.
    fn with_manifest(&self, change: impl FnOnce(&mut Manifest)) {
        let mut manifest = Manifest::read(&self.product().join("manifest.json")).unwrap();
        change(&mut manifest);
        fake::write_manifest(&self.product(), &manifest);
    }
}

#[test]
fn rejects_invalid_dist_arch_and_release() {
    let case = Case::new();
    for (options, why) in [
        (["--dist", "el9"], "\"el9\" is no release of openEuler"),
        (["--arch", "sparc"], "unknown architecture \"sparc\""),
        (["--release", "0"], "0 is not in 1.."),
    ] {
        let message = case.env.usage_error(case.arguments(&options));
        assert!(message.contains(why), "{why}: {message}");
    }
}

#[test]
fn missing_rpmbuild_names_the_install_command() {
    let mut case = Case::new();
    // Executables are searched on this path alone, which has a package manager and nothing else.
    let path = case.env.path("path");
    fs::create_dir(&path).unwrap();
    for manager in ["apt-get", "dnf"] {
        fs::write(path.join(manager), "#!/bin/sh\n").unwrap();
        fs::set_permissions(path.join(manager), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    case.env.set("PATH", path);
    let said = case.refused(&[]);
    assert!(said.contains("not found: rpmbuild, createrepo_c; this repairs it:\n"), "{said}");
    let line = said.lines().last().unwrap();
    let installs = |packages: &[&str]| packages.iter().all(|package| line.contains(package));
    let (debian, fedora) =
        (["apt-get install", " createrepo-c rpm"], ["dnf install", " createrepo_c rpm-build"]);
    assert!(installs(&debian) || installs(&fedora), "{said}");
}

#[test]
fn rejects_an_unsigned_repository_on_a_network() {
    if !can_package("an unsigned repository") {
        return;
    }
    let env = TestEnv::new();
    let product = env.path("product");
    fake::product(&product, "v1.33.0+k3s1");
    let words = ["rpm", "--product", product.to_str().unwrap(), "--repository"];
    for url in ["https://name:secret@host.example/k3s", "http://host.example"] {
        let said = env.fails(words.into_iter().chain([url]));
        assert!(said.contains("sign it: --sign KEYID") && !said.contains("secret"), "{said}");
    }
    env.succeeds(words.into_iter().chain(["https://host.example/k3s", "--unsigned"]));
    let file = env.dist().join("v1.33.0+k3s1/rpm/oe2403/riscv64/k3s-riscv64.repo");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("\n# gpgcheck=0 means that the repository is not signed"), "{text}");
}

#[test]
fn rejects_an_incomplete_product() {
    if !can_package("products that are not whole") {
        return;
    }
    let case = Case::new();
    fs::remove_file(case.product().join("check-config.sh")).unwrap();
    assert!(case.refused(&[]).contains("check-config.sh is missing, which SHA256SUMS names"));

    let case = Case::new();
    fs::write(case.product().join("LICENSE"), "another").unwrap();
    assert!(case.refused(&[]).contains("checksum mismatch for LICENSE"));

    let case = Case::new();
    case.with_manifest(|manifest| {
        let pause = manifest.files["pause"].clone();
        manifest.files.get_mut("LICENSE").unwrap().sha256 = pause.sha256;
    });
    assert!(case.refused(&[]).contains("checksum mismatch for LICENSE"));

    let case = Case::new();
    case.with_manifest(|manifest| drop(manifest.files.remove("THIRD-PARTY-NOTICES")));
    assert!(case.refused(&[]).contains("THIRD-PARTY-NOTICES is missing, which manifest.json should name"));

    let case = Case::new();
    fs::remove_dir_all(case.product()).unwrap();
    let said = case.refused(&[]);
    assert!(said.contains("there is no manifest.json") && said.contains("cargo xtask build"), "{said}");
}

/// Changes the text of a file of the product.
fn edit(case: &Case, name: &str, change: impl FnOnce(String) -> String) {
    let file = case.product().join(name);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, change(text)).unwrap();
}

#[test]
fn rejects_foreign_checksums() {
    if !can_package("products with other checksums") {
        return;
    }
    let case = Case::new();
    let is_manifest = |line: &&str| line.ends_with("  manifest.json");
    edit(&case, "SHA256SUMS", |sums| {
        sums.lines().filter(|line| !is_manifest(line)).map(|l| format!("{l}\n")).collect()
    });
    assert!(case.refused(&[]).contains("SHA256SUMS does not name manifest.json"));

    let case = Case::new();
    let manifest = case.product().join("manifest.json");
    let before = Digest::of_file(&manifest).unwrap();
    let license = Digest::of_file(&case.product().join("LICENSE")).unwrap();
    edit(&case, "manifest.json", |text| text.replace(license.as_str(), before.as_str()));
    let after = Digest::of_file(&manifest).unwrap();
    edit(&case, "SHA256SUMS", |sums| sums.replace(before.as_str(), after.as_str()));
    assert!(case.refused(&[]).contains("SHA256SUMS and manifest.json differ on LICENSE"));

    let case = Case::new();
    fs::write(case.env.path("outside"), "").unwrap();
    edit(&case, "SHA256SUMS", |sums| sums + &format!("{}  ../outside\n", Digest::of("")));
    assert!(case.refused(&[]).contains("../outside is not in this directory"));
}

#[test]
fn rejects_a_product_of_another_version_or_arch() {
    if !can_package("products of another kind") {
        return;
    }
    let case = Case::new();
    let said = case.refused(&["--k3s", "v1.34.0+k3s1"]);
    assert!(said.contains("contains k3s v1.33.0+k3s1, not v1.34.0+k3s1"), "{said}");

    let case = Case::new();
    case.with_manifest(|manifest| manifest.k3s = "v1.34.0+k3s1".into());
    assert!(case.refused(&[]).contains("k3s-riscv64 is of another version: it does not name v1.34.0+k3s1"));

    let case = Case::new();
    case.with_manifest(|manifest| manifest.arch = "arm64".into());
    assert!(case.refused(&[]).contains("it is for arm64, not for riscv64"));
    let said = Case::new().refused(&["--arch", "arm64"]);
    assert!(said.contains("it is for riscv64, not for arm64"), "{said}");

    let case = Case::new();
    replace(&case, "k3s-riscv64", &fs::read(env!("CARGO_BIN_EXE_xtask")).unwrap());
    let said = case.refused(&[]);
    assert!(said.contains("k3s-riscv64 is not for riscv64") && said.contains("ELF machine"), "{said}");

    let case = Case::new();
    replace(&case, "k3s-riscv64", b"#!/bin/sh\n");
    assert!(case.refused(&[]).contains("k3s-riscv64 is not for riscv64"));
}

/// Puts other bytes into a product, and adapts manifest and checksums.
fn replace(case: &Case, name: &str, bytes: &[u8]) {
    fs::write(case.product().join(name), bytes).unwrap();
    let digest = xtask::digest::Digest::of(bytes);
    case.with_manifest(|manifest| manifest.files.get_mut(name).unwrap().sha256 = digest);
}

#[test]
fn rejects_a_version_that_rpm_cannot_express() {
    if !can_package("versions with hyphens") {
        return;
    }
    let case = Case::new();
    fs::remove_dir_all(case.product()).unwrap();
    fake::product(&case.product(), "v1.33.0+k3s-mine");
    let said = case.refused(&[]);
    assert!(said.contains("RPM cannot express the version v1.33.0+k3s-mine"), "{said}");
    assert!(said.contains("--as v1.33.0+k3s1"), "{said}");
}

#[test]
fn failing_rpmbuild_keeps_earlier_packages() {
    if !can_package("a failing rpmbuild") {
        return;
    }
    let mut case = Case::new();
    succeeded(case.env.xtask(case.arguments(&[])).output().unwrap());
    let before = case.env.files();
    case.env.put_program("rpmbuild", "[ \"$1\" != --version ] || exit 0; echo no space left >&2; exit 1");
    let said = failed(&case.env.xtask(case.arguments(&["--release", "2"])).output().unwrap());
    assert!(said.contains("building the packages") && said.contains("no space left"), "{said}");
    assert_eq!(case.env.files(), before);
}
