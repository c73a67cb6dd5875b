//! Tests of the rules for a bundle that is unpacked: those of k3s' own code, as the sample's wrapper has them, and
//! those of our check of a product. Both have to refuse the same bundles.

use super::fixtures;
use super::test_env::TestEnv;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use tar::EntryType;
use xtask::k3s::{Build, binary, bundle};
use xtask::sample::{self, Layout};
use xtask::step::{Plan, Step};

/// An entry of a bundle.
#[derive(Clone)]
pub struct Entry {
    pub kind: EntryType,
    pub name: String,
    pub link: String,
    pub bytes: Vec<u8>,
}

/// A bad bundle: the name of the change, the change, and the wrapper's error.
type Mutation = (&'static str, fn(&mut Vec<Entry>), &'static str);

const MUTATIONS: [Mutation; 15] = [
    ("a link is missing", |entries| remove(entries, "bin/crictl"), "crictl"),
    ("a link leads elsewhere", |entries| find(entries, "bin/crictl").link = "cni".into(), "crictl"),
    ("a sum is wrong", |entries| find(entries, "bin/.sha256sums").bytes.swap(0, 1), "sha256"),
    ("a file has changed", |entries| find(entries, "bin/check-config").bytes.push(b'\n'), "check-config"),
    ("a file is missing", |entries| remove(entries, "bin/runc"), "runc"),
    ("a file is a hard link", hard_link, "busybox"),
    ("the sums are empty", |entries| find(entries, "bin/.sha256sums").bytes.clear(), ".sha256sums"),
    ("the links are empty", |entries| find(entries, "bin/.links").bytes.clear(), ".links"),
    ("the sums are missing", |entries| remove(entries, "bin/.sha256sums"), ".sha256sums"),
    ("the links are missing", |entries| remove(entries, "bin/.links"), ".links"),
    ("a name is absolute", |entries| add(entries, EntryType::Regular, "/etc/x"), "invalid name"),
    ("a name leads out", |entries| add(entries, EntryType::Regular, "./../x"), "invalid name"),
    ("a name has a backslash", |entries| add(entries, EntryType::Regular, "etc/a\\b"), "invalid name"),
    ("an entry is a pipe", |entries| add(entries, EntryType::Fifo, "etc/pipe"), "pipe"),
    ("an entry is a device", |entries| add(entries, EntryType::Char, "etc/null"), "null"),
];

pub fn find<'e>(entries: &'e mut [Entry], name: &str) -> &'e mut Entry {
    entries.iter_mut().find(|entry| entry.name == name).unwrap()
}

pub fn remove(entries: &mut Vec<Entry>, name: &str) {
    find(entries, name);
    entries.retain(|entry| entry.name != name);
}

fn add(entries: &mut Vec<Entry>, kind: EntryType, name: &str) {
    entries.push(Entry { kind, name: name.to_owned(), link: String::new(), bytes: Vec::new() });
}

/// Replaces `busybox` by a hard link to `pigz`, as tar(1) writes a file with two names.
#[allow(clippy::ptr_arg, reason = "all mutations are of one type, and others add entries")]
fn hard_link(entries: &mut Vec<Entry>) {
    let busybox = find(entries, "bin/busybox");
    *busybox =
        Entry { kind: EntryType::Link, link: "bin/pigz".to_owned(), bytes: Vec::new(), ..busybox.clone() };
}

/// Adds incompressible data that is larger than a window of 2^26.
fn fill(entries: &mut Vec<Entry>) {
    let mut state = 1_u64;
    let random = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let bytes = random.take(5 << 20).flatten().collect();
    entries.push(Entry { kind: EntryType::Regular, name: "etc/filling".into(), link: String::new(), bytes });
}

pub fn unpack(bundle: &[u8]) -> Vec<Entry> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(bundle).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let link = entry.link_name().unwrap().map(|link| link.to_str().unwrap().to_owned());
        Entry { kind: entry.header().entry_type(), name, link: link.unwrap_or_default(), bytes }
    });
    entries.collect()
}

