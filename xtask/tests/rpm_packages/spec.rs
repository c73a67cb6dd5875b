//! Tests of the spec by itself: it is valid in this repository, on any distribution.

use crate::needs;
use crate::packages::{RPM, expect_success, ours};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use xtask::doctor::Purpose;
use xtask::doctor::packages::Distribution;
use xtask::doctor::requirements::REQUIREMENTS;
use xtask::rpm::spec::{self, Properties};

const RPMSPEC: (&str, &str) = ("rpmspec", "rpm");
const SCRIPTLETS: [&str; 4] = ["post", "posttrans", "postun", "preun"];

/// Returns the spec as rpm expands it, with these options.
fn expanded(options: &[&str]) -> String {
    // Without macros of the user's, and without the one that some distributions define.
    let output =
        Command::new("rpmspec").arg("-P").args(options).arg(ours("rpm/k3s.spec")).env("HOME", "/").output();
    expect_success(output.unwrap())
}

/// Returns the packages of a spec as rpm reads it, with these options.
fn packages(spec: &Path, options: &[&str]) -> BTreeMap<String, Properties> {
    let query = ["--query", "--rpms", "--queryformat", &spec::format()];
    let output = Command::new("rpmspec").args(query).args(options).arg(spec).env("HOME", "/").output();
    spec::parse(&expect_success(output.unwrap())).unwrap()
}

/// Returns the scriptlets among the properties of a package, by name.
fn scriptlets(package: &Properties) -> BTreeMap<String, String> {
    let scriptlets = package.iter().filter_map(|(name, text)| Some((name.strip_prefix("scriptlet ")?, text)));
    scriptlets.map(|(name, text)| (name.to_owned(), text.clone())).collect()
}

/// All sets of options with which rpm reads the spec.
const MODES: [&[&str]; 3] =
    [&["--target", "riscv64"], &["--with", "prebuilt", "--target", "riscv64"], &["--target", "aarch64"]];

#[test]
fn every_macro_expands_on_any_distribution() {
    if !needs::programs("whether the spec expands", &[RPM, RPMSPEC]) {
        return;
    }
    let sections = ["%description", "%package", "%prep", "%build", "%install", "%files", "%changelog"];
    for mode in MODES {
        let text = expanded(mode);
        let begins = |line: &str| {
            sections.iter().any(|section| line.starts_with(section))
                || SCRIPTLETS.iter().any(|name| line == format!("%{name}"))
        };
        let left: Vec<&str> = text
            .lines()
            .filter(|line| line.contains('%') && !line.starts_with('#') && !begins(line))
            .collect();
        assert_eq!(left, [""; 0], "{mode:?}");
    }
}

#[test]
fn scriptlets_do_not_depend_on_options() {
    if !needs::programs("the scriptlets of the spec", &[RPM, RPMSPEC]) {
        return;
    }
    let read = |mode| scriptlets(&packages(&ours("rpm/k3s.spec"), mode)["k3s"]);
    let scriptlets = read(MODES[0]);
    assert_eq!(scriptlets.keys().map(String::as_str).collect::<Vec<_>>(), SCRIPTLETS);
    for mode in MODES {
        assert_eq!(read(mode), scriptlets, "{mode:?}");
    }
}

#[test]
fn scriptlets_never_download_install_or_fail() {
    if !needs::programs("what scriptlets start", &[RPM, RPMSPEC]) {
        return;
    }
    for (name, package) in packages(&ours("rpm/k3s.spec"), &[]) {
        let scriptlets = scriptlets(&package);
        assert!(name == "k3s" || scriptlets.is_empty(), "{name}");
        for (scriptlet, text) in scriptlets {
            let words: BTreeSet<&str> =
                text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
            for forbidden in
                ["dnf", "yum", "rpm", "curl", "wget", "semodule", "iptables-restore", "enable", "k3s-check"]
            {
                assert!(!words.contains(forbidden), "{scriptlet}: {forbidden}");
            }
            assert!(text.ends_with("exit 0"), "{scriptlet}");
            assert!(!text.contains("exit 1") && !text.contains("set -e"), "{scriptlet}");
        }
    }
}

#[test]
fn incomplete_build_requires_what_is_missing() {
    if !needs::programs("what an incomplete build requires", &[RPM, RPMSPEC]) {
        return;
    }
    let file = ours("rpm/k3s.spec");
    let complete = packages(&file, &[]).remove("k3s").unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.replace("%global k3s_with_root 1", "%global k3s_with_root 0");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("k3s.spec"), text).unwrap();
    let without = packages(&directory.path().join("k3s.spec"), &[]).remove("k3s").unwrap();
    for name in ["conntrack-tools", "ethtool", "ipset", "socat", "(iproute or iproute2)"] {
        let requires = format!("Requires: {name}");
        assert!(without.contains_key(&requires) && !complete.contains_key(&requires), "{name}");
    }
}

#[test]
fn rebuild_requires_the_tools_of_a_build() {
    // A rebuild fetches nothing, is given the images inside k3s, and checks under qemu only where it is there. zig is a
    // package of its own, and not one of Python's.
    let left_out = ["git", "certificates", "zig", "qemu-riscv64", "dpkg-deb"];
    let spec = std::fs::read_to_string(ours("rpm/k3s.spec")).unwrap();
    let required = spec.lines().filter_map(|line| line.strip_prefix("BuildRequires:")).map(str::trim);
    let required: BTreeSet<&str> = required.map(|it| it.split(' ').next().unwrap_or(it)).collect();
    for compiler in ["cargo", "gcc", "golang", "rust", "zig"] {
        assert!(required.contains(compiler), "{compiler}");
    }
    let is_for_build = |purposes: &[Purpose]| purposes.contains(&Purpose::Build);
    for requirement in REQUIREMENTS.iter().filter(|requirement| is_for_build(requirement.purposes)) {
        let packages = requirement.packages(Distribution::OpenEuler);
        let missing: Vec<&str> = packages.filter(|package| !required.contains(package)).collect();
        let name = requirement.name;
        assert!(missing.is_empty() || left_out.contains(&name), "{name}: {missing:?}");
    }
}
