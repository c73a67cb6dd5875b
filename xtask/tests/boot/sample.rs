//! Test of the sample, from sources to a booted VM, with unusual paths and settings.

use crate::machine;
use crate::place::{ODD_NAME, Place, succeeded};
use crate::site_macros;
use fs_err as fs;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use xtask::digest::Digest;

/// Conditions of the user: no home, new files readable by the user alone, messages in another language.
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

/// Commands of the complete chain; the last one boots.
const CHAIN: [&[&str]; 5] = [
    &["build", "--sample"],
    &["pause", "--arch", "riscv64"],
    &["images", "--sample"],
    &["release", "--sample", "--preview"],
    &["boot", "--sample", "--memory", "2G"],
];

/// Writes the files that a removal or a write at a wrongly quoted path would hit.
fn lay_out_neighbours(directory: &Path) {
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
fn sample_is_made_and_booted_at_an_odd_path() {
    let Some(_turn) = machine::turn("the sample on a booted machine") else { return };
    let mut place = Place::new();
    let ours = place.path(ODD_NAME);
    let target = ours.join("target");
    lay_out_neighbours(&place.path(""));
    fs::create_dir_all(&ours).unwrap();
    // The same cache at such a path.
    std::os::unix::fs::symlink(crate::place::cache(), ours.join("cache")).unwrap();
    place.set("K3S_XTASK_CACHE", ours.join("cache"));
    place.set("CARGO_TARGET_DIR", &target);
    place.set("K3S_XTASK_LOCK", ours.join("k3s.lock.json"));
    place.set("GIT_CONFIG_GLOBAL", place.path("gitconfig"));
    fs::write(place.path("gitconfig"), include_str!("../support/gitconfig")).unwrap();
    site_macros::put(&mut place, "rpmbuild", "");
    let elsewhere = machine::elsewhere(&mut place);
    let root = place.context().root;
    let except = [ours.clone(), root.join("target"), root.join(".git")];
    let before = [contents(&place.path(""), &except), contents(&root, &except)];

    let mut told = String::new();
    for command in CHAIN {
        told = succeeded(place.under(USER, command).output().unwrap()).0;
    }
    let after = [contents(&place.path(""), &except), contents(&root, &except)];
    assert_eq!(after, before, "something was changed outside of target/");

    let made = target.join("dist/v0.35.0+k3s1.sample");
    assert!(made.join("preview/SHA256SUMS").is_file());
    let directory = made.join("boot");
    assert!(told.contains("pause-rss") && told.contains(directory.to_str().unwrap()), "{told}");

    let record: Value = serde_json::from_slice(&fs::read(directory.join("boot.json")).unwrap()).unwrap();
    let proof = &record["proofs"][0];
    let reached: Vec<&str> = proof["reached"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reached| reached["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        reached,
        ["kernel", "systemd", "packages", "units", "containerd", "pause", "orphans", "sigterm", "removed"]
    );
    assert_eq!(proof["failure"], Value::Null);
    let facts: Vec<&str> =
        proof["facts"].as_array().unwrap().iter().map(|fact| fact[0].as_str().unwrap()).collect();
    assert_eq!(facts, ["image", "pause-rss", "sigterm-seconds"]);
    assert_eq!(proof["facts"][0][1], "docker.io/carvicsforth/pause:v3.10-v1.31.1");
    assert!(!proof["memory"].as_array().unwrap().is_empty(), "nothing was heard of the memory");

    let console = fs::read_to_string(directory.join("console-sample.log")).unwrap();
    assert!(console.contains("Linux version"), "{console}");
    let page = fs::read_to_string(directory.join("report.html")).unwrap();
    assert!(page.contains("its orphans are reaped") && page.contains("memory in use, sample"), "{page}");

    // Only the record and the guest, which is not written to, are left.
    let left: Vec<_> = fs::read_dir(target.join("work/boot")).unwrap().collect();
    assert_eq!(left.len(), 1, "only the lock stays: {left:?}");
    assert_eq!(machine::running_below(&target), [0; 0]);
    assert_eq!(machine::files_in(&elsewhere), [""; 0], "something was left outside of target/");
}
