//! Test of a release from upstream's repository, with all that belongs to it, with and without a network.

use super::credentials::{SECRET, keeps_nothing, with_password};
use super::fixtures::Product;
use super::http::{self, Server};
use super::test_env::{self, TestEnv, succeeded};
use super::upstream::{TAG, Upstream, make_repository, printed};
use std::path::{Path, PathBuf};
use xtask::upstream::release::Origin;
use xtask::upstream::release::UPSTREAM;

#[test]
fn release_is_built_over_http_then_offline() {
    let upstream = Upstream::new();
    let mut env = upstream.test_env();
    // The stand-ins for remote servers are written as the sample writes them.
    let laid_out = lay_out(&env);
    for (name, tag) in [("plugins", "v1.9.0-k3s1-sample"), ("cni-plugin", "v1.9.0-flannel1-sample")] {
        make_repository(&upstream.directory.path().join(name), &[name]);
        let repository = git2::Repository::open(upstream.directory.path().join(name)).unwrap();
        repository.tag_lightweight(tag, &repository.revparse_single("HEAD").unwrap(), true).unwrap();
    }
    let repositories = [
        (UPSTREAM, "k3s"),
        ("https://github.com/rancher/plugins", "plugins"),
        ("https://github.com/flannel-io/cni-plugin", "cni-plugin"),
    ];
    upstream.lead(&mut env, &repositories);
    let files = file_server(laid_out.join("mirror"));
    env.set("K3S_XTASK_MIRROR", with_password(&files.url));
    borrow_toolchains(&mut env, &laid_out);

    let planned = printed(&env, &["build", "--k3s", TAG, "--dry-run"]);
    for unlocked in [TAG, "v1.9.0-k3s1-sample", "k3s-root-riscv64.tar", "traefik-crd"] {
        let mut lines = planned.lines().filter(|line| line.starts_with("not locked yet: "));
        assert!(lines.any(|line| line.contains(unlocked)), "{unlocked}\n{planned}");
    }
    assert!(!env.path("k3s.lock.json").exists());

    let build = ["build", "--k3s", TAG];
    let first = printed(&env, &build);
    for locked in [TAG, "v1.9.0-k3s1-sample", "v1.9.0-flannel1-sample", "k3s-root-riscv64.tar", "traefik-crd"]
    {
        assert!(
            first.lines().any(|line| line.starts_with("locked ") && line.contains(locked)),
            "{locked}\n{first}"
        );
    }
    assert!(!first.contains(SECRET), "{first}");
    let product = |message: String| Product::read(env.dist().join(TAG).join("riscv64"), message);
    let (manifest, sums) = (product(first).manifest, product(String::new()).sums());
    assert_eq!((manifest.origin, manifest.commit), (Origin::Release, upstream.commit(TAG)));
    assert!(manifest.incomplete.is_empty());

    std::fs::remove_dir_all(env.path("target")).unwrap();
    let asked = files.requests().len() + upstream.server.requests().len();
    let second = printed(&env, &["build", "--k3s", TAG, "--locked"]);
    assert!(!second.contains("locked "), "{second}");
    std::fs::remove_dir_all(env.path("target")).unwrap();
    // Without a network, a release line means the newest of its tags that are locked.
    printed(&env, &["--offline", "build", "--k3s", "v0.35"]);
    assert_eq!(product(String::new()).sums(), sums);
    assert_eq!(files.requests().len() + upstream.server.requests().len(), asked);

    everything_missing_is_named(&env);

    // The same commit in a tree has the same version, but that does not make it a release.
    let source = upstream.directory.path().join("k3s");
    let of_tree = ["build", "--source", source.to_str().unwrap(), "--ref", TAG];
    printed(&env, &of_tree);
    let manifest = product(String::new()).manifest;
    assert_eq!((manifest.origin, manifest.commit), (Origin::Tree, upstream.commit(TAG)));

    // A tag that upstream did not make gives no version.
    upstream.move_tag(TAG);
    let plan = env.succeeds(of_tree.iter().copied().chain(["--dry-run"]));
    let version = format!("k3s v0.35.0+k3s-{}", &upstream.commit(TAG)[..8]);
    assert!(plan.contains(&version), "{version} is missing: {plan}");

    // The password in a tree's URL must appear nowhere, like the mirror's.
    let source = with_password(&format!("{}/k3s/.git", upstream.server.url));
    let message = printed(&env, &["build", "--source", &source, "--ref", TAG]);
    assert!(!message.contains(SECRET), "{message}");
    assert!(files.requests().iter().all(|request| request.headers.contains_key("authorization")));
    keeps_nothing(&env);
}

