//! Tests of the check of finished packages: correct ones pass, and each kind of mistake is found.

use crate::fake;
use crate::packages::{can_build, packaging, scratch};
use fs_err as fs;
use xtask::k3s::Optional;
use xtask::product::Product;
use xtask::product::manifest::Manifest;
use xtask::rpm::contents::Contents;
use xtask::rpm::sources::{self, Topdir};
use xtask::rpm::{rpmbuild, verify};
use xtask::upstream::release::Origin;

/// Packages a product, changed between staging and building, and reads the packages back.
fn read_back(name: &str, manifest: Manifest, change: impl FnOnce(&Topdir)) -> anyhow::Result<Vec<Contents>> {
    let directory = scratch().join("reading_back").join(name);
    fake::product_of(&directory.join("product"), manifest);
    let product = Product::open(&directory.join("product"), fake::riscv64())?;
    let packaging = packaging(&product);
    let topdir = Topdir::new(directory.join("topdir"))?;
    sources::lay_out(&packaging, &topdir)?;
    change(&topdir);
    let made = rpmbuild::run(&packaging, &topdir)?;
    verify::all(&packaging, &topdir, &made)
}

/// Replaces text that must be there in the spec or a source.
fn edit(topdir: &Topdir, file: &str, from: &str, to: &str) {
    let path = if file == "k3s.spec" { topdir.spec() } else { topdir.sources().join(file) };
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from:?}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Returns the error for packages in which texts have been replaced by others.
fn complaint(name: &str, edits: &[(&str, &str, &str)]) -> String {
    let found = read_back(name, fake::manifest("v1.33.0+k3s1"), |topdir| {
        for (file, from, to) in edits {
            edit(topdir, file, from, to);
        }
    });
    format!("{:#}", found.expect_err("the change is not noticed"))
}

#[test]
fn accepts_correct_packages() {
    if !can_build("whether right packages pass") {
        return;
    }
    let packages = read_back("right", fake::manifest("v1.33.0+k3s1"), |_| {}).unwrap();
    let names: Vec<String> = packages.iter().map(|package| package.nevra.to_string()).collect();
    assert_eq!(
        names,
        [
            "k3s-cli-1.33.0+k3s1-1.oe2403.noarch",
            "k3s-cri-tools-1.33.0+k3s1-1.oe2403.noarch",
            "k3s-1.33.0+k3s1-1.oe2403.riscv64",
            "k3s-pause-image-1.33.0+k3s1-1.oe2403.riscv64"
        ]
    );
    let properties = &packages[2].properties;
    for name in [
        "bundled(golang(github.com/containerd/containerd/v2)) = 2.1.5~k3s1",
        "bundled(sqlite) = 3.50.4",
        "bundled(golang) = 1.24.2",
        "k3s(riscv-64) = 1.33.0+k3s1-1.oe2403",
    ] {
        assert!(properties.contains_key(&format!("Provides: {name}")), "{name}: {properties:?}");
    }
    assert_eq!(properties["tag License"], "Apache-2.0 AND MIT");
}

#[test]
fn names_candidate_tree_and_incomplete_sample() {
    if !can_build("packages of what is no release") {
        return;
    }
    let k3s = |name: &str, manifest| {
        let packages = read_back(name, manifest, |_| {}).unwrap();
        packages.into_iter().find(|package| package.nevra.name == "k3s").unwrap()
    };
    let candidate = k3s("candidate", fake::manifest("v1.33.0-rc1+k3s1"));
    assert_eq!(candidate.nevra.version, "1.33.0~rc1+k3s1");

    let tree = Manifest { origin: Origin::Tree, ..fake::manifest("v1.33.0+k3s-dc03cb4b") };
    let tree = k3s("tree", tree);
    assert_eq!(tree.nevra.version, "1.33.0+k3s0^git20250418.dc03cb4");
    assert_eq!(tree.properties["tag Vendor"], "k3s-riscv64, a modified build of a k3s tree");

    let incomplete = vec![Optional::K3sRoot, Optional::Charts];
    let sample = Manifest { origin: Origin::Sample, incomplete, ..fake::manifest("v0.35.0+k3s1.sample") };
    let sample = k3s("sample", sample);
    assert_eq!(sample.properties["tag Vendor"], "k3s-riscv64, a sample instead of k3s");
    assert!(sample.properties.contains_key("Requires: conntrack-tools"));
    let description = description("sample");
    assert!(description.contains("sample, not k3s:\n"), "{description}");
    assert!(
        description.contains("without k3s-root:\n") && description.contains("without charts:\n"),
        "{description}"
    );
}