pub fn pack(entries: &[Entry], window: u32) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(window).unwrap();
    let mut tar = tar::Builder::new(encoder);
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(entry.kind);
        // Bypasses the crate's own check, which refuses some of these names as k3s does.
        header.as_old_mut().name[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        header.set_link_name_literal(&entry.link).unwrap();
        header.set_mode(0o755);
        header.set_size(entry.bytes.len() as u64);
        header.set_cksum();
        tar.append(&header, entry.bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// Runs the step that builds the binary, as in the pipeline, with another bundle.
fn wrap(build: &Build, tree: &Path, name: &str, bundle: &[u8]) -> std::path::PathBuf {
    let digest = xtask::digest::Digest::of(bundle);
    let plan = Plan::new(vec![
        Step::in_process("tree", vec![]).work(|directory, _| xtask::dir::copy(tree, directory)),
        Step::in_process("bundle", vec![digest.to_string()])
            .work(|directory, _| Ok(std::fs::write(directory.join(bundle::ARCHIVE), bundle)?)),
        Step::in_process("wrapper", vec![]),
        binary::step(build).unwrap(),
    ]);
    let (results, _) = plan.unwrap().run(build.context, &build.context.work.join("wrapped")).unwrap();
    let binary = results.directory("binary").unwrap().join(build.target.k3s_binary());
    assert!(binary.is_file(), "{name}");
    binary
}

/// Returns whether the binary unpacks its bundle, its messages, and the contents of its data directory.
fn unpacks(binary: &Path) -> (bool, String, Vec<String>) {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary);
    command.arg("--data-dir").arg(data.path()).args(["kubectl", "version", "--client"]);
    let output = command.env_clear().env("PATH", "/usr/bin:/bin").output().unwrap();
    let entries = std::fs::read_dir(data.path().join("data")).unwrap();
    let mut left: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned()).collect();
    left.retain(|name| name != ".lock");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned(), left)
}

#[test]
fn wrapper_and_our_check_refuse_the_same_bundles() {
    let env = TestEnv::new();
    let host = fixtures::host();
    fixtures::product("embed", host.go);
    let intact = fixtures::result(host.go, "bundle", bundle::ARCHIVE).join(bundle::ARCHIVE);
    let intact = std::fs::read(intact).unwrap();
    let tree = fixtures::result(host.go, "tree", "tree/pkg/data/embed");
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let build = fixtures::prepare(&selection, host.go, None);

    let entries = unpack(&intact);
    let filled = {
        let mut entries = entries.clone();
        fill(&mut entries);
        entries
    };
    for (name, bundle) in [("packed again", pack(&entries, 25)), ("large", pack(&filled, 25))] {
        let (accepted, message, left) = unpacks(&wrap(&build, &tree, name, &bundle));
        assert!(accepted, "{name}: {message}");
        assert!(left.iter().any(|directory| directory.len() == 64), "{name}: {left:?}");
        bundle::verify(bundle.as_slice()).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    }
    let mutated = MUTATIONS.map(|(name, change, says)| {
        let mut entries = entries.clone();
        change(&mut entries);
        (name, pack(&entries, 25), says)
    });
    let window = ("the window is 2^26", pack(&filled, 26), "window size exceeded");
    for (name, bundle, says) in mutated.into_iter().chain([window]) {
        let (accepted, message, left) = unpacks(&wrap(&build, &tree, name, &bundle));
        assert!(!accepted, "{name}, and k3s unpacks it\n{message}");
        assert!(message.contains(says), "{name}: {says:?} is missing\n{message}");
        assert_eq!(left, [""; 0], "{name}");
        let verified = bundle::verify(bundle.as_slice());
        assert!(verified.is_err(), "{name}, and our check accepts it");
    }
}