/// Checks that a build without the fetched files reports all missing ones at once, and restores the files.
#[track_caller]
fn everything_missing_is_named(env: &TestEnv) {
    let git = env.path("cache/git");
    std::fs::rename(env.path("cache/downloads"), env.path("downloads")).unwrap();
    std::fs::rename(&git, env.path("git")).unwrap();
    std::fs::create_dir_all(&git).unwrap();
    for entry in std::fs::read_dir(env.path("git")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("k3s-") {
            std::fs::rename(entry.path(), git.join(entry.file_name())).unwrap();
        }
    }
    std::fs::remove_dir_all(env.path("target")).unwrap();
    let message = env.fails(["--offline", "build", "--k3s", TAG]);
    for missing in [
        "refs/tags/v1.9.0-k3s1-sample of https://github.com/rancher/plugins",
        "refs/tags/v1.9.0-flannel1-sample of https://github.com/flannel-io/cni-plugin",
        "libseccomp-2.6.0.tar.gz is not in the cache",
        "v0.15.0-sample-k3s-root-riscv64.tar is not in the cache",
        "traefik-0.35.0+up0.35.0.tgz is not in the cache",
        "traefik-crd-0.35.0+up0.35.0.tgz is not in the cache",
    ] {
        assert!(message.contains(missing), "{missing:?} is missing: {message}");
    }
    std::fs::rename(env.path("downloads"), env.path("cache/downloads")).unwrap();
    std::fs::remove_dir_all(&git).unwrap();
    std::fs::rename(env.path("git"), &git).unwrap();
}

/// Returns the directory in which the sample keeps its mirror of downloads and its proxy of modules.
fn lay_out(env: &TestEnv) -> PathBuf {
    env.succeeds(["images", "--sample"]);
    let steps = std::fs::read_dir(env.work().join("sample")).unwrap();
    let steps = steps.map(|entry| entry.unwrap().path().join("output"));
    let laid_out = steps.filter(|path| path.join("mirror").is_dir()).last().unwrap();
    let kept = env.path("laid-out");
    std::fs::rename(laid_out, &kept).unwrap();
    kept
}

/// Serves the files of a directory.
fn file_server(directory: PathBuf) -> Server {
    Server::start(move |request, _| {
        match std::fs::read(directory.join(request.target.trim_start_matches('/'))) {
            Ok(bytes) => http::ranged(request, &bytes),
            Err(_) => http::status("404 Not Found"),
        }
    })
}

/// Gives a place modules of its own, before those of this machine, and the toolchains of this machine.
fn borrow_toolchains(env: &mut TestEnv, laid_out: &Path) {
    let go = |name: &str| {
        let output = std::process::Command::new("go").args(["env", name]).output().unwrap();
        PathBuf::from(succeeded(output).0.trim())
    };
    let (theirs, ours) = (go("GOMODCACHE"), env.path("modules"));
    let link = |name: &str| {
        if theirs.join(name).exists() {
            std::fs::create_dir_all(ours.join(name).parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(theirs.join(name), ours.join(name)).unwrap();
        }
    };
    link("cache/download/sumdb");
    link("cache/download/golang.org/toolchain");
    for entry in std::fs::read_dir(theirs.join("golang.org")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("toolchain@") {
            link(&format!("golang.org/{name}"));
        }
    }
    env.set("GOMODCACHE", &ours);
    let proxies = [laid_out.join("proxy"), theirs.join("cache/download")]
        .map(|path| format!("file://{}", path.display()));
    env.set("GOPROXY", format!("{},{}", proxies.join(","), go("GOPROXY").display()));
    // The checksum database does not contain stand-ins.
    env.set("GONOSUMDB", "github.com,k8s.io,sigs.k8s.io,go.etcd.io");
    for (name, directory) in [("go-build", "go-build"), ("zig", "zig"), ("tools", "tools")] {
        let shared = test_env::cache().join(directory);
        std::fs::create_dir_all(env.path("cache")).unwrap();
        std::os::unix::fs::symlink(shared, env.path("cache").join(name)).unwrap();
    }
    let libseccomp = test_env::cache().join("downloads");
    std::fs::create_dir_all(env.path("cache/downloads")).unwrap();
    for entry in std::fs::read_dir(libseccomp).into_iter().flatten().flatten() {
        if walkdir::WalkDir::new(entry.path())
            .into_iter()
            .flatten()
            .any(|file| file.path().to_string_lossy().contains("libseccomp"))
        {
            std::os::unix::fs::symlink(entry.path(), env.path("cache/downloads").join(entry.file_name()))
                .unwrap();
        }
    }
}