fn description(name: &str) -> String {
    let directory = scratch().join("reading_back").join(name).join("topdir/RPMS/riscv64");
    let package = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut package = package.filter(|path| !path.to_string_lossy().contains("pause-image"));
    let package = package.next().expect("the package k3s");
    let output =
        std::process::Command::new("rpm").args(["-qp", "--qf", "%{DESCRIPTION}"]).arg(package).output();
    crate::packages::expect_success(output.unwrap())
}

#[test]
fn finds_another_mode_owner_or_mark() {
    if !can_build("whether a wrong mode is found") {
        return;
    }
    let said = complaint(
        "modes",
        &[
            ("k3s.files", "(0755, root, root) /usr/bin/k3s\n", "(0775, root, root) /usr/bin/k3s\n"),
            (
                "k3s.files",
                "(0644, root, root) /usr/lib/systemd/system/k3s.service",
                "(0644, bin, root) /usr/lib/systemd/system/k3s.service",
            ),
            (
                "k3s.files",
                "%config(noreplace) %attr(0600, root, root) /etc/sysconfig/k3s\n",
                "%config %attr(0600, root, root) /etc/sysconfig/k3s\n",
            ),
        ],
    );
    // Half a mark stops the reading of its package; the other problems are reported without it.
    assert!(said.contains("/etc/sysconfig/k3s has half of %config(noreplace)"), "{said}");
    let said = complaint(
        "modes-only",
        &[
            ("k3s.files", "(0755, root, root) /usr/bin/k3s\n", "(0775, root, root) /usr/bin/k3s\n"),
            (
                "k3s.files",
                "(0644, root, root) /usr/lib/systemd/system/k3s.service",
                "(0644, bin, root) /usr/lib/systemd/system/k3s.service",
            ),
            (
                "k3s.files",
                "%config(noreplace) %attr(0600, root, root) /etc/sysconfig/k3s-agent",
                "%attr(0600, root, root) /etc/sysconfig/k3s-agent",
            ),
        ],
    );
    assert!(said.contains("file /usr/bin/k3s is %attr(0775, root, root)"), "{said}");
    assert!(said.contains("is %attr(0644, bin, root)"), "{said}");
    assert!(said.contains("file /etc/sysconfig/k3s-agent is"), "{said}");
}

#[test]
fn finds_a_missing_and_an_unexpected_file() {
    if !can_build("whether a missing file is found") {
        return;
    }
    let said = complaint(
        "missing",
        &[
            ("k3s.files", "%attr(0644, root, root) /usr/share/zsh/site-functions/_k3s\n", ""),
            (
                "k3s.files",
                "%attr(0755, root, root) /usr/bin/k3s-install.sh\n",
                "%attr(0755, root, root) /usr/bin/k3s-install.sh\n%attr(0755, root, root) /usr/bin/k3s-more\n",
            ),
            (
                "k3s.spec",
                "install -D -m 0644 \"$from/_k3s\" \"$to/usr/share/zsh/site-functions/_k3s\"\n",
                "install -D -m 0755 out/k3s \"$to/usr/bin/k3s-more\"\ninstall -d \"$to/usr/share/zsh/site-functions\"\n",
            ),
        ],
    );
    assert!(said.contains("missing file /usr/share/zsh/site-functions/_k3s"), "{said}");
    assert!(said.contains("unexpected file /usr/bin/k3s-more"), "{said}");
}

