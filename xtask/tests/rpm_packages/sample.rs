//! Test of the complete chain on the sample: built, packaged, and its packages checked.

use crate::needs;
use crate::packages::{CREATEREPO, can_build, expect_success, ours};
use crate::same_bytes::files;
use crate::test_env::{ODD_NAME, TestEnv, succeeded};
use fs_err as fs;
use std::process::Command;
use xtask::product::manifest::Manifest;
use xtask::rpm::read::read;

#[test]
fn the_sample_is_built_and_packaged_by_one_command() {
    let more = [CREATEREPO, ("go", "golang-go"), ("rpmlint", "rpmlint")];
    if !can_build("the packages of the sample") || !needs::programs("the packages of the sample", &more) {
        return;
    }
    let env = TestEnv::new();
    let first = env.succeeds(["rpm", "--sample", "--dist", "oe2403sp1"]);
    let directory = env.dist().join("v0.35.0+k3s1.sample");
    let repository = directory.join("rpm/oe2403sp1/riscv64");
    for name in [
        "k3s-0.35.0+k3s1.sample-1.oe2403sp1.riscv64.rpm",
        "k3s-cli-0.35.0+k3s1.sample-1.oe2403sp1.noarch.rpm",
        "k3s-cri-tools-0.35.0+k3s1.sample-1.oe2403sp1.noarch.rpm",
        "k3s-pause-image-0.35.0+k3s1.sample-1.oe2403sp1.riscv64.rpm",
        "k3s-0.35.0+k3s1.sample-1.oe2403sp1.src.rpm",
    ] {
        assert!(repository.join(name).is_file() && first.contains(name), "{name}: {first}");
    }

    let metadata = "zcat \"$0\"/repodata/*-primary.xml.gz";
    let metadata =
        expect_success(Command::new("sh").args(["-c", metadata]).arg(&repository).output().unwrap());
    assert!(metadata.contains("packages=\"4\"") && !metadata.contains(".src.rpm\""), "{metadata}");

    let manifest = Manifest::read(&directory.join("riscv64/manifest.json")).unwrap();
    let modules: Vec<String> = manifest.third_party.modules.iter().map(ToString::to_string).collect();
    for module in [
        // In the server, in place of another; in the wrapper alone; in the shim as its main module; the CNI plugins'.
        "k8s.io/client-go v0.35.0 => github.com/k3s-io/kubernetes/staging/src/k8s.io/client-go v0.35.0-k3s3",
        "github.com/klauspost/compress v1.18.0",
        "github.com/rancher/plugins v1.9.0-k3s1-sample",
    ] {
        let name = module.split(' ').next().unwrap();
        assert!(modules.iter().any(|found| found.split(' ').next() == Some(name)), "{name}: {modules:#?}");
    }
    let notices = fs::read_to_string(directory.join("riscv64/THIRD-PARTY-NOTICES")).unwrap();
    assert!(notices.contains("github.com/klauspost/compress"), "{notices}");
    assert!(notices.contains("Redistribution and use in source and binary forms"));
    assert!(notices.contains("libseccomp 2.6.0: LGPL-2.1-only"), "{notices}");
    // The programs of k3s-root: licence, text, sources, and a version that a search for an unsafe one finds.
    for text in [
        "busybox 0.0.0, in k3s-root: GPL-2.0-only [",
        "GNU GENERAL PUBLIC LICENSE\n                       Version 2, June 1991",
        "sources: https://www.busybox.net/downloads/busybox-0.0.0.txt",
        "https://github.com/k3s-io/k3s-root/tree/v0.15.0-sample",
    ] {
        assert!(notices.contains(text), "{text}");
    }
    let k3s = read(&repository.join("k3s-0.35.0+k3s1.sample-1.oe2403sp1.riscv64.rpm")).unwrap();
    for (name, version) in
        [("busybox", "0.0.0"), ("ipset", "0.0.0"), ("k3s-root", "0.15.0~sample"), ("libseccomp", "2.6.0")]
    {
        let provides = format!("Provides: bundled({name}) = {version}");
        assert!(k3s.properties.contains_key(&provides), "{provides}");
    }

    let packages = fs::read_dir(&repository).unwrap().map(|entry| entry.unwrap().path());
    let packages = packages.filter(|path| path.extension().is_some_and(|extension| extension == "rpm"));
    let mut command = Command::new("rpmlint");
    let said = expect_success(
        command.arg("--config").arg(ours("rpm/rpmlint.toml")).args(packages).output().unwrap(),
    );
    assert!(said.contains("5 packages and 0 specfiles checked; 0 errors, 0 warnings"), "{said}");

    // A second run builds nothing and gives the same files.
    let product = fs::read(directory.join("riscv64/SHA256SUMS")).unwrap();
    let second = env.succeeds(["rpm", "--sample", "--dist", "oe2403"]);
    assert!(second.contains("k3s-0.35.0+k3s1.sample-1.oe2403.riscv64.rpm"), "{second}");
    assert_eq!(fs::read(directory.join("riscv64/SHA256SUMS")).unwrap(), product);
    assert!(repository.is_dir(), "one distribution's packages do not replace another's");

    // So does a run in another directory; its files include the source package.
    let elsewhere = TestEnv::named(ODD_NAME);
    let rpm = ["rpm", "--sample", "--dist", "oe2403"];
    succeeded(elsewhere.under(["sh", "-c", "umask 077; exec \"$@\"", "sh"], rpm).output().unwrap());
    let made = |env: &TestEnv| files(&env.dist().join("v0.35.0+k3s1.sample/rpm/oe2403/riscv64"));
    assert!(made(&env).contains_key("k3s-0.35.0+k3s1.sample-1.oe2403.src.rpm"));
    assert_eq!(made(&env), made(&elsewhere));
}
