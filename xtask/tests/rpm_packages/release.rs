//! Tests of the directory that is published: its contents, and what must not be published.

use crate::fake;
use crate::needs;
use crate::packages::{CREATEREPO, can_build, expect_success, settings_for};
use crate::repository::{can_solve, root_with};
use crate::test_env::{self, TestEnv, failed};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::context::Context;
use xtask::digest::Digest;
use xtask::images::publish::PublishedImages;
use xtask::k3s::Optional;
use xtask::product::Product;
use xtask::product::manifest::Manifest;
use xtask::release::{DistPackages, Mode, PackagedProduct, Release};
use xtask::rpm::{Packaging, Settings};
use xtask::upstream::release::Origin;

pub const VERSION: &str = "v1.33.0+k3s1";

pub fn can_release(what: &str) -> bool {
    can_build(what) && needs::programs(what, &[CREATEREPO])
}

/// Returns a place with a finished product, in which `k3s.lock.json` locks what the product was built from.
pub fn place_with_product(change: impl FnOnce(&mut Manifest)) -> TestEnv {
    let env = TestEnv::new();
    let mut manifest = fake::manifest(VERSION);
    let plugins =
        manifest.sources["https://github.com/rancher/plugins"].split(' ').nth(1).unwrap().to_owned();
    let lock = format!(
        r#"{{"tags": {{"https://github.com/k3s-io/k3s": {{"{VERSION}": "{}"}},
                      "https://github.com/rancher/plugins": {{"v1.6.0-k3s1": "{plugins}"}}}}}}"#,
        manifest.commit
    );
    fs::write(env.path("k3s.lock.json"), lock).unwrap();
    change(&mut manifest);
    fake::product_of(&env.path("product"), manifest);
    env
}

/// Releases a product through the library, with a source package that cannot be built.
pub fn released(env: &TestEnv, mode: Mode) -> PathBuf {
    released_as(env, mode, 1, 1)
}

/// Does the same with a number of the build, and for one or two releases of openEuler.
pub fn released_as(env: &TestEnv, mode: Mode, release: u32, dists: usize) -> PathBuf {
    let below = |name: &str| env.path("target").join(name);
    let context =
        Context { work: below("work"), dist: env.dist(), logs: below("logs"), ..test_env::context() };
    let product = Product::open(&env.path("product"), fake::riscv64()).unwrap();
    fake::images(&env.path("images"), VERSION);
    let images = PublishedImages::open(&env.path("images"), fake::riscv64(), VERSION).unwrap();
    let settings = ["oe2403", "oe2403sp1"].map(|dist| Settings {
        dist: dist.parse().unwrap(),
        release,
        ..settings_for("file:///srv/k3s-riscv64")
    });
    let settings = &settings[..dists];
    let packages = settings.iter().map(|settings| {
        let packaging = Packaging::new(&context, &product, fake::riscv64(), settings, None).unwrap();
        let published = Packaging { images: Some(images.clone()), ..packaging }.publish().unwrap();
        let repository = published.directory.clone();
        DistPackages { dist: settings.dist, published, repository }
    });
    let packages: Vec<_> = packages.collect();
    source_package(&packages[0].published.directory, release);
    let products = [PackagedProduct { target: fake::riscv64(), product, packages, images: Some(images) }];
    let (problems, earlier) = (vec![], vec![]);
    Release { context: &context, mode, products: &products, settings, earlier, problems }.publish().unwrap()
}

pub const SOURCE_PACKAGE: &str = "k3s-1.33.0+k3s1-1.oe2403.src.rpm";

/// Puts a source package beside packages that have none.
fn source_package(directory: &Path, release: u32) {
    let env = tempfile::tempdir().unwrap();
    let spec = format!(
        "Name: k3s\nVersion: 1.33.0+k3s1\nRelease: {release}.oe2403\nSummary: s\nLicense: MIT\n%description\nd\n"
    );
    let file = env.path().join("k3s.spec");
    fs::write(&file, spec).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(fake::TIME.unsigned_abs());
    fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    let definitions = [("_topdir", env.path()), ("_srcrpmdir", directory)]
        .map(|(name, path)| format!("{name} {}", path.display()));
    let mut command = Command::new("rpmbuild");
    command.env("SOURCE_DATE_EPOCH", fake::TIME.to_string());
    expect_success(
        command
            .args(["-bs", "--define", &definitions[0], "--define", &definitions[1]])
            .args(["--define", "use_source_date_epoch_as_buildtime 1"])
            .arg(&file)
            .output()
            .unwrap(),
    );
}

