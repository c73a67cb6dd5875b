//! Tests of a repository that keeps earlier releases, as it is published: dnf goes up one minor at a time, and back.

use crate::fake;
use crate::packages::{context, expect_success, file_name};
use crate::repository::{can_solve, root_with};
use crate::root::Root;
use crate::test_env::{TestEnv, failed};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use xtask::boot::scenario::Scenario;
use xtask::release::booted;

/// Releases, each of which keeps packages of those before it.
const RELEASES: [(&str, u32); 4] =
    [("v1.33.0+k3s1", 1), ("v1.34.3+k3s1", 1), ("v1.35.1+k3s1", 1), ("v1.35.1+k3s1", 2)];

/// Returns the repository of each release.
fn archives() -> &'static [PathBuf] {
    &made().1
}

/// Returns the environment of the releases, and the repository of each.
fn made() -> &'static (TestEnv, Vec<PathBuf>) {
    static MADE: OnceLock<(TestEnv, Vec<PathBuf>)> = OnceLock::new();
    MADE.get_or_init(|| {
        let env = TestEnv::new();
        let archives =
            RELEASES.iter().enumerate().map(|(at, (version, release))| released(&env, at, version, *release));
        let archives = archives.collect();
        (env, archives)
    })
}

/// Releases a product with the repository of the release before, and returns the new repository.
fn released(env: &TestEnv, at: usize, version: &str, release: u32) -> PathBuf {
    let (product, earlier) = (env.path(format!("product-{at}")), env.path("earlier"));
    fake::product(&product, version);
    fs::create_dir_all(&earlier).unwrap();
    let (product, number) = (product.display().to_string(), release.to_string());
    let earlier_directory = earlier.display().to_string();
    env.succeeds([
        "release",
        "--preview",
        "--skip-boot",
        "--product",
        &product,
        "--release",
        &number,
        "--earlier",
        &earlier_directory,
    ]);
    let name = "repository-oe2403-riscv64.tar";
    let archive = env.path(format!("archive-{at}.tar"));
    fs::copy(env.dist().join(version).join("preview").join(name), &archive).unwrap();
    fs::copy(&archive, earlier.join(name)).unwrap();
    archive
}

fn unpack(archive: &Path, into: &Path) {
    expect_success(
        Command::new("tar").arg("-x").arg("-C").arg(into).arg("-f").arg(archive).output().unwrap(),
    );
}

/// Returns the versions of two installed packages.
fn installed(root: &Root) -> [String; 2] {
    ["k3s", "k3s-cli"]
        .map(|name| root.query(name).replace(&format!("{name}-"), "").rsplit_once('.').unwrap().0.to_owned())
}

fn both(version: &str) -> [String; 2] {
    [version, version].map(|version| format!("{version}.oe2403"))
}

#[test]
fn dnf_goes_up_one_minor_at_a_time_and_back() {
    if !can_solve("upgrades by minors") {
        return;
    }
    let document = fs::read_to_string(context().root.join("rpm/UPGRADE.md")).unwrap();
    let root = root_with(&[], |env| unpack(&archives()[3], env));
    let dnf = |words: &[&str]| expect_success(root.dnf(words).output().unwrap());
    dnf(&["install", "k3s-1.33.*", "k3s-cli-1.33.*"]);
    assert_eq!(installed(&root), both("1.33.0+k3s1-1"));
    for (words, expected) in [
        (["upgrade", "k3s*-1.34.*"], "1.34.3+k3s1-1"),
        (["upgrade", "k3s*-1.35.*"], "1.35.1+k3s1-2"),
        (["downgrade", "k3s*-1.34.*"], "1.34.3+k3s1-1"),
    ] {
        let documented = format!("    dnf {} '{}'\n", words[0], words[1].replace("1.35", "1.34"));
        assert!(document.contains(&documented), "{documented}");
        let said = dnf(&words);
        assert_eq!(installed(&root), both(expected), "{said}");
    }
    // After a jump over a minor, the message of the refused start names this command.
    let script = fs::read_to_string(context().root.join("rpm/k3s-start-check.sh")).unwrap();
    assert!(script.contains("\"dnf install 'k3s-1.$((before + 1)).*'."), "{script}");
    dnf(&["upgrade", "k3s*-1.35.*"]);
    let said = dnf(&["install", "k3s-1.34.*"]);
    assert_eq!(installed(&root), both("1.34.3+k3s1-1"), "{said}");
}

#[test]
fn repository_keeps_the_newest_of_each_minor() {
    if !can_solve("what a repository keeps") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    unpack(&archives()[3], root.path());
    let mut found: Vec<String> = fs::read_dir(root.path().join("riscv64"))
        .unwrap()
        .map(|entry| file_name(&entry.unwrap().path()).to_owned())
        .collect();
    found.retain(|name| name.starts_with("k3s-1.") && name.ends_with(".rpm"));
    found.sort();
    assert_eq!(
        found,
        ["1.33.0+k3s1-1", "1.34.3+k3s1-1", "1.35.1+k3s1-1", "1.35.1+k3s1-2"]
            .map(|version| format!("k3s-{version}.oe2403.riscv64.rpm"))
    );
    let times = "gzip -d -c riscv64/repodata/*-primary.xml.gz | grep -o 'file=\"[0-9]*\"' | sort -u";
    let mut sh = Command::new("sh");
    let times = expect_success(sh.args(["-c", times]).current_dir(root.path()).output().unwrap());
    assert_eq!(times, format!("file=\"{}\"\n", fake::TIME), "no time of this run");
}