#[test]
fn finds_other_bytes_and_another_link() {
    if !can_build("whether other bytes are found") {
        return;
    }
    let found = read_back("bytes", fake::manifest("v1.33.0+k3s1"), |topdir| {
        let program = topdir.sources().join("k3s");
        let mut bytes = fs::read(&program).unwrap();
        bytes.push(b'\n');
        fs::write(&program, bytes).unwrap();
        edit(topdir, "k3s-killall.sh", "stop_units", "stop_unit");
        edit(
            topdir,
            "k3s.spec",
            "ln -s k3s \"$to/usr/bin/$command\"",
            "ln -s k3s-install.sh \"$to/usr/bin/$command\"",
        );
    });
    let said = format!("{:#}", found.expect_err("the change is not noticed"));
    assert!(said.contains("sha256 /usr/bin/k3s is "), "{said}");
    assert!(said.contains("sha256 /usr/bin/k3s-killall.sh is "), "{said}");
    assert!(said.contains("link /usr/bin/ctr is k3s-install.sh"), "{said}");
}

#[test]
fn finds_an_unexpanded_macro_in_a_scriptlet() {
    if !can_build("whether a macro in a scriptlet is found") {
        return;
    }
    let said =
        complaint("macro", &[("k3s.spec", "%post\n", "%post\n%no_such_macro_of_systemds k3s.service\n")]);
    assert!(said.contains("scriptlet post contains a macro that was not expanded"), "{said}");
}

#[test]
fn finds_a_package_that_differs_from_its_spec() {
    if !can_build("whether a package is compared with its spec") {
        return;
    }
    let directory = scratch().join("reading_back/spec");
    fake::product_of(&directory.join("product"), fake::manifest("v1.33.0+k3s1"));
    let product = Product::open(&directory.join("product"), fake::riscv64()).unwrap();
    let packaging = packaging(&product);
    let topdir = Topdir::new(directory.join("topdir")).unwrap();
    sources::lay_out(&packaging, &topdir).unwrap();
    let made = rpmbuild::run(&packaging, &topdir).unwrap();
    verify::all(&packaging, &topdir, &made).unwrap();
    edit(&topdir, "k3s.spec", " kmod", " other");
    edit(&topdir, "k3s.spec", "Provides:       k3s-sandbox-image", "Provides:       other-image");
    edit(&topdir, "k3s.spec", "%post\n", "%post\necho more\n");
    let said = format!("{:#}", verify::all(&packaging, &topdir, &made).unwrap_err());
    for difference in [
        "missing Requires: other",
        "unexpected Requires: kmod",
        "missing Provides: other-image",
        "unexpected Provides: k3s-sandbox-image",
        "scriptlet post is",
    ] {
        assert!(said.contains(difference), "{difference}: {said}");
    }
}

#[test]
fn finds_a_generated_dependency() {
    if !can_build("whether a generated dependency is found") {
        return;
    }
    // A script's first line becomes a dependency; so does an interpreter of a scriptlet.
    let said = complaint("generated", &[("k3s-install.sh", "#!/bin/sh", "#!/usr/bin/python3")]);
    assert!(said.contains("unexpected Requires: /usr/bin/python3"), "{said}");
    let said = complaint("interpreter", &[("k3s.spec", "%post\n", "%post -p /usr/bin/python3\n")]);
    assert!(said.contains("scriptlet post is run by /usr/bin/python3"), "{said}");
}

#[test]
fn rejects_a_damaged_package() {
    if !can_build("whether a damaged package is found") {
        return;
    }
    read_back("damaged", fake::manifest("v1.33.0+k3s1"), |_| {}).unwrap();
    let directory = scratch().join("reading_back/damaged/topdir/RPMS/noarch");
    let package = fs::read_dir(directory).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&package).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&package, bytes).unwrap();
    let error = format!("{:#}", xtask::rpm::read::read(&package).unwrap_err());
    assert!(error.contains("is damaged"), "{error}");
}
