//! Tests of the result of the source package, and of the errors when something is missing from it.

use crate::bare_root::{self, Tools};
use crate::distribution::PACKAGES;
use crate::needs;
use crate::test_env::{self, TestEnv};
use fs_err as fs;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xtask::digest::Digest;
use xtask::dir;
use xtask::product::manifest::Manifest;
use xtask::rpm::{read, template};
use xtask::toolchain::go::AnyGo;
use xtask::vendoring::{INDEX, MODULES, Vendored};

const TOOLS: [(&str, &str); 7] = [
    ("rpmbuild", "rpm"),
    ("createrepo_c", "createrepo-c"),
    ("dpkg-query", "dpkg"),
    ("gcc", "gcc"),
    ("zstd", "zstd"),
    ("go", "golang-go"),
    ("git", "git"),
];

/// The sample's version, as rpm writes it.
const VERSION: &str = "0.35.0+k3s1.sample";

/// Commands that print the compilers of a root as a package's `Provides`.
const COMPILERS: &str = r#"
echo "cargo = $(cargo --version | cut -d' ' -f2)"
echo "golang = $(go env GOVERSION | sed s/^go//)"
echo "rust = $(rustc --version | cut -d' ' -f2)"
echo "zig = $(zig version)"
"#;

/// The sample's release for two architectures, its source package, and the directory in which that is rebuilt.
struct Rebuild {
    env: TestEnv,
    /// The manifest of the product for riscv64.
    manifest: Manifest,
    tools: Tools,
}

