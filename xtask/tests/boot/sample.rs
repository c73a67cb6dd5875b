//! Test of the sample, from sources to a booted VM, with unusual paths and settings.

use crate::test_env::{ODD_NAME, TestEnv, succeeded};
use crate::{site_macros, vm};
use fs_err as fs;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use xtask::digest::Digest;

/// A user without a home directory, with a restrictive umask and another language.
const USER: [&str; 9] = [
    "env",
    "-u",
    "HOME",
    "LANG=de_DE.UTF-8",
    "LC_ALL=zh_CN.UTF-8",
    "sh",
    "-c",
    "umask 077; exec \"$@\"",
    "sh",
];

/// Commands from the build to the boot.
const COMMANDS: [&[&str]; 4] = [
    &["build", "--sample"],
    &["pause", "--arch", "riscv64"],
    &["images", "--sample"],
    &["release", "--sample", "--preview"],
];

/// Writes the files that a command with a wrongly quoted path would remove or overwrite.
fn write_neighbours(directory: &Path) {
    for (end, _) in ODD_NAME.match_indices([' ', ':', ';', '"', '&']) {
        fs::create_dir_all(directory.join(&ODD_NAME[..end])).unwrap();
        fs::write(directory.join(&ODD_NAME[..end]).join("file"), "theirs").unwrap();
    }
}

/// Returns every file below a directory, except those below `except`.
fn contents(directory: &Path, except: &[PathBuf]) -> BTreeMap<PathBuf, Option<Digest>> {
    let entries = walkdir::WalkDir::new(directory).into_iter();
    let entries = entries.filter_entry(|entry| !except.iter().any(|path| path == entry.path()));
    let paths = entries.map(|entry| entry.unwrap().into_path());
    let digest = |path: &PathBuf| path.is_file().then(|| Digest::of_file(path).unwrap());
    paths.map(|path| (path.clone(), digest(&path))).collect()
}

#[test]
fn builds_and_boots_sample_at_an_odd_path() {
    let Some(_turn) = vm::turn("the sample on a VM") else { return };
    let mut env = TestEnv::new();
    let ours = env.path(ODD_NAME);
    let target = ours.join("target");
    write_neighbours(&env.path(""));
    fs::create_dir_all(&ours).unwrap();
    // The cache, at such a path.
    std::os::unix::fs::symlink(crate::test_env::cache(), ours.join("cache")).unwrap();
    env.set("K3S_XTASK_CACHE", ours.join("cache"));
    env.set("CARGO_TARGET_DIR", &target);
    env.set("K3S_XTASK_LOCK", ours.join("k3s.lock.json"));
    env.set("GIT_CONFIG_GLOBAL", env.path("gitconfig"));
    fs::write(env.path("gitconfig"), include_str!("../support/gitconfig")).unwrap();
    site_macros::put(&mut env, "rpmbuild", "");
    let tmpdir = vm::set_tmpdir(&mut env);
    let root = env.context().root;
    let except = [ours.clone(), root.join("target"), root.join(".git")];
    let before = [contents(&env.path(""), &except), contents(&root, &except)];

    let mut stdout = String::new();
    for command in COMMANDS {
        stdout = succeeded(env.under(USER, command).output().unwrap()).0;
    }
    let after = [contents(&env.path(""), &except), contents(&root, &except)];
    assert_eq!(after, before, "files were changed outside of target/");

    let dist = target.join("dist/v0.35.0+k3s1.sample");
    let sums = fs::read_to_string(dist.join("preview/SHA256SUMS")).unwrap();
    assert!(sums.contains("  boot.json\n"), "{sums}");
    let notes = fs::read_to_string(dist.join("preview/NOTES.md")).unwrap();
    assert!(notes.contains("\n| sample | 15 | "), "{notes}");
    let directory = dist.join("boot");
    assert!(stdout.contains("pause-rss") && stdout.contains(directory.to_str().unwrap()), "{stdout}");

    let results: Value = serde_json::from_slice(&fs::read(directory.join("boot.json")).unwrap()).unwrap();
    let scenario = &results["scenarios"][0];
    let reached: Vec<&str> = scenario["reached"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reached| reached["name"].as_str().unwrap())
        .collect();
    let checks = ["kernel", "systemd", "packages", "check", "module", "clock", "disk"];
    let pause = ["units", "containerd", "pause", "orphans", "sigterm", "removed"];
    let installer = ["installer", "uninstalled"];
    assert_eq!(reached, [&checks[..], &pause, &installer].concat());
    assert_eq!(scenario["failure"], Value::Null);
    let facts: Vec<&str> =
        scenario["facts"].as_array().unwrap().iter().map(|fact| fact[0].as_str().unwrap()).collect();
    assert_eq!(facts, ["k3s-check", "image", "pause-rss", "sigterm-seconds"]);
    assert_eq!(scenario["facts"][1][1], "docker.io/carvicsforth/pause:v3.10-v1.31.1");
    assert!(!scenario["memory"].as_array().unwrap().is_empty(), "no memory was reported");

    let console = fs::read_to_string(directory.join("console-sample.log")).unwrap();
    assert!(console.contains("Linux version") && console.contains("FAILS  clock: "), "{console}");
    let page = fs::read_to_string(directory.join("report.html")).unwrap();
    assert!(page.contains("its orphans are reaped") && page.contains("memory in use, sample"), "{page}");

    // A first release has nothing to upgrade from.
    let preview = dist.join("preview").display().to_string();
    succeeded(env.under(USER, ["boot", "--release", &preview, "--scenario", "upgrade"]).output().unwrap());
    let results: Value = serde_json::from_slice(&fs::read(directory.join("boot.json")).unwrap()).unwrap();
    assert_eq!(results["scenarios"], Value::Array(Vec::new()));

    let left: Vec<_> = fs::read_dir(target.join("work/boot")).unwrap().collect();
    assert_eq!(left.len(), 1, "only the lock is left: {left:?}");
    assert_eq!(vm::running_below(&target), [0; 0]);
    assert_eq!(vm::files_in(&tmpdir), [""; 0], "files were left outside of target/");
}