#[test]
fn release_has_all_assets_and_no_local_path() {
    if !can_release("a release") {
        return;
    }
    let env = place_with_product(|_| {});
    let directory = released(&env, Mode::Release);
    assert_eq!(directory, env.dist().join(VERSION).join("release"));
    let mut names: Vec<String> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "LICENSE",
            "NOTES.md",
            "SHA256SUMS",
            "THIRD-PARTY-NOTICES-riscv64",
            "check-config.sh",
            "images-riscv64-licenses.txt",
            "images-riscv64-sources.tar",
            "images-riscv64.cdx.json",
            "images-riscv64.json",
            "images-riscv64.spdx.json",
            "install.sh",
            "k3s-1.33.0+k3s1-1.oe2403.riscv64.rpm",
            "k3s-1.33.0+k3s1-1.oe2403.src.rpm",
            "k3s-airgap-images-1.33.0+k3s1-1.oe2403.riscv64.rpm",
            "k3s-airgap-images-riscv64.tar.zst",
            "k3s-check",
            "k3s-cli-1.33.0+k3s1-1.oe2403.noarch.rpm",
            "k3s-cri-tools-1.33.0+k3s1-1.oe2403.noarch.rpm",
            "k3s-images.txt",
            "k3s-pause-image-1.33.0+k3s1-1.oe2403.riscv64.rpm",
            "k3s-riscv64",
            "k3s-riscv64.spdx.json",
            "manifest-riscv64.json",
            "pause-image-for-installed-k3s-riscv64.tar",
            "pause-image-riscv64.tar",
            "repository-oe2403-riscv64.tar",
            "sha256sum-riscv64.txt",
        ]
    );
    let mut sums = Command::new("sha256sum");
    let said = expect_success(
        sums.args(["--check", "--strict", "SHA256SUMS"]).current_dir(&directory).output().unwrap(),
    );
    assert_eq!(said.lines().count(), names.len() - 1, "{said}");
    let check = env.xtask([&"release".into(), &"check".into(), &directory]).output().unwrap();
    assert!(String::from_utf8_lossy(&check.stdout).contains("all 27 files are correct"));
    let binary = Digest::of_file(&directory.join("k3s-riscv64")).unwrap();
    let sums = fs::read_to_string(directory.join("sha256sum-riscv64.txt")).unwrap();
    assert_eq!(sums, format!("{binary}  k3s-riscv64\n"), "as install.sh and upstream's tools read it");
    let here = env.path("").display().to_string();
    for name in ["NOTES.md", "manifest-riscv64.json"] {
        assert!(!fs::read_to_string(directory.join(name)).unwrap().contains(&here), "{name}");
    }
    let image = fs::read(directory.join("pause-image-for-installed-k3s-riscv64.tar")).unwrap();
    let image = String::from_utf8_lossy(&image);
    assert!(image.contains("docker.io/rancher/mirrored-pause:3.6"), "the image has the names that k3s pulls");
}

