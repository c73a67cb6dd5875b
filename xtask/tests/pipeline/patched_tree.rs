//! The tree that is compiled: a patch reaches what the compiler reads.

use super::place::Place;
use super::shop;
use std::collections::BTreeSet;
use std::path::PathBuf;
use xtask::k3s::Build;
use xtask::sample::{self, Layout};
use xtask::step::Plan;

/// Makes the tree, with the steps that it needs.
fn make_tree(build: &Build) -> PathBuf {
    let mut needed = BTreeSet::from(["tree"]);
    let mut steps = build.steps().unwrap();
    steps.reverse();
    steps.retain(|step| {
        needed.contains(step.name) && {
            needed.extend(&step.needs);
            true
        }
    });
    steps.reverse();
    let (outputs, _) = Plan::new(steps).unwrap().run(build.context, &build.folder()).unwrap();
    outputs.of("tree").unwrap().to_owned()
}

#[test]
fn patched_manifest_is_generated_again() {
    let place = Place::new();
    let patches = place.path("patches");
    std::fs::create_dir(&patches).unwrap();
    let image = serde_json::json!({"image": {
        "files": ["manifests/coredns.yaml"], "repository": "rancher/mirrored-coredns-coredns",
        "count": 1, "with": "me/dns:1",
    }});
    let patch = serde_json::json!({
        "name": "dns", "why": "a test", "retire": "never",
        "alternatives": [{"layout": "any", "edits": [image]}],
    });
    std::fs::write(patches.join("dns.json"), patch.to_string()).unwrap();
    for layout in [Layout::Bindata, Layout::Embed] {
        let chosen = sample::prepare(place.context(), layout).unwrap();
        let tree = make_tree(&shop::prepare(&chosen, "riscv64", Some(&patches)));
        let compiled = match layout {
            Layout::Bindata => "pkg/deploy/zz_generated_bindata.go",
            Layout::Embed => "pkg/deploy/embed/coredns.yaml",
        };
        let text = std::fs::read_to_string(tree.join(compiled)).unwrap();
        assert!(text.contains("me/dns:1") && !text.contains("mirrored-coredns"), "{compiled}");
    }
}
