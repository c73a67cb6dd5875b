//! Tests of the result of the source package, and of the errors when something is missing from it.

use crate::bare_root::{self, Tools};
use crate::needs;
use crate::test_env::{self, TestEnv};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xtask::digest::Digest;
use xtask::dir;
use xtask::product::manifest::Manifest;
use xtask::rpm::read;
use xtask::toolchain::go::AnyGo;
use xtask::vendoring::{INDEX, MODULES, Vendored};

const TOOLS: [(&str, &str); 8] = [
    ("rpmbuild", "rpm"),
    ("createrepo_c", "createrepo-c"),
    ("gcc", "gcc"),
    ("tar", "tar"),
    ("zstd", "zstd"),
    ("unshare", "util-linux"),
    ("go", "golang-go"),
    ("git", "git"),
];

/// The sample's product, its source package, and the directory in which that is rebuilt.
struct Rebuild {
    env: TestEnv,
    manifest: Manifest,
    tools: Tools,
}

impl Rebuild {
    fn new() -> Rebuild {
        let mut env = TestEnv::new();
        only_a_mirror_of_crates(&mut env);
        env.succeeds(["rpm", "--sample"]);
        let version = env.dist().join("v0.35.0+k3s1.sample");
        let manifest = Manifest::read(&version.join("riscv64/manifest.json")).unwrap();
        let build = env.path("build");
        fs::create_dir(&build).unwrap();
        let package = "k3s-0.35.0+k3s1.sample-1.oe2403.src.rpm";
        fs::copy(version.join("rpm/oe2403/riscv64").join(package), build.join("k3s.src.rpm")).unwrap();
        bare_root::hand_over(&build);
        let tools = Tools::at(&manifest.tools["go"]);
        Rebuild { env, manifest, tools }
    }

    fn build(&self) -> PathBuf {
        self.env.path("build")
    }

    fn run(&self, script: &str) -> Output {
        bare_root::run(&self.tools, &self.build(), script)
    }

    /// Returns the directory that the spec builds in; newer releases of rpm give each package one of its own.
    fn tree(&self) -> PathBuf {
        let below = walkdir::WalkDir::new(self.build().join("BUILD")).max_depth(3);
        let found = below.into_iter().flatten().find(|entry| entry.file_name() == "k3s-build");
        found.expect("rpmbuild has left its directory").into_path()
    }

    /// Runs the build of the spec again, from the existing files, with the executable that is compiled already.
    fn again(&self) -> Output {
        let tree = self.tree();
        for made in ["cache", "target/work", "target/dist"] {
            if tree.join(made).exists() {
                fs::remove_dir_all(tree.join(made)).unwrap();
            }
        }
        let below = tree.strip_prefix(self.build()).unwrap().to_string_lossy().into_owned();
        self.run(&format!(
            "cd {below}; export CARGO_TARGET_DIR=$PWD/target K3S_XTASK_CACHE=$PWD/cache GOMODCACHE=$PWD/none
             target/debug/xtask build --vendored vendor --arch riscv64"
        ))
    }
}

/// Leaves cargo only a mirror in place of the crates' own registry, as a user's settings may.
fn only_a_mirror_of_crates(env: &mut TestEnv) {
    let (mirror, home) = (env.path("crates"), env.path("cargo-home"));
    let mut vendor = Command::new("cargo");
    vendor
        .args(["vendor", "--locked", "--versioned-dirs"])
        .arg(&mirror)
        .current_dir(test_env::context().root);
    test_env::succeeded(vendor.output().unwrap());
    fs::create_dir(&home).unwrap();
    let settings = format!(
        "[source.crates-io]\nreplace-with = 'mirror'\n[source.mirror]\ndirectory = '{}'\n",
        mirror.display()
    );
    fs::write(home.join("config.toml"), settings).unwrap();
    env.set("CARGO_HOME", home);
    env.set("CARGO_NET_OFFLINE", "true");
}

#[track_caller]
fn said(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    text.concat()
}

/// Returns the directories of this machine that contain what a build would otherwise use.
fn caches() -> Vec<PathBuf> {
    let context = test_env::context();
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let modules = AnyGo::find(&context, None).unwrap().module_cache().directory;
    let crates = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let there = [home, modules, crates, context.cache, context.root.join("xtask")];
    there.into_iter().filter(|path| path.is_dir()).collect()
}

/// Returns the digest that a package gives for a file.
fn packaged(package: &Path, file: &str) -> Digest {
    read::read(package).unwrap().properties[&format!("sha256 {file}")].parse().unwrap()
}

#[test]
fn source_package_rebuilds_the_same_binary() {
    if !needs::programs("the source package", &TOOLS) {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        return needs::skip("the source package", "root, to build as another user in another root");
    }
    let rebuild = Rebuild::new();

    // Neither this machine's caches nor a network can be reached.
    let caches = caches();
    assert!(caches.len() >= 3, "{caches:?}");
    for cache in &caches {
        let output = rebuild.run(&format!("! test -e '{}'", cache.display()));
        assert!(output.status.success(), "{} is in reach", cache.display());
    }
    let networks = said(&rebuild.run("id -u; tail -n +3 /proc/net/dev | cut -d: -f1"));
    assert_eq!(networks.split_whitespace().collect::<Vec<_>>(), ["65534", "lo"]);

    // No rpm database here contains the packages that the spec requires, but the tools exist: TOOLS.
    let output = rebuild.run(
        "rpmbuild --rebuild --nodeps --noclean --target riscv64 \
         --define '_topdir /build' --define 'dist .oe2403' k3s.src.rpm",
    );
    assert!(output.status.success(), "{}", said(&output));
    let rpm = rebuild.build().join("RPMS/riscv64/k3s-0.35.0+k3s1.sample-1.oe2403.riscv64.rpm");
    let product = &rebuild.manifest.files["k3s-riscv64"].sha256;
    assert_eq!(packaged(&rpm, "/usr/bin/k3s"), *product);
    let again = rebuild.tree().join("target/dist/v0.35.0+k3s1.sample/riscv64/manifest.json");
    let mut again = Manifest::read(&again).unwrap();
    // A chroot has no user namespaces, in which the server would have been started.
    again.checks.clone_from(&rebuild.manifest.checks);
    assert_eq!(again.text().unwrap(), rebuild.manifest.text().unwrap());
    let image = "/usr/share/k3s/images/k3s-pause-image.tar";
    let theirs = rebuild.env.dist().join("v0.35.0+k3s1.sample/rpm/oe2403/riscv64");
    let package = "k3s-pause-image-0.35.0+k3s1.sample-1.oe2403.riscv64.rpm";
    assert_eq!(
        packaged(&rebuild.build().join("RPMS/riscv64").join(package), image),
        packaged(&theirs.join(package), image)
    );

    // A missing file is reported.
    let vendor = rebuild.tree().join("vendor");
    let lost = vendor.join(MODULES).join("github.com/klauspost/compress@v1.18.0/zstd/zstd.go");
    fs::remove_file(&lost).unwrap();
    let output = rebuild.again();
    assert!(!output.status.success());
    assert!(said(&output).contains("a file is missing, is new or was changed"), "{}", said(&output));

    // Without that check nothing replaces the file: the program is compiled from it.
    let index = vendor.join(INDEX);
    let mut vendored: Vendored = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    vendored.modules = dir::digest(&vendor.join(MODULES)).unwrap();
    fs::write(&index, serde_json::to_vec(&vendored).unwrap()).unwrap();
    let output = rebuild.again();
    assert!(!output.status.success());
    assert!(said(&output).contains("github.com/klauspost/compress/zstd"), "{}", said(&output));
}