impl Rebuild {
    fn new() -> Rebuild {
        let mut env = TestEnv::new();
        only_a_mirror_of_crates(&mut env);
        env.succeeds(["release", "--sample", "--preview", "--skip-boot", "--arch", "riscv64,amd64"]);
        let released = env.dist().join(format!("v{VERSION}/preview"));
        let manifest = Manifest::read(&released.join("manifest-riscv64.json")).unwrap();
        let build = env.path("build");
        fs::create_dir(&build).unwrap();
        let package = released.join(format!("k3s-{VERSION}-1.oe2403.src.rpm"));
        fs::copy(package, build.join("k3s.src.rpm")).unwrap();
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

    /// Returns a released package of an architecture.
    fn released(&self, name: &str, arch: &str) -> PathBuf {
        self.env.dist().join(format!("v{VERSION}/preview/{name}-{VERSION}-1.oe2403.{arch}.rpm"))
    }

    /// Installs a stub of the distribution that provides these, in place of an earlier one.
    fn provide(&self, provides: &[String]) {
        let spec = test_env::context().root.join("rpm/distro-stub.spec");
        let lines: Vec<String> = provides.iter().map(|name| format!("Provides: {name}")).collect();
        let spec = template::replace(&fs::read_to_string(spec).unwrap(), &lines).unwrap();
        fs::write(self.build().join("stub.spec"), spec).unwrap();
        test_env::succeeded(self.run(
            "rm -rf stub rpmdb
             rpmbuild -bb --define '_topdir /build/stub' stub.spec
             rpm --dbpath /build/rpmdb --initdb
             rpm --dbpath /build/rpmdb --install --justdb stub/RPMS/noarch/*.rpm",
        ));
    }

    /// Runs rpmbuild, which checks its dependencies with the packages of [`Rebuild::provide`].
    fn rpmbuild(&self, arguments: &str) -> Output {
        self.run(&format!(
            "rpmbuild --define '_dbpath /build/rpmdb' --define '_topdir /build' --define 'dist .oe2403' {arguments}"
        ))
    }

    /// Returns the directory that the spec builds in; newer releases of rpm give each package one of its own.
    fn tree(&self) -> PathBuf {
        let below = walkdir::WalkDir::new(self.build().join("BUILD")).max_depth(3);
        let found = below.into_iter().flatten().find(|entry| entry.file_name() == "k3s-build");
        found.expect("rpmbuild has left its directory").into_path()
    }

    /// Returns the digests of a file in the roots that `%install` has filled.
    fn installed(&self, file: &str) -> Vec<Digest> {
        let found = walkdir::WalkDir::new(self.build()).into_iter().map(|entry| entry.unwrap().into_path());
        let found = found.filter(|path| {
            path.to_string_lossy().contains("/BUILDROOT/") && path.ends_with(file.trim_start_matches('/'))
        });
        found.map(|path| Digest::of_file(&path).unwrap()).collect()
    }

    /// Removes all results of a build, except the executable that is compiled already.
    fn forget(&self) {
        for made in ["cache", "target/work", "target/dist"] {
            let path = self.tree().join(made);
            if path.exists() {
                fs::remove_dir_all(path).unwrap();
            }
        }
    }

    /// Runs the build of the spec again, from the existing files.
    fn again(&self) -> Output {
        let tree = self.tree();
        self.forget();
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

    // Neither this machine's caches nor its other programs nor a network can be reached.
    let caches = caches();
    assert!(caches.len() >= 3, "{caches:?}");
    let absent = caches.iter().map(|cache| format!("! test -e '{}' || echo '{0}'\n", cache.display()));
    let script = absent.collect::<String>()
        + "for other in curl git make python3; do command -v $other || true; done
           tail -n +3 /proc/net/dev | cut -d: -f1";
    assert_eq!(test_env::succeeded(rebuild.run(&script)).0.trim(), "lo");

    // rpm knows of the required packages that are in the root, and refuses without one of them.
    let commands = PACKAGES.map(|(name, _, command)| format!("! command -v {command} >&2 || echo {name}\n"));
    let provides = test_env::succeeded(rebuild.run(&(commands.concat() + COMPILERS))).0;
    let provides: Vec<String> = provides.lines().map(str::to_owned).collect();
    for (index, missing) in provides.iter().enumerate().filter(|(_, name)| name.contains(" = ")) {
        let others = [&provides[..index], &provides[index + 1..]].concat();
        rebuild.provide(&others);
        let output = rebuild.rpmbuild("--rebuild --target riscv64 k3s.src.rpm");
        assert!(!output.status.success());
        assert!(said(&output).contains(&format!("{missing} is needed by k3s")), "{}", said(&output));
    }
    rebuild.provide(&provides);
    let output = rebuild.rpmbuild("--rebuild --noclean --target riscv64 k3s.src.rpm");
    assert!(output.status.success(), "{}", said(&output));
    let made = rebuild.build().join(format!("RPMS/riscv64/k3s-{VERSION}-1.oe2403.riscv64.rpm"));
    let product = &rebuild.manifest.files["k3s-riscv64"].sha256;
    assert_eq!(packaged(&made, "/usr/bin/k3s"), *product);
    let again = rebuild.tree().join(format!("target/dist/v{VERSION}/riscv64/manifest.json"));
    let mut again = Manifest::read(&again).unwrap();
    // A chroot has no user namespaces, in which the server would have been started.
    again.checks.clone_from(&rebuild.manifest.checks);
    assert_eq!(again.text().unwrap(), rebuild.manifest.text().unwrap());
    let image = "/usr/share/k3s/images/k3s-pause-image.tar";
    let made = rebuild.build().join(format!("RPMS/riscv64/k3s-pause-image-{VERSION}-1.oe2403.riscv64.rpm"));
    assert_eq!(packaged(&made, image), packaged(&rebuild.released("k3s-pause-image", "riscv64"), image));

    // The same sources give the packages of the other architecture, with what is compiled already.
    rebuild.forget();
    let install = "rpm --dbpath /build/rpmdb --define '_topdir /build' --install k3s.src.rpm";
    test_env::succeeded(rebuild.run(install));
    for phase in ["-bc", "-bi"] {
        let output = rebuild.rpmbuild(&format!("{phase} --short-circuit --target x86_64 SPECS/k3s.spec"));
        assert!(output.status.success(), "{}", said(&output));
    }
    let released = rebuild.released("k3s", "x86_64");
    for file in ["/usr/bin/k3s", "/usr/share/doc/k3s/PATCHES", "/usr/share/licenses/k3s/THIRD-PARTY-NOTICES"]
    {
        let expected = packaged(&released, file);
        assert!(rebuild.installed(file).contains(&expected), "{file}");
        assert_ne!(expected, packaged(&rebuild.released("k3s", "riscv64"), file), "{file}");
    }
    let query = "rpmspec --define '_topdir /build' --query --rpms --provides --target x86_64 SPECS/k3s.spec";
    let provides = test_env::succeeded(rebuild.run(query)).0;
    let read = read::read(&released).unwrap();
    let bundled = read.properties.keys().filter_map(|name| name.strip_prefix("Provides: bundled"));
    let bundled: BTreeSet<&str> = bundled.collect();
    assert!(!bundled.is_empty());
    assert_eq!(
        provides.lines().filter_map(|line| line.strip_prefix("bundled")).collect::<BTreeSet<_>>(),
        bundled
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
