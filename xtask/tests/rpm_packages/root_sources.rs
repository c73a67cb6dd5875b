//! Tests of the sources of k3s-root in a release, on the sample's.

use crate::release::{can_release, place_with_product, released};
use crate::test_env::TestEnv;
use fs_err as fs;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use xtask::context::{Context, Network};
use xtask::k3s::root_release::RootRelease;
use xtask::product::manifest::Manifest;
use xtask::release::{Mode, check, root_sources};
use xtask::sample::{self, Layout};

/// Returns a context that reaches only a copy of the sample's mirror, with a cache of its own.
fn context(env: &TestEnv) -> Context {
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let context = selection.context;
    Context { network: Network::Forbidden, cache: env.path("cache"), ..context }
}

fn mirrored(context: &Context, url: &str) -> std::path::PathBuf {
    let mirror = context.mirror.as_ref().unwrap();
    xtask::url::file_path(mirror).unwrap().join(url.trim_start_matches("https://"))
}

fn release(context: &Context) -> RootRelease {
    RootRelease::named(context, "v0.15.0-sample").unwrap().unwrap()
}

/// Writes the archive, and returns its files by name.
fn written(context: &Context, file: &Path) -> BTreeMap<String, String> {
    root_sources::write(context, &release(context), file).unwrap();
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(fs::File::open(file).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let name = path.strip_prefix("k3s-root-sources").unwrap().to_str().unwrap().to_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        files.insert(name, text);
    }
    files
}

const SOURCES: [&str; 6] = [
    "buildroot-0.0.0.txt",
    "busybox-0.0.0.txt",
    "ipset-0.0.0.txt",
    "iptables-0.0.0.txt",
    "k3s-root-0.0.0.txt",
    "pigz-0.0.0.txt",
];

#[test]
fn gathers_sources_and_names_the_missing() {
    let env = TestEnv::new();
    let (context, file) = (context(&env), env.path("sources.tar"));
    let mut files = written(&context, &file);
    let readme = files.remove("README").unwrap();
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), SOURCES);
    assert!(files["busybox-0.0.0.txt"].contains("sources of busybox"), "{files:?}");
    let missing = "files/conntrack-tools-0.0.0.txt\n    not in this archive\n";
    assert!(readme.contains(missing), "{readme}");
    assert_eq!(readme.matches("not in this archive").count(), 1, "{readme}");
    let versions = release(&context).versions();
    root_sources::check(&file, &versions).unwrap();
    let other = [("busybox".to_owned(), "1.0".to_owned())].into();
    let error = root_sources::check(&file, &other).unwrap_err().to_string();
    assert_eq!(error, "busybox 1.0 is missing in its README");
}

#[test]
fn sources_come_from_buildroot_and_are_verified() {
    let env = TestEnv::new();
    let context = context(&env);
    let iptables = mirrored(&context, "https://netfilter.org/projects/iptables/files/iptables-0.0.0.txt");
    let backup = mirrored(&context, "https://sources.buildroot.net/iptables/iptables-0.0.0.txt");
    fs::create_dir_all(backup.parent().unwrap()).unwrap();
    fs::rename(iptables, backup).unwrap();
    // The one is known by its sha256, the other by its sha512.
    let others = ["https://zlib.net/pigz/pigz-0.0.0.txt", "https://ipset.netfilter.org/ipset-0.0.0.txt"];
    for url in others {
        fs::write(mirrored(&context, url), "another").unwrap();
    }
    let files = written(&context, &env.path("sources.tar"));
    assert!(files["iptables-0.0.0.txt"].contains("sources of iptables"), "{files:?}");
    for url in others {
        let missing = format!("{url}\n    not in this archive");
        assert!(files["README"].contains(&missing), "{}", files["README"]);
        assert!(!files.contains_key(url.rsplit('/').next().unwrap()), "{files:?}");
    }
}

#[test]
fn release_needs_the_sources_of_k3s_root() {
    if !can_release("the sources of k3s-root in a release") {
        return;
    }
    let env = place_with_product(|_| {});
    let directory = released(&env, Mode::Release);
    check::directory(&directory).unwrap();
    let file = directory.join("manifest-riscv64.json");
    let mut manifest = Manifest::read(&file).unwrap();
    manifest.third_party.k3s_root.insert("busybox".to_owned(), "1.37.0".to_owned());
    fs::write(&file, manifest.text().unwrap()).unwrap();
    crate::release::again(&directory);
    let error = format!("{:#}", check::directory(&directory).err().unwrap());
    assert!(error.contains("k3s-root-sources.tar is missing"), "{error}");
}
