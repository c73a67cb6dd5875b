//! Tests of the files that a build leaves, in both layouts and for every architecture.

use super::fixtures::{self, LAYOUTS, Product};
use super::test_env::{TestEnv, succeeded};
use super::{final_check, needs, server};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use xtask::k3s::Optional;
use xtask::product::check::Check;
use xtask::product::component::Component;
use xtask::sample::{self, Layout};
use xtask::target::TARGETS;
use xtask::upstream::release::Origin;

/// Checks of the product, in order, with `{arch}` and `{binary}` for what differs.
const CHECKS: [&str; 16] = [
    "server is a static {arch} program and contains no path of this machine",
    "the server names our pause image and not upstream's",
    "the server contains the images that it is to carry",
    "shim is a static {arch} program and contains no path of this machine",
    "runc is a static {arch} program and contains no path of this machine",
    "cni is a static {arch} program and contains no path of this machine",
    "pause is a static {arch} program and contains no path of this machine",
    "every file and link of the bundle matches its lists",
    "binary is a static {arch} program and contains no path of this machine",
    "the binary is within upstream's size limit",
    "{binary} runs and prints its version",
    "runc runs and prints its version",
    "containerd-shim-runc-v2 runs and prints its version",
    "pause runs and prints its version",
    "k3s unpacks and verifies its own bundle",
    "k3s server passes the checks at its start",
];

/// The images of the sample of which `images/upstream.json` says that no registry has a riscv64 build.
const MISSING: &[&str] = &[
    "rancher/klipper-helm",
    "rancher/klipper-lb",
    "rancher/mirrored-library-busybox",
    "rancher/mirrored-metrics-server",
];

fn repository(reference: &str) -> &str {
    reference.split(':').next().unwrap_or_default()
}

#[test]
fn every_product_is_complete_run_and_checked() {
    for (layout, version) in LAYOUTS {
        for target in &TARGETS {
            let product = fixtures::product(layout, target.go);
            let (manifest, what) = (&product.manifest, format!("{layout} {}", target.go));
            assert_eq!((manifest.k3s.as_str(), manifest.arch.as_str()), (version, target.go));
            assert!(manifest.incomplete.is_empty(), "{what}");
            assert!(manifest.modified && manifest.builtin_pause, "{what}");
            let images: Vec<_> = manifest.builtin_images.iter().map(|it| repository(&it.reference)).collect();
            assert_eq!(images, if target.go == "riscv64" { MISSING } else { &[] }, "{what}");
            let patches: Vec<_> = manifest.patches.iter().map(|patch| patch.name.as_str()).collect();
            let ours = [
                "builtin-images",
                "install-architecture",
                "install-channels",
                "install-location",
                "pause-image",
            ];
            assert_eq!(patches, ours, "{what}");
            let made: Vec<_> = manifest.checks.iter().map(|check| check.what.as_str()).collect();
            if !manifest.checks.iter().all(Check::has_passed) {
                needs::skip(&what, &format!("qemu-{} (apt-get install qemu-user-static)", target.rpm));
                continue;
            }
            let filled =
                |text: &str| text.replace("{arch}", target.go).replace("{binary}", &target.k3s_binary());
            assert_eq!(made, CHECKS.map(filled), "{what}");
            let runs = manifest.checks.iter().filter(|check| check.what.contains("prints its version"));
            let runc = if layout == "embed" { "1.4.0" } else { "1.1.14" };
            for (check, expected) in runs.zip([version, "libseccomp: 2.6.0", "Go version: go1.2", "pause.c"])
            {
                assert!(format!("{check:?}").contains(expected), "{what}: {check:?}");
                let of_runc = check.what.starts_with("runc");
                assert!(
                    !of_runc || format!("{check:?}").contains(&format!("runc version {runc}")),
                    "{check:?}"
                );
            }
        }
    }
}

#[test]
fn product_has_expected_files_and_checksums() {
    for (layout, arch) in [("embed", "riscv64"), ("bindata", "amd64")] {
        let Product { directory, manifest, .. } = fixtures::product(layout, arch);
        let mut names: Vec<_> =
            std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        let binary = if arch == "amd64" { "k3s".to_owned() } else { format!("k3s-{arch}") };
        let image = format!("pause-image-{arch}.tar");
        let legal = ["LICENSE", "THIRD-PARTY-NOTICES", "check-config.sh", "install.sh"];
        let mut files = [&legal[..], &["k3s-check", "k3s.spdx.json", &*binary, "pause", &image]].concat();
        files.sort_unstable();
        let mut expected = [&files[..], &["SHA256SUMS", "manifest.json", "report.html"]].concat();
        expected.sort_unstable();
        assert_eq!(names, expected.into_iter().map(Into::into).collect::<Vec<std::ffi::OsString>>());
        let executable =
            |name: &&str| directory.join(name).metadata().unwrap().permissions().mode() & 0o111 != 0;
        let executables: Vec<_> = ["check-config.sh", "install.sh", "k3s-check", &binary, "pause", "LICENSE"]
            .into_iter()
            .filter(executable)
            .collect();
        assert_eq!(executables, ["check-config.sh", "install.sh", "k3s-check", &binary, "pause"]);
        let check = Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(directory).output();
        let (message, _) = succeeded(check.unwrap());
        let mut summed = [&files[..], &["manifest.json"]].concat();
        summed.sort_unstable();
        assert_eq!(message, summed.into_iter().map(|name| format!("{name}: OK\n")).collect::<String>());
        let listed: Vec<_> = manifest.files.keys().map(String::as_str).collect();
        assert_eq!(listed, files);
    }
}