#[test]
fn release_with_earlier_minors_needs_the_upgrade() {
    if !can_solve("the scenarios of a release") {
        return;
    }
    let artifacts = |version: &str| {
        let directory = made().0.dist().join(version).join("preview");
        booted::artifacts(&context().root, &directory).unwrap()
    };
    let newest = artifacts("v1.35.1+k3s1");
    assert_eq!(newest.minors(), [33, 34, 35]);
    assert!(booted::required(&newest).contains(&Scenario::Upgrade));
    let digests = newest.digests(Scenario::Upgrade).unwrap();
    assert!(digests.contains_key("repository-oe2403-riscv64.tar"), "{digests:?}");
    assert!(!booted::required(&artifacts("v1.33.0+k3s1")).contains(&Scenario::Upgrade));
}

#[test]
fn new_release_is_found_after_a_refresh() {
    if !can_solve("metadata that has become old") {
        return;
    }
    let root = root_with(&[], |env| unpack(&archives()[1], env));
    let dnf = |words: &[&str]| expect_success(root.dnf(words).output().unwrap());
    dnf(&["install", "k3s", "k3s-cli"]);
    let directory = root.path("/srv/k3s-riscv64");
    fs::remove_dir_all(directory.join("riscv64")).unwrap();
    unpack(&archives()[3], &directory);
    dnf(&["upgrade", "k3s"]);
    assert_eq!(installed(&root), both("1.34.3+k3s1-1"), "dnf knows the old metadata");
    dnf(&["--refresh", "upgrade", "k3s"]);
    assert_eq!(installed(&root), both("1.35.1+k3s1-2"));
}

#[test]
fn documented_fix_takes_one_of_several_versions() {
    if !can_solve("the fix from a repository with several versions") {
        return;
    }
    let root = root_with(&[], |env| unpack(&archives()[3], env));
    root.install(&[&root.stub()]);
    let line =
        format!("exec \"$@\" {}/riscv64/k3s-pause-image-*.rpm", root.path("/srv/k3s-riscv64").display());
    let dnf = root.dnf(&["install"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", &line, "sh"]).arg(dnf.get_program()).args(dnf.get_args());
    shell.envs(dnf.get_envs().filter_map(|(name, value)| Some((name, value?))));
    expect_success(shell.output().unwrap());
    assert_eq!(root.query("k3s-pause-image"), "k3s-pause-image-1.35.1+k3s1-2.oe2403.riscv64");
}

#[test]
fn notes_of_an_older_line_install_its_version() {
    if !can_solve("a release of an older line") {
        return;
    }
    let env = TestEnv::new();
    fs::create_dir_all(env.path("earlier")).unwrap();
    fs::copy(&archives()[3], env.path("earlier/repository-oe2403-riscv64.tar")).unwrap();
    let archive = released(&env, 0, "v1.34.4+k3s1", 1);
    let notes = fs::read_to_string(env.dist().join("v1.34.4+k3s1/preview/NOTES.md")).unwrap();
    let line = notes.lines().find_map(|line| line.strip_prefix("dnf install ")).unwrap();
    let root = root_with(&[], |env| unpack(&archive, env));
    let words: Vec<&str> = ["install"].into_iter().chain(line.split(' ')).collect();
    expect_success(root.dnf(&words).output().unwrap());
    assert_eq!(installed(&root), both("1.34.4+k3s1-1"), "{line}");
}

#[test]
fn damaged_packages_are_not_kept() {
    if !can_solve("a damaged package in an archive") {
        return;
    }
    let env = TestEnv::new();
    let earlier = env.path("earlier");
    fs::create_dir_all(&earlier).unwrap();
    unpack(&archives()[0], &earlier);
    let package = earlier.join("riscv64/k3s-1.33.0+k3s1-1.oe2403.riscv64.rpm");
    let mut bytes = fs::read(&package).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&package, bytes).unwrap();
    let said = refused(&env, &earlier);
    assert!(said.contains("it is damaged") && said.contains("repository.tar"), "{said}");
}

#[test]
fn foreign_packages_are_no_earlier_release() {
    if !can_solve("foreign packages in an archive") {
        return;
    }
    let env = TestEnv::new();
    let earlier = env.path("earlier");
    fs::create_dir_all(earlier.join("riscv64")).unwrap();
    fs::copy(Root::bare().stub(), earlier.join("riscv64").join("k3s-1.rpm")).unwrap();
    let said = refused(&env, &earlier);
    assert!(said.contains("is no package of a release for riscv64"), "{said}");
}

/// Packs the repository in a directory, and returns the error of a release that is to keep its packages.
fn refused(env: &TestEnv, earlier: &Path) -> String {
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(earlier).args(["-c", "-f"]).arg(earlier.join("repository.tar")).arg("riscv64");
    expect_success(tar.output().unwrap());
    fake::product(&env.path("product"), "v1.35.1+k3s1");
    let words = [&env.path("product"), earlier].map(|path| path.display().to_string());
    let command = ["release", "--preview", "--skip-boot", "--product", &words[0], "--earlier", &words[1]];
    failed(&env.xtask(command).output().unwrap())
}