#[test]
fn notes_describe_contents_and_installation() {
    if !can_release("release notes") {
        return;
    }
    let env = place_with_product(|_| {});
    let notes = fs::read_to_string(released(&env, Mode::Release).join("NOTES.md")).unwrap();
    for words in [
        "# k3s v1.33.0+k3s1 for riscv64\n",
        "neither made nor endorsed by the k3s project",
        "`carvicsforth/pause:v3.10-v1.31.1`, which is inside",
        "mkdir -p /srv/k3s-riscv64 && tar -x -C /srv/k3s-riscv64 -f repository-oe2403-riscv64.tar\n\
         cp /srv/k3s-riscv64/riscv64/k3s-riscv64.repo /etc/yum.repos.d/\ndnf install k3s k3s-cli\n",
        "Nothing here is signed.",
        "install -D -m 0644 -t /var/lib/rancher/k3s/agent/images k3s-airgap-images-riscv64.tar.zst\n",
        "- The version that `rancher/mirrored-metrics-server:v0.8.1` names: the image is built from v0.9.0.\n",
        "| level of riscv64 | rva20u64 |",
        "| runc | github.com/opencontainers/runc v1.2.5 |",
        "- **pause-image** (pkg/cli/cmds/agent.go): Every pod's sandbox is held by the pause image",
        "| `k3s-1.33.0+k3s1-1.oe2403.src.rpm` |",
        "| the k3s binary, riscv64 |",
        "## What is not in it",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    assert!(!notes.contains("preview"), "{notes}");
}

#[test]
fn commands_of_the_notes_install_from_the_archive() {
    if !can_solve("the archive of the repository") {
        return;
    }
    let env = place_with_product(|_| {});
    let archive = released(&env, Mode::Release).join("repository-oe2403-riscv64.tar");
    let root = root_with(&[], |env| {
        expect_success(
            Command::new("tar").arg("-x").arg("-C").arg(env).arg("-f").arg(&archive).output().unwrap(),
        );
    });
    let said = expect_success(root.dnf(&["install", "k3s", "k3s-cli"]).output().unwrap());
    assert_eq!(root.query("k3s"), "k3s-1.33.0+k3s1-1.oe2403.riscv64", "{said}");
    assert!(!root.has("/srv/k3s-riscv64/riscv64/k3s-1.33.0+k3s1-1.oe2403.src.rpm"), "of no use to a node");
}

#[test]
fn preview_is_made_of_a_commit_without_a_tag() {
    if !can_release("a preview of a tree") {
        return;
    }
    let env = place_with_product(|manifest| manifest.k3s = "v1.33.0+k3s-dc03cb4b".into());
    let product = env.path("product").display().to_string();
    env.succeeds(["release", "--preview", "--skip-boot", "--product", &product]);
}

#[test]
fn same_product_gives_the_same_release() {
    if !can_release("whether releases are the same") {
        return;
    }
    let sums = || {
        let env = place_with_product(|_| {});
        fs::read_to_string(released(&env, Mode::Release).join("SHA256SUMS")).unwrap()
    };
    assert_eq!(sums(), sums());
}

#[test]
fn rejects_packages_of_another_binary() {
    if !can_release("the program inside packages") {
        return;
    }
    let env = place_with_product(|_| {});
    let directory = released(&env, Mode::Release);
    let mut manifest = Manifest::read(&directory.join("manifest-riscv64.json")).unwrap();
    let program = [fs::read(directory.join("k3s-riscv64")).unwrap(), b"another".to_vec()].concat();
    manifest.files.get_mut("k3s-riscv64").unwrap().sha256 = Digest::of(&program);
    fs::write(directory.join("sha256sum-riscv64.txt"), format!("{}  k3s-riscv64\n", Digest::of(&program)))
        .unwrap();
    let sbom = fake::sbom(&manifest, &program);
    manifest.files.get_mut("k3s.spdx.json").unwrap().sha256 = Digest::of(&sbom);
    fs::write(directory.join("k3s-riscv64.spdx.json"), sbom).unwrap();
    fs::write(directory.join("k3s-riscv64"), program).unwrap();
    fs::write(directory.join("manifest-riscv64.json"), manifest.text().unwrap()).unwrap();
    again(&directory);
    let said = failed(&env.xtask([&"release".into(), &"check".into(), &directory]).output().unwrap());
    let package = "/usr/bin/k3s of the package k3s-1.33.0+k3s1-1.oe2403.riscv64";
    assert!(said.contains(&format!("{package} is not the k3s-riscv64 beside it")), "{said}");
}

/// Writes the checksums of a directory again.
pub fn again(directory: &Path) {
    let mut sums = Command::new("sh");
    sums.args(["-c", "rm SHA256SUMS; sha256sum * >sums; mv sums SHA256SUMS"]).current_dir(directory);
    expect_success(sums.output().unwrap());
}

#[test]
fn reports_all_problems_and_writes_nothing() {
    if !can_release("what is not released") {
        return;
    }
    let env = place_with_product(|manifest| {
        manifest.origin = Origin::Tree;
        manifest.incomplete = vec![Optional::Charts];
        manifest.level = "rva22u64".into();
        manifest.releases = None;
    });
    let said = env.fails(["release", "--product", env.path("product").to_str().unwrap()]);
    for caveat in
        ["install.sh", "not an upstream release", "without charts", "for rva22u64 only", "the default images"]
    {
        assert!(said.contains(&format!("\n- riscv64: {caveat}")), "{said}");
    }
    assert!(said.contains("--preview"), "{said}");

    let env = place_with_product(|_| {});
    fs::write(env.path("k3s.lock.json"), "{}").unwrap();
    let said = env.fails(["release", "--product", env.path("product").to_str().unwrap()]);
    assert!(
        said.contains("\n- k3s.lock.json does not lock v1.33.0+k3s1 of https://github.com/k3s-io/k3s"),
        "{said}"
    );
    assert!(said.contains("\n- k3s.lock.json does not lock v1.6.0-k3s1 of"), "{said}");

    let env = TestEnv::new();
    let said = env.fails(["release", "--sample", "--charts", "none"]);
    assert!(said.contains("\n- --sample: the sample is no k3s\n- --charts none: "), "{said}");
    // That the commit is not locked is reported together with the other problems.
    let said = env.fails(["release", "--offline", "--k3s", VERSION, "--k3s-root", "none"]);
    assert!(said.contains("\n- --k3s-root none: ") && said.contains("--offline forbids"), "{said}");
    let said = env.fails(["release", "--sample", "--level", "rva22u64"]);
    assert!(said.contains("\n- --level rva22u64: machines of the oldest level could not run it"), "{said}");
    let product = env.path("product");
    fake::product(&product, VERSION);
    let product = product.to_str().unwrap();
    let said = env.fails(["release", "--preview", "--sample", "--level", "rva22u64", "--product", product]);
    for other in ["k3s version: v1.33.0+k3s1, not v0.35.0+k3s1.sample", "level: rva20u64, not rva22u64"] {
        assert!(said.contains(&format!("another product than was selected: {other}")), "{said}");
    }
    let said = env.fails(["release", "--product", "nowhere", "--product", "elsewhere"]);
    assert!(
        said.contains("nowhere contains no product") && said.contains("elsewhere contains no product"),
        "{said}"
    );
}