#[test]
fn sample_is_labelled_everywhere() {
    for (layout, version) in LAYOUTS {
        let Product { directory, manifest, printed } = fixtures::product(layout, "riscv64");
        assert!(version.ends_with(".sample"));
        assert_eq!(manifest.origin, Origin::Sample);
        assert!(printed.contains("sample, not k3s"), "{printed}");
        let report = std::fs::read_to_string(directory.join("report.html")).unwrap();
        assert!(report.contains("sample, not k3s") && report.contains(version), "{layout}");
        let runs = manifest.checks.iter().find(|check| check.what.contains("k3s-riscv64 runs")).unwrap();
        assert!(format!("{runs:?}").contains(version), "{runs:?}");
    }
}

#[test]
fn left_out_content_is_named_and_not_deployed() {
    let env = TestEnv::new();
    let host = fixtures::host().go;
    let product = fixtures::build(&env, &["--arch", host, "--charts", "none", "--k3s-root", "none"]);
    assert_eq!(product.manifest.incomplete, [Optional::K3sRoot, Optional::Charts]);
    let whole = fixtures::product("embed", host);
    let size = |product: &Product| product.manifest.components[&Component::Bundle].size;
    assert!(size(&product) < size(whole));
    let started = |product, data: &str| server::start(product, &env.path(data), &[]);
    let (message, message_of_complete) = (started(&product, "data"), started(whole, "data-of-whole"));
    // Of the two manifests that need charts, one contains another object, too.
    assert!(message_of_complete.contains("Carrying 6 manifests and 3 charts"), "{message_of_complete}");
    assert!(message.contains("Carrying 5 manifests and 0 charts"), "{message}");
    let kept = std::fs::read_to_string(env.path("data/server/manifests/gateway-api-crd.yaml")).unwrap();
    assert!(kept.contains("name: sample-gateway") && !kept.contains("HelmChart"), "{kept}");
    let report = std::fs::read_to_string(product.directory.join("report.html")).unwrap();
    assert!(report.contains("without k3s-root") && report.contains("without charts"));

    // The same bundle is refused if it must contain k3s-root.
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let results = walkdir::WalkDir::new(env.work().join(host).join("bundle")).into_iter().map(Result::unwrap);
    let bundle =
        results.map(walkdir::DirEntry::into_path).find(|path| path.to_string_lossy().ends_with(".tar.zst"));
    let message =
        final_check::verdict(&fixtures::prepare(&selection, host, None), Component::Bundle, bundle.unwrap());
    assert!(message.starts_with("k3s-root is included, and the bundle has no aux/ip6tables, "), "{message}");
}

#[test]
fn level_is_used_or_refused_as_go_supports_it() {
    let env = TestEnv::new();
    let plan = env.succeeds(["build", "--sample", "--level", "rva22u64", "--dry-run"]);
    assert_eq!(plan.matches("GORISCV64=rva22u64").count(), 6, "{plan}");
    assert!(!plan.contains("rva20u64"));
    let arguments = ["build", "--sample", "--sample-layout", "bindata", "--level", "rva22u64"];
    let message = env.fails(arguments);
    assert!(message.contains("Go 1.22.6, which does not know GORISCV64; leave --level out"), "{message}");
}

#[test]
fn unchanged_product_is_not_rebuilt() {
    let env = TestEnv::new();
    let first = fixtures::build(&env, &[]);
    let report = |product: &Product| std::fs::metadata(product.directory.join("report.html")).unwrap();
    let modified = report(&first).modified().unwrap();
    let second = fixtures::build(&env, &[]);
    let made = |printed: &str| printed.matches("✓ server ").count() + printed.matches("✓ product ").count();
    assert_eq!((made(&first.printed), made(&second.printed)), (2, 0), "{}", second.printed);
    assert_eq!(report(&second).modified().unwrap(), modified);

    // Only what depends on the pause image's name is built again.
    let third = fixtures::build(&env, &["--pause-image", "me/pause:1"]);
    let again: Vec<_> =
        third.printed.lines().filter_map(|line| line.strip_prefix("✓ ")?.split(' ').next()).collect();
    for kept in ["pause", "charts", "libseccomp", "runc", "shim", "cni", "root"] {
        assert!(!again.contains(&kept), "{kept} was made again\n{}", third.printed);
    }
    for changed in ["pause-image", "tree", "server", "bundle", "binary", "product"] {
        assert!(again.contains(&changed), "{changed} was kept\n{}", third.printed);
    }

    // A damaged result is built again, and nothing else with it.
    let shim = std::fs::read_dir(env.work().join("riscv64/shim")).unwrap();
    let shim = shim.map(|entry| entry.unwrap().path().join("output/containerd-shim-runc-v2"));
    for file in shim.filter(|file| file.exists()) {
        std::fs::write(file, "damaged").unwrap();
    }
    let fourth = fixtures::build(&env, &[]);
    assert!(fourth.printed.contains("✓ shim"), "{}", fourth.printed);
    assert_eq!(fourth.sums(), first.sums());
}

#[test]
fn modules_gone_since_the_compile_are_fetched() {
    let mut env = TestEnv::new();
    let (shared, cache) = (super::test_env::cache(), env.path("cache"));
    std::fs::create_dir(&cache).unwrap();
    // The cache of the other tests, except for the modules, which are removed here.
    for entry in std::fs::read_dir(shared).unwrap().map(Result::unwrap) {
        if entry.file_name() != "sample-modules" {
            std::os::unix::fs::symlink(entry.path(), cache.join(entry.file_name())).unwrap();
        }
    }
    env.set("K3S_XTASK_CACHE", &cache);
    let first = fixtures::build(&env, &[]);
    xtask::command::cache::remove(&cache.join("sample-modules")).unwrap();
    std::fs::remove_dir_all(env.work().join("riscv64/product")).unwrap();
    assert_eq!(fixtures::build(&env, &[]).sums(), first.sums());
}
