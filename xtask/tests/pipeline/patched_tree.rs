//! Tests of the tree that is compiled: a patch reaches what the compiler reads.

use super::fixtures;
use super::test_env::TestEnv;
use std::path::{Path, PathBuf};
use xtask::k3s::Build;
use xtask::k3s::charts::{self, Charts};
use xtask::k3s::source_tree::COMMITTED_CHARTS;
use xtask::sample::{self, Layout};
use xtask::upstream::commands::file_name;

const ARCH: &str = "riscv64";

/// Writes a directory with one patch, of the image in the manifest of CoreDNS.
fn patch_of_manifest(env: &TestEnv) -> PathBuf {
    let patches = env.path("patches");
    std::fs::create_dir(&patches).unwrap();
    let image = serde_json::json!({"image": {
        "files": ["manifests/coredns.yaml"], "repository": "rancher/mirrored-coredns-coredns",
        "count": 1, "with": "me/dns:1",
    }});
    let patch = serde_json::json!({
        "name": "dns", "why": "a test", "retire": "never",
        "variants": [{"layout": "any", "edits": [image]}],
    });
    std::fs::write(patches.join("dns.json"), patch.to_string()).unwrap();
    patches
}

#[track_caller]
fn assert_patched(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("me/dns:1") && !text.contains("mirrored-coredns"), "{}", file.display());
}

#[test]
fn patched_manifest_is_embedded() {
    let env = TestEnv::new();
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let tree =
        fixtures::make_tree(&fixtures::prepare(&selection, ARCH, Some(&patch_of_manifest(&env)))).unwrap();
    assert_patched(&tree.join("pkg/deploy/embed/coredns.yaml"));
}

/// Returns a build whose committed file has `count` of the two charts; the sample's has none.
fn with_committed_charts<'a>(env: &TestEnv, mut build: Build<'a>, count: usize) -> Build<'a> {
    let tree = env.path("with-charts");
    xtask::dir::copy(&build.patched.tree, &tree).unwrap();
    let names: Vec<&str> = build.facts.commands.fetch("traefik").map(file_name).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let committed = std::fs::read_to_string(tree.join(COMMITTED_CHARTS)).unwrap();
    let committed = format!("{committed}// {}\n", names[..count].join(" "));
    std::fs::write(tree.join(COMMITTED_CHARTS), committed).unwrap();
    build.patched.tree = tree;
    build
}

#[test]
fn patched_manifest_keeps_committed_charts() {
    let env = TestEnv::new();
    let selection = sample::prepare(env.context(), Layout::Bindata).unwrap();
    let build = fixtures::prepare(&selection, ARCH, Some(&patch_of_manifest(&env)));
    let build = with_committed_charts(&env, build, 2);
    assert_eq!(charts::origin(&build).unwrap(), Charts::InTree);

    let tree = fixtures::make_tree(&build).unwrap();
    assert_patched(&tree.join("pkg/deploy/zz_generated_bindata.go"));
    let committed = |tree: &Path| std::fs::read_to_string(tree.join(COMMITTED_CHARTS)).unwrap();
    assert_eq!(committed(&tree), committed(&build.patched.tree));
}

#[test]
fn charts_are_downloaded_where_one_is_not_committed() {
    let env = TestEnv::new();
    let selection = sample::prepare(env.context(), Layout::Bindata).unwrap();
    let build = with_committed_charts(&env, fixtures::prepare(&selection, ARCH, None), 1);
    assert_eq!(charts::origin(&build).unwrap(), Charts::Download);
}

/// Writes a directory with one patch of go.mod and of a script: another fork of containerd, and one more build
/// tag.
fn patch_of_facts(env: &TestEnv) -> PathBuf {
    let patches = env.path("patches");
    std::fs::create_dir(&patches).unwrap();
    let text = |file: &str, find: &str, replace: &str| serde_json::json!({"text": {"file": file, "find": find, "count": 1, "replace": replace}});
    let edits = [
        text("go.mod", "k3s-io/containerd/v2 v2.1.5-k3s1.sample", "me/containerd/v2 v2.9.9"),
        text("scripts/build", "TAGS=\"ctrd ", "TAGS=\"mine ctrd "),
    ];
    let patch = serde_json::json!({
        "name": "fork", "why": "a test", "retire": "never",
        "variants": [{"layout": "go:embed", "edits": edits}],
    });
    std::fs::write(patches.join("fork.json"), patch.to_string()).unwrap();
    patches
}

/// The compiled modules must be those of the patched tree; the shim is compiled outside of it, in the module.
#[test]
fn facts_are_read_from_the_patched_tree() {
    let env = TestEnv::new();
    let patches = patch_of_facts(&env);
    let plan = env.succeeds(["build", "--sample", "--dry-run", "--patches", patches.to_str().unwrap()]);
    for planned in [
        "\nshim\n    module github.com/me/containerd/v2 v2.9.9\n",
        "-X github.com/containerd/containerd/v2/version.Package=github.com/me/containerd/v2 ",
        "-X github.com/containerd/containerd/v2/version.Version=v2.9.9 ",
        "-tags static_build,mine,ctrd,",
    ] {
        assert!(plan.contains(planned), "{planned:?} is missing: {plan}");
    }
    assert!(!plan.contains("k3s-io/containerd"), "{plan}");
    assert!(!env.work().join("riscv64").exists(), "a dry run has compiled something");
}
