//! Packages built for the tests, each once: two of our versions, openEuler's own, the distribution's stub.

use crate::{fake, needs, test_env};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock, PoisonError};
use xtask::context::Context;
use xtask::product::Product;
use xtask::rpm::sources::{self, Topdir};
use xtask::rpm::{Packaging, Settings, rpmbuild, template};

/// Executable that every test of packages needs, and its Debian package.
pub const RPM: (&str, &str) = ("rpm", "rpm");
pub const RPMBUILD: (&str, &str) = ("rpmbuild", "rpm");
pub const CREATEREPO: (&str, &str) = ("createrepo_c", "createrepo-c");
pub const BUSYBOX: (&str, &str) = ("busybox", "busybox-static");
pub const DNF: (&str, &str) = ("dnf", "dnf");

/// Returns whether packages can be built here.
pub fn can_build(what: &str) -> bool {
    needs::programs(what, &[RPM, RPMBUILD])
}

/// Returns a directory of these tests' own, empty when they begin.
pub fn scratch() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rpm_packages");
        if directory.exists() {
            fs::remove_dir_all(&directory).unwrap();
        }
        fs::create_dir_all(&directory).unwrap();
        directory
    })
}

/// Returns a context with the real repository and cache, which writes everything else below [`scratch`].
pub fn context() -> &'static Context {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    CONTEXT.get_or_init(|| {
        let below = |name: &str| scratch().join("target").join(name);
        Context { work: below("work"), dist: below("dist"), logs: below("logs"), ..test_env::context() }
    })
}

/// Returns the path of a file of this repository.
pub fn ours(path: &str) -> PathBuf {
    context().root.join(path)
}

/// Packages of one version.
#[derive(Clone, Debug)]
pub struct PackageSet {
    pub k3s: PathBuf,
    pub cli: PathBuf,
    pub cri_tools: PathBuf,
    pub pause_image: PathBuf,
}

impl PackageSet {
    pub fn all(&self) -> [&Path; 4] {
        [&self.k3s, &self.cli, &self.cri_tools, &self.pause_image]
    }
}

/// Returns the packages of `1.33.0+k3s1`.
pub fn former() -> &'static PackageSet {
    static PACKAGES: OnceLock<PackageSet> = OnceLock::new();
    PACKAGES.get_or_init(|| make("v1.33.0+k3s1", |_| {}))
}

/// Returns the packages of `1.34.2+k3s1`, which has other default settings.
pub fn latter() -> &'static PackageSet {
    static PACKAGES: OnceLock<PackageSet> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        make("v1.34.2+k3s1", |topdir| {
            for name in ["k3s.sysconfig", "k3s-agent.sysconfig"] {
                let file = topdir.sources().join(name);
                fs::write(&file, fs::read_to_string(&file).unwrap() + "# A new default.\n").unwrap();
            }
        })
    })
}

/// Stages packages, applies a change, and builds them.
fn make(version: &str, change: impl FnOnce(&Topdir)) -> PackageSet {
    let directory = scratch().join("packages").join(version);
    fake::product(&directory.join("product"), version);
    let product = Product::open(&directory.join("product"), fake::riscv64()).unwrap();
    let packaging = packaging(&product);
    let topdir = Topdir::new(directory.join("topdir")).unwrap();
    sources::lay_out(&packaging, &topdir).unwrap();
    change(&topdir);
    let made = rpmbuild::run(&packaging, &topdir).unwrap();
    let named = |name: &str| {
        let found = made.iter().find(|path| file_name(path).starts_with(&format!("{name}-1.")));
        found.unwrap_or_else(|| panic!("{name} was not made: {made:?}")).clone()
    };
    PackageSet {
        k3s: named("k3s"),
        cli: named("k3s-cli"),
        cri_tools: named("k3s-cri-tools"),
        pause_image: named("k3s-pause-image"),
    }
}

/// Returns the default settings of packages.
pub fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| settings_for("file:///srv/k3s-riscv64"))
}

/// Returns the settings of packages for a repository at this URL.
pub fn settings_for(url: &str) -> Settings {
    Settings { dist: "oe2403".parse().unwrap(), release: 1, url: url.to_owned(), key: None }
}

/// Returns the packaging of a product of the tests with the default settings.
pub fn packaging(product: &Product) -> Packaging<'_> {
    Packaging::new(context(), product, fake::riscv64(), settings(), None).unwrap()
}

/// Returns openEuler's own k3s, with the files at its paths.
pub fn openeuler() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| distributions_k3s("1.24.2+rc1+k3s2", "3.oe2303", "riscv64"))
}

/// Returns a newer k3s of the distribution's, over which ours must win by its repository's priority.
pub fn newer() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| distributions_k3s("1.99.0+k3s1", "1.oe2403", "riscv64"))
}

/// Builds a k3s as a distribution ships it, in openEuler's layout.
fn distributions_k3s(version: &str, release: &str, arch: &str) -> PathBuf {
    let directory = scratch().join("distribution").join(version);
    let spec = format!(
        "%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
Name: k3s
Version: {version}
Release: {release}
Summary: Kubernetes, as openEuler lays it out
License: Apache-2.0
%description
As openEuler lays it out.
%install
install -D -m 755 {program} %{{buildroot}}/usr/local/bin/k3s
printf '#!/bin/sh\\n# upstream installer\\n' >%{{buildroot}}/usr/local/bin/k3s-install.sh
chmod 755 %{{buildroot}}/usr/local/bin/k3s-install.sh
%files
/usr/local/bin/k3s
/usr/local/bin/k3s-install.sh
",
        program = directory.join("product/k3s-riscv64").display()
    );
    fake::product(&directory.join("product"), "v1.24.2-rc1+k3s2");
    rpmbuild(&directory, &spec, arch)
}

/// Returns the stub of a distribution that provides these names, built once for each set of them.
pub fn stub(provides: &[&str]) -> PathBuf {
    static STUBS: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let key = provides.join(" ");
    let mut stubs = STUBS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = stubs.get(&key) {
        return made.clone();
    }
    let spec = fs::read_to_string(ours("rpm/distro-stub.spec")).unwrap();
    let lines: Vec<String> = provides.iter().map(|name| format!("Provides: {name}")).collect();
    let directory = scratch().join("stubs").join(stubs.len().to_string());
    let made = rpmbuild(&directory, &template::replace(&spec, &lines).unwrap(), "noarch");
    stubs.insert(key, made.clone());
    made
}

/// Builds the one package of a spec.
fn rpmbuild(directory: &Path, spec: &str, arch: &str) -> PathBuf {
    fs::create_dir_all(directory).unwrap();
    let file = directory.join("package.spec");
    fs::write(&file, spec).unwrap();
    let topdir = format!("_topdir {}", directory.join("topdir").display());
    let mut command = Command::new("rpmbuild");
    command.args(["-bb", "--target", arch, "--define", &topdir]).arg(&file);
    expect_success(command.output().unwrap());
    let made = walkdir::WalkDir::new(directory.join("topdir/RPMS"))
        .into_iter()
        .map(|entry| entry.unwrap().into_path());
    let mut made = made.filter(|path| path.extension().is_some_and(|extension| extension == "rpm"));
    made.next().expect("rpmbuild has made a package")
}

pub fn file_name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// Returns the output of a command that succeeds, messages last.
#[track_caller]
pub fn expect_success(output: Output) -> String {
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {text}", output.status);
    text
}
