//! Tests of malicious trees and archives: their files stay apart from ours, and nothing outside of our directories
//! is written or read.

use super::fixtures;
use super::test_env::{TestEnv, failed};
use super::upstream::make_repository;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use xtask::k3s::{Build, bundle};
use xtask::sample::{self, Layout};
use xtask::step::{Plan, Results, Step};

const ARCH: &str = "riscv64";

/// Makes a repository of the sample's tree with additions, which are written first.
fn source(env: &TestEnv, name: &str, add: impl FnOnce(&Path)) -> String {
    let source = env.path(name);
    std::fs::create_dir(&source).unwrap();
    add(&source);
    make_repository(&source, &["k3s/base", "k3s/embed"]);
    source.to_str().unwrap().to_owned()
}

/// Writes a file of the user's, outside of everything that is built.
fn victim(env: &TestEnv) -> PathBuf {
    let victim = env.path("victim/file");
    std::fs::create_dir(victim.parent().unwrap()).unwrap();
    std::fs::write(&victim, "precious").unwrap();
    victim
}

#[track_caller]
fn assert_intact(victim: &Path) {
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "precious");
    assert_eq!(std::fs::read_dir(victim.parent().unwrap()).unwrap().count(), 1);
}

/// Names of our own files beside a tree.
const OURS: [&str; 2] = ["stamp.json", "outcome.json"];

#[test]
fn files_named_as_our_state_files_are_kept() {
    let env = TestEnv::new();
    let source = source(&env, "files", |source| {
        OURS.iter().for_each(|name| std::fs::write(source.join(name), "theirs").unwrap());
    });
    env.succeeds(["images", "--source", &source]);
    let steps = std::fs::read_dir(env.work().join("source")).unwrap();
    let results = steps.map(|entry| entry.unwrap().path().join("output"));
    let trees: Vec<_> = results.filter(|result| result.is_dir()).collect();
    assert_eq!(trees.len(), 1);
    for name in OURS {
        assert_eq!(std::fs::read_to_string(trees[0].join(name)).unwrap(), "theirs", "{name}");
    }
}

#[test]
fn patches_may_add_files_named_as_our_state_files() {
    let env = TestEnv::new();
    let patches = env.path("patches");
    std::fs::create_dir(&patches).unwrap();
    let added = OURS.map(|name| {
        format!(
            "diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n\
             @@ -0,0 +1 @@\n+theirs\n"
        )
    });
    std::fs::write(patches.join("own.patch"), added.concat()).unwrap();
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let tree = fixtures::make_tree(&fixtures::prepare(&selection, ARCH, Some(&patches))).unwrap();
    for name in OURS {
        assert_eq!(std::fs::read_to_string(tree.join(name)).unwrap(), "theirs\n", "{name}");
    }
}

#[test]
fn links_that_lead_out_of_a_tree_are_refused() {
    for (index, name) in ["stamp.json", "go.mod.link", "pkg/deploy/embed/x", "docs"].iter().enumerate() {
        let env = TestEnv::new();
        let victim = victim(&env);
        let target = if index % 2 == 0 { victim.clone() } else { PathBuf::from("../../victim") };
        let source = source(&env, "source", |source| {
            std::fs::create_dir_all(source.join(name).parent().unwrap()).unwrap();
            symlink(&target, source.join(name)).unwrap();
        });
        for command in [&["images"][..], &["patch", "--check"], &["build", "--dry-run"]] {
            let message = failed(&env.xtask(command.iter().chain(&["--source", &source])).output().unwrap());
            let printed =
                format!("{name} is a symbolic link to {}, which leads out of its tree", target.display());
            assert!(message.contains(&printed), "{command:?}: {message}");
        }
        assert_intact(&victim);
    }
}

#[test]
fn links_inside_a_tree_are_followed_by_readers() {
    let env = TestEnv::new();
    let source = source(&env, "source", |source| {
        std::fs::create_dir_all(source.join("manifests/more")).unwrap();
        symlink("../coredns.yaml", source.join("manifests/more/dns.yaml")).unwrap();
    });
    env.succeeds(["images", "--source", &source]);
    env.succeeds(["patch", "--check", "--source", &source]);
}

