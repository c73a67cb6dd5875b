//! Images that cannot be built as they are asked for: reported before anything is built.

use crate::test_env::TestEnv;
use std::fs;

#[test]
fn dry_run_prints_the_sources_and_builds_nothing() {
    let env = TestEnv::new();
    let plan = env.succeeds(["images", "build", "--sample", "--dry-run"]);
    for line in
        ["program-coredns", "module github.com/coredns/coredns v1.14.0-sample h1:", "busybox-static_1.37.0"]
    {
        assert!(plan.contains(line), "{line} is not in\n{plan}");
    }
    assert!(!env.dist().exists());
}

#[test]
fn version_that_cannot_be_had_names_the_substitute() {
    let env = TestEnv::new();
    let list = env.path("list");
    fs::write(&list, "rancher/mirrored-coredns-coredns:1.99.0\n").unwrap();
    let list = list.to_str().unwrap();
    let error = env.fails(["--offline", "images", "build", "--sample", "--list", list]);
    assert!(error.contains("--substitute coredns=VERSION"), "{error}");
    assert!(error.contains("github.com/coredns/coredns@v1.99.0-sample"), "{error}");
}

#[test]
fn module_with_a_missing_part_names_the_substitute() {
    let env = TestEnv::new();
    let list = env.path("list");
    fs::write(&list, "rancher/mirrored-coredns-coredns:1.15.0\n").unwrap();
    let error = env.fails(["images", "build", "--sample", "--dry-run", "--list", list.to_str().unwrap()]);
    assert!(error.contains("--substitute coredns=VERSION"), "{error}");
    assert!(error.contains("replaces github.com/coredns/inside by the directory ./inside"), "{error}");
}

#[test]
fn substitute_is_built_and_labelled() {
    let env = TestEnv::new();
    let list = env.path("list");
    fs::write(&list, "rancher/mirrored-coredns-coredns:1.9.1\n").unwrap();
    let list = list.to_str().unwrap();
    let substitute = "coredns=v1.14.0-sample";
    let printed = env.succeeds(["images", "build", "--sample", "--list", list, "--substitute", substitute]);
    assert!(printed.contains("substitute: v1.14.0-sample in place of what the tag names"), "{printed}");
    let directory = env.dist().join("v0.35.0+k3s1.sample/images");
    let list = fs::read_to_string(directory.join("k3s-images.txt")).unwrap();
    assert_eq!(list, "docker.io/rancher/mirrored-coredns-coredns:1.9.1\n");
}

#[test]
fn debian_without_the_version_is_refused() {
    let env = TestEnv::new();
    let list = env.path("list");
    fs::write(&list, "rancher/mirrored-library-busybox:1.36.1\n").unwrap();
    let error = env.fails(["images", "build", "--sample", "--list", list.to_str().unwrap()]);
    assert!(error.contains("Debian has busybox-static 1.37.0, not 1.36.1"), "{error}");
    assert!(error.contains("--substitute busybox=1.37.0"), "{error}");
}

#[test]
fn images_without_a_definition_are_named() {
    let env = TestEnv::new();
    let list = env.path("list");
    fs::write(&list, "rancher/unknown:1\n").unwrap();
    let error = env.fails(["images", "build", "--sample", "--list", list.to_str().unwrap()]);
    assert!(error.contains("no definition in images/ is for rancher/unknown:1"), "{error}");
}

#[test]
fn unknown_names_are_refused() {
    let env = TestEnv::new();
    let error = env.fails(["images", "build", "--sample", "--only", "corends"]);
    assert!(error.contains("no image is called \"corends\""), "{error}");
    assert!(error.contains("coredns"), "{error}");
}
