//! Modules that go.mod replaces by directories of the tree.

use super::fixtures::{self, Product};
use super::test_env::TestEnv;
use super::upstream::sample;
use std::path::{Path, PathBuf};
use xtask::k3s::options::BuiltinImages;
use xtask::product::load::NOTICES;
use xtask::sample::Layout;

/// A module of the sample, where the tests put it, and the left side of its replacement.
struct Local {
    module: &'static str,
    directory: &'static str,
    path: &'static str,
}

const CONTAINERD: Local = Local {
    module: "github.com/k3s-io/containerd/v2@v2.1.5-k3s1.sample",
    directory: "lab/containerd",
    path: "github.com/containerd/containerd/v2",
};
const RUNC: Local = Local {
    module: "github.com/opencontainers/runc@v1.4.0-sample",
    directory: "lab/runc",
    path: "github.com/opencontainers/runc",
};
const LOGRUS: Local = Local {
    module: "github.com/sirupsen/logrus@v1.9.3-sample",
    directory: "lab/logrus",
    path: "github.com/sirupsen/logrus",
};

/// Writes a directory with one patch, which adds these modules to the tree and replaces the originals by them.
/// `changed` returns the text of each of their files.
fn patches(env: &TestEnv, locals: &[Local], changed: impl Fn(&str, String) -> String) -> PathBuf {
    let patches = env.path("patches");
    let mut edits = Vec::new();
    let mut replacements = String::from("\nreplace (\n");
    for Local { module, directory, path } in locals {
        let from = sample().join("modules").join(module);
        for entry in walkdir::WalkDir::new(&from).into_iter().map(Result::unwrap) {
            if entry.file_type().is_file() {
                let name = entry.path().strip_prefix(&from).unwrap();
                let file = Path::new(directory).join(name).to_str().unwrap().to_owned();
                let text = changed(&file, std::fs::read_to_string(entry.path()).unwrap());
                std::fs::create_dir_all(patches.join(&file).parent().unwrap()).unwrap();
                std::fs::write(patches.join(&file), text).unwrap();
                edits.push(serde_json::json!({"add-file": {"file": file, "from": {"file": file}}}));
            }
        }
        replacements += &format!("\t{path} => ./{directory}\n");
    }
    edits.push(go_mod("\nreplace (\n", &replacements));
    for (path, line) in [
        (
            CONTAINERD.path,
            "\tgithub.com/containerd/containerd/v2 => github.com/k3s-io/containerd/v2 v2.1.5-k3s1.sample\n",
        ),
        (RUNC.path, "\tgithub.com/opencontainers/runc => github.com/opencontainers/runc v1.4.0-sample\n"),
    ] {
        if locals.iter().any(|local| local.path == path) {
            edits.push(go_mod(line, ""));
        }
    }
    write_patch(&patches, &edits);
    patches
}

fn go_mod(find: &str, replace: &str) -> serde_json::Value {
    serde_json::json!({"text": {"file": "go.mod", "find": find, "count": 1, "replace": replace}})
}

fn write_patch(patches: &Path, edits: &[serde_json::Value]) {
    let variants = serde_json::json!([{"layout": "go:embed", "edits": edits}]);
    let patch = serde_json::json!({"name": "local", "why": "a test", "retire": "now", "variants": variants});
    std::fs::create_dir_all(patches).unwrap();
    std::fs::write(patches.join("local.json"), patch.to_string()).unwrap();
}

#[test]
fn local_modules_are_compiled_labelled_and_vendored() {
    let env = TestEnv::new();
    // The shim's own go.mod also replaces a module, relative to itself.
    let changed = |file: &str, text: String| match file {
        "lab/containerd/go.mod" => text + "\nreplace github.com/sirupsen/logrus => ../logrus\n",
        "lab/containerd/version/version.go" => text.replace("Revision = \"\"", "Revision = \"of the tree\""),
        "lab/runc/VERSION" => "1.4.0+tree\n".to_owned(),
        _ => text,
    };
    let patches = patches(&env, &[CONTAINERD, RUNC, LOGRUS], changed);
    let product = fixtures::build(&env, &["--patches", patches.to_str().unwrap()]);

    let manifest = &product.manifest;
    let local: Vec<String> = manifest.local_modules().map(ToString::to_string).collect();
    let containerd = "github.com/containerd/containerd/v2 v2.2.0 => ./lab/containerd";
    let runc = "github.com/opencontainers/runc v0.0.0-00010101000000-000000000000 => ./lab/runc";
    let logrus = "github.com/sirupsen/logrus v1.9.3-sample => ./lab/logrus";
    assert_eq!(local, [containerd, runc, logrus]);
    assert_eq!(
        (manifest.sources["containerd"].as_str(), manifest.sources["runc"].as_str()),
        (containerd, runc)
    );
    let says = |program: &str, text: &str| {
        let check =
            manifest.checks.iter().find(|check| check.what.starts_with(&format!("{program} runs"))).unwrap();
        assert!(format!("{check:?}").contains(text), "{text:?} is missing: {check:?}");
    };
    says("containerd-shim-runc-v2", "v2.2.0+local");
    says("containerd-shim-runc-v2", "of the tree");
    says("runc", "1.4.0+tree");
    let notices = std::fs::read_to_string(product.directory.join(NOTICES)).unwrap();
    assert!(notices.contains("./lab/logrus: Apache-2.0"), "{notices}");
    let report = std::fs::read_to_string(product.directory.join("report.html")).unwrap();
    assert!(report.contains("modules that are not upstream"), "the report does not say so");

    let selection = xtask::sample::prepare(env.context(), Layout::Embed).unwrap();
    let mut build = fixtures::prepare(&selection, "riscv64", Some(&patches));
    build.options.builtin_images = BuiltinImages::default();
    let vendored = xtask::vendoring::gather::run(&build).unwrap();
    let again = TestEnv::new();
    let options = [vendored.as_os_str(), "--patches".as_ref(), patches.as_os_str()];
    again.succeeds(["build".as_ref(), "--vendored".as_ref()].into_iter().chain(options));
    let directory = again.dist().join(product.manifest.k3s.as_str()).join("riscv64");
    assert_eq!(Product::read(directory, String::new()).sums(), product.sums());
}

#[test]
fn directories_outside_of_the_tree_are_refused() {
    let env = TestEnv::new();
    let patches = env.path("patches");
    let options = ["build", "--sample", "--dry-run", "--patches", patches.to_str().unwrap()];
    for (directory, why) in [
        ("../logrus", "it is outside of the tree, and only the tree is built"),
        ("/tmp/logrus", "it is outside of the tree, and only the tree is built"),
        ("./lab/logrus", "it holds no module"),
    ] {
        let replace = format!("\nreplace github.com/sirupsen/logrus => {directory}\n\nreplace (\n");
        write_patch(&patches, &[go_mod("\nreplace (\n", &replace)]);
        let message = env.fails(options);
        let what = format!("go.mod replaces github.com/sirupsen/logrus by the directory {directory}");
        assert!(message.contains(&what) && message.contains(why), "{message}");
    }
}