#[test]
fn assets_are_not_written_through_links() {
    // Each link leads to a directory of the tree, which would be changed.
    let links = [
        ("build", "docs"),
        ("build/static", "../docs"),
        ("build/data", "../docs"),
        ("pkg/deploy/embed", "../../docs"),
        ("pkg/static/embed", "../../docs"),
        ("pkg/static/embed/charts", "../../../docs"),
        ("pkg/deploy/embed/coredns.yaml", "../../../docs/file"),
    ];
    let env = TestEnv::new();
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let mut build = fixtures::prepare(&selection, ARCH, None);
    let intact = build.patched.tree.clone();
    for (index, (link, target)) in links.into_iter().enumerate() {
        let checkout = env.path(format!("checkout-{index}"));
        xtask::dir::copy(&intact, &checkout).unwrap();
        std::fs::create_dir(checkout.join("docs")).unwrap();
        std::fs::write(checkout.join("docs/file"), "theirs").unwrap();
        replace(&checkout.join(link), Path::new(target));
        build.patched.tree = checkout;
        let error = format!("{:#}", fixtures::make_tree(&build).expect_err(link));
        assert!(error.contains(link) && error.contains("is a symbolic link"), "{link}: {error}");
    }
}

/// Replaces whatever is there by a link.
fn replace(env: &Path, target: &Path) {
    match env.is_dir() {
        true => std::fs::remove_dir_all(env).unwrap(),
        false => std::fs::create_dir_all(env.parent().unwrap()).unwrap(),
    }
    let _ = std::fs::remove_file(env);
    symlink(target, env).unwrap();
}

/// Builds the bundle of small files and of this k3s-root.
fn bundle_with(build: &Build, root: impl Fn(&Path) + Send + Sync) -> anyhow::Result<PathBuf> {
    let program = |step, file: &'static str| {
        Step::in_process(step, vec![])
            .work(move |directory, _| Ok(std::fs::write(directory.join(file), file)?))
    };
    let tree = |directory: &Path, _: &Results| -> anyhow::Result<()> {
        for file in ["contrib/util/check-config.sh", "scripts/wg-add.sh"] {
            let file = directory.join("tree").join(file);
            std::fs::create_dir_all(file.parent().unwrap())?;
            std::fs::write(file, "script")?;
        }
        Ok(())
    };
    let plan = Plan::new(vec![
        program("server", "k3s"),
        program("shim", "containerd-shim-runc-v2"),
        program("runc", "runc"),
        program("cni", "cni"),
        Step::in_process("root", vec![]).work(move |directory, _| {
            std::fs::create_dir(directory.join("bin"))?;
            root(&directory.join("bin"));
            Ok(())
        }),
        Step::in_process("tree", vec![]).work(tree),
        bundle::step(build)?,
    ])?;
    let (results, _) = plan.run(build.context, &build.context.work.join("bundles"))?;
    Ok(results.directory(bundle::STEP)?.join(bundle::ARCHIVE))
}

#[test]
fn bundle_is_not_written_through_links_of_k3s_root() {
    let env = TestEnv::new();
    let victim = victim(&env);
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let build = fixtures::prepare(&selection, ARCH, None);
    let made = bundle_with(&build, |bin| {
        for name in ["k3s", "cni", "check-config", "kubectl", ".sha256sums", ".links"] {
            symlink(&victim, bin.join(name)).unwrap();
        }
    });
    let contents = bundle::verify(std::fs::File::open(made.unwrap()).unwrap()).unwrap();
    assert!(contents.files.contains_key("k3s") && contents.links["kubectl"] == "k3s", "{contents:?}");
    assert_intact(&victim);
}

#[test]
fn bundle_is_not_written_through_directories() {
    let env = TestEnv::new();
    let victim = victim(&env);
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let build = fixtures::prepare(&selection, ARCH, None);
    let outside = victim.parent().unwrap();
    let error = bundle_with(&build, |bin| symlink(outside, bin.join("aux")).unwrap()).unwrap_err();
    assert!(format!("{error:#}").contains("bin/aux is a symbolic link"), "{error:#}");
    assert_intact(&victim);
}
