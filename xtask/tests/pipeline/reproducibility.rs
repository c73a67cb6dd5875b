//! Tests that the same inputs give the same bytes, whatever the user, directory, time and existing files.

use super::fixtures::{self, LAYOUTS, Product};
use super::needs;
use super::test_env::{self, ODD_NAME, TestEnv, succeeded};
use clap::Parser;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use xtask::cli::{Cli, Command};
use xtask::context::Context;

/// Checks that the product of a place equals the one that all tests share.
#[track_caller]
fn is_the_shared_one(env: &TestEnv, layout: &str) {
    let (_, version) = LAYOUTS.iter().find(|(name, _)| *name == layout).unwrap();
    let product = Product::read(env.dist().join(version).join("riscv64"), String::new());
    let shared = fixtures::product(layout, "riscv64");
    assert_eq!(product.manifest, shared.manifest);
    assert_eq!(product.sums(), shared.sums());
}

#[test]
fn a_clone_elsewhere_builds_the_same_bytes() {
    let env = TestEnv::named(ODD_NAME);
    let root = env.path("clone");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for part in ["sample", "pause", "patches", "images", "node", "xtask/k3s-root"] {
        xtask::dir::copy(&here.join(part), &root.join(part)).unwrap();
    }
    std::fs::copy(here.join("LICENSE"), root.join("LICENSE")).unwrap();
    for layout in ["embed", "bindata"] {
        let context = Context {
            root: root.clone(),
            work: env.work(),
            dist: env.dist(),
            logs: env.path("target/logs"),
            jobs: 1,
            ..test_env::context()
        };
        let arguments = ["xtask", "build", "--sample", "--sample-layout", layout];
        let Command::Build(build) = Cli::parse_from(arguments).command else { panic!("this is a build") };
        build.run(context).unwrap_or_else(|error| panic!("{}", xtask::error::chain(&error)));
        is_the_shared_one(&env, layout);
    }
}

#[test]
fn another_user_year_and_cache_give_the_same_bytes() {
    let what = "builds by another user at another time";
    if !needs::namespaces(what) || !needs::programs(what, &[("faketime", "faketime")]) {
        return;
    }
    let mut env = TestEnv::new();
    // Fetched files are shared; compiled ones are not.
    env.set("K3S_XTASK_CACHE", env.path("cache"));
    std::fs::create_dir_all(env.path("cache")).unwrap();
    fixtures::product("embed", "riscv64");
    for fetched in ["downloads", "tools", "sample-modules"] {
        symlink(test_env::cache().join(fetched), env.path("cache").join(fetched)).unwrap();
    }
    let go = std::process::Command::new("go").args(["env", "GOMODCACHE"]).output().unwrap();
    env.set("GOMODCACHE", succeeded(go).0.trim());
    for (name, directory) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let home = std::env::var_os("HOME").unwrap();
        let theirs = std::env::var_os(name).map_or_else(|| Path::new(&home).join(directory), PathBuf::from);
        env.set(name, theirs);
    }
    env.set("HOME", env.path("home"));
    std::fs::create_dir_all(env.path("home")).unwrap();
    env.set("LC_ALL", "de_DE.UTF-8");
    env.set("TZ", "America/Caracas");
    // A namespace in which we are another user. It has our clock, except for our own executable: its child
    // processes get an environment without libfaketime, under which some compilers would hang.
    env.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let user = ["unshare", "--user", "--map-user=4321", "--map-group=4321"];
    let mask = ["sh", "-c", "umask 027; exec \"$@\"", "sh"];
    let year = ["faketime", "-f", "@2001-02-03 04:05:06"];
    let words = user.iter().chain(&mask).chain(&year);
    succeeded(env.under(words, ["build", "--sample"]).output().unwrap());
    is_the_shared_one(&env, "embed");
}
