//! Tests of the repository as dnf sees it from a machine of another architecture.

use crate::fake;
use crate::needs;
use crate::packages::{
    CREATEREPO, DNF, can_build, context, expect_success, file_name, newer, openeuler, packaging, scratch,
    settings_for,
};
use crate::root::{Root, can_install};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use xtask::product::Product;
use xtask::rpm::Packaging;

pub fn can_solve(what: &str) -> bool {
    can_build(what) && can_install(what) && needs::programs(what, &[CREATEREPO, DNF])
}

/// Publishes the packages of a fake product and returns their repository.
fn published(version: &str, url: &str) -> PathBuf {
    let directory = scratch().join("repositories").join(version);
    fake::product(&directory, version);
    let product = Product::open(&directory, fake::riscv64()).unwrap();
    Packaging { settings: &settings_for(url), ..packaging(&product) }.publish().unwrap().directory
}

fn ours() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| published("v1.35.1+k3s1", "file:///srv/k3s-riscv64"))
}

/// Returns a root with nothing installed, our repository at the path in its .repo file, and a distribution's
/// repository with a stub of that distribution's packages and these packages.
fn root(packages: &[&Path]) -> Root {
    root_with(packages, |env| {
        fs::create_dir_all(env.join("riscv64")).unwrap();
        xtask::dir::copy(ours(), &env.join("riscv64")).unwrap();
    })
}

/// Returns the same root, with our repository put below /srv/k3s-riscv64 by `put`.
pub fn root_with(packages: &[&Path], put: impl FnOnce(&Path)) -> Root {
    let root = Root::bare();
    let env = root.path("/srv/k3s-riscv64");
    fs::create_dir_all(&env).unwrap();
    put(&env);
    fs::create_dir_all(root.path("/etc/yum.repos.d")).unwrap();
    fs::copy(env.join("riscv64/k3s-riscv64.repo"), root.path("/etc/yum.repos.d/k3s-riscv64.repo")).unwrap();

    let distribution = root.path("/srv/distribution");
    fs::create_dir_all(&distribution).unwrap();
    let stub = root.stub();
    for package in packages.iter().chain([&stub.as_path()]) {
        fs::copy(package, distribution.join(file_name(package))).unwrap();
    }
    expect_success(Command::new("createrepo_c").arg("--quiet").arg(&distribution).output().unwrap());
    root.write(
        "/etc/yum.repos.d/distribution.repo",
        "[distribution]\nname=distribution\nenabled=1\ngpgcheck=0\nbaseurl=file:///srv/distribution\n",
    );
    as_seen_from_outside(&root);
    root
}

/// Replaces the URLs in the root's .repo files by ones that are valid on this machine.
fn as_seen_from_outside(root: &Root) {
    for entry in fs::read_dir(root.path("/etc/yum.repos.d")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("file:///srv", &format!("file://{}", root.path("/srv").display())))
            .unwrap();
    }
}

#[test]
fn dnf_prefers_our_repository() {
    if !can_solve("an install by dnf") {
        return;
    }
    let root = root(&[newer()]);
    let said = expect_success(root.dnf(&["--best", "install", "k3s", "k3s-cli"]).output().unwrap());
    assert_eq!(root.query("k3s"), "k3s-1.35.1+k3s1-1.oe2403.riscv64", "{said}");
    assert_eq!(root.query("k3s-cli"), "k3s-cli-1.35.1+k3s1-1.oe2403.noarch");
    assert!(root.query("k3s-pause-image").contains("not installed"), "our k3s needs no fix");
    assert_eq!(root.changed(), [""; 0]);
    assert!(!said.contains("scriptlet failed"), "{said}");
}

#[test]
fn dnf_upgrades_from_1_24_2_to_ours() {
    if !can_solve("an upgrade by dnf") {
        return;
    }
    let root = root(&[newer()]);
    root.install(&[&root.stub(), openeuler()]);
    let said = expect_success(root.dnf(&["--best", "upgrade", "k3s"]).output().unwrap());
    assert_eq!(root.query("k3s"), "k3s-1.35.1+k3s1-1.oe2403.riscv64", "{said}");
}

#[test]
fn documented_fix_keeps_the_installed_k3s() {
    if !can_solve("the fix by dnf") {
        return;
    }
    let documented = "dnf install /srv/k3s-riscv64/riscv64/k3s-pause-image-*.rpm";
    for document in ["README.md", "rpm/README.package.md", "rpm/UPGRADE.md"] {
        let text = fs::read_to_string(context().root.join(document)).unwrap();
        assert!(text.contains(documented), "{document}");
        assert!(!text.contains("dnf install k3s-pause-image"), "{document}");
    }
    let root = root(&[]);
    root.install(&[&root.stub(), openeuler()]);
    let repository = root.path("/etc/yum.repos.d/k3s-riscv64.repo");
    let text = fs::read_to_string(&repository).unwrap();
    fs::remove_file(&repository).unwrap();
    let files =
        fs::read_dir(root.path("/srv/k3s-riscv64/riscv64")).unwrap().map(|entry| entry.unwrap().path());
    let package = files.into_iter().find(|path| file_name(path).starts_with("k3s-pause-image-")).unwrap();
    expect_success(root.dnf(&["install", package.to_str().unwrap()]).output().unwrap());
    assert_eq!(root.query("k3s-pause-image"), "k3s-pause-image-1.35.1+k3s1-1.oe2403.riscv64");
    expect_success(root.dnf(&["upgrade"]).output().unwrap());
    assert_eq!(root.query("k3s"), "k3s-1.24.2+rc1+k3s2-3.oe2303.riscv64");

    // The reason why the repository must not stay enabled for it.
    fs::write(&repository, text).unwrap();
    expect_success(root.dnf(&["upgrade"]).output().unwrap());
    assert_eq!(root.query("k3s"), "k3s-1.35.1+k3s1-1.oe2403.riscv64");
}

#[test]
fn dnf_rejects_missing_dependencies() {
    if !can_solve("a dependency that no repository has") {
        return;
    }
    let root = root(&[]);
    let output = root.dnf(&["--best", "--disablerepo=distribution", "install", "k3s"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("nothing provides iptables needed by k3s-1.35.1+k3s1-1.oe2403.riscv64"), "{said}");
}

#[test]
fn repo_file_names_the_url_and_no_signature() {
    if !can_build("the repository file") || !needs::programs("the repository", &[CREATEREPO]) {
        return;
    }
    let text = fs::read_to_string(ours().join("k3s-riscv64.repo")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        [
            "[k3s-riscv64]",
            "name=k3s, modified to run on riscv64",
            "enabled=1",
            "priority=50",
            "baseurl=file:///srv/k3s-riscv64/$basearch/",
            "gpgcheck=0",
            "repo_gpgcheck=0",
        ]
    );
    let elsewhere = published("v1.35.2+k3s1", "https://packages.example/k3s/");
    let text = fs::read_to_string(elsewhere.join("k3s-riscv64.repo")).unwrap();
    assert!(text.contains("\nbaseurl=https://packages.example/k3s/$basearch/\n"), "{text}");
    assert!(elsewhere.starts_with(context().dist.join("v1.35.2+k3s1/rpm/oe2403")), "{}", elsewhere.display());
}
