//! Debian packages and Go modules of images in the lockfile.

use crate::http::{self, Server};
use crate::test_env::TestEnv;
use serde_json::json;
use std::fs;
use std::path::Path;
use xtask::context::{Context, Network};
use xtask::digest::Digest;
use xtask::lockfile::debian::DebianPackage;
use xtask::lockfile::module::ModuleSums;
use xtask::lockfile::{Adding, Lockfile};
use xtask::target::Target;
use xtask::toolchain::debian;

const PACKAGE: &str = "busybox-static";

fn lock(context: &Context, adding: Adding) -> Lockfile {
    Lockfile::open(&context.lock_file, adding).unwrap()
}

fn packages(context: &Context, lock: &Lockfile) -> anyhow::Result<Vec<DebianPackage>> {
    debian::locked_packages(context, lock, Target::named("riscv64").unwrap(), &[PACKAGE.to_owned()])
}

/// Returns a package that no archive has.
fn absent_package() -> DebianPackage {
    let file = format!("pool/main/b/busybox/{PACKAGE}_0_riscv64.deb");
    DebianPackage { file, sha256: Digest::of("content") }
}

#[test]
fn first_use_locks_what_the_archive_has() {
    let context = TestEnv::new().context();
    let found = packages(&context, &lock(&context, Adding::Allowed)).unwrap();
    assert_eq!(found[0].name(), PACKAGE);
    let text = fs::read_to_string(&context.lock_file).unwrap();
    assert!(text.contains("\"trixie riscv64\"") && text.contains(found[0].sha256.as_str()), "{text}");
    let context = Context { network: Network::Forbidden, ..context };
    assert_eq!(packages(&context, &lock(&context, Adding::Forbidden)).unwrap(), found, "apt is not asked");
}

#[test]
fn locked_build_refuses_a_new_package() {
    let context = TestEnv::new().context();
    let error = packages(&context, &lock(&context, Adding::Forbidden)).unwrap_err().to_string();
    assert!(error.contains("cargo xtask bump --debian busybox-static"), "{error}");
}

/// Writes a lockfile with that package.
fn lock_absent_package(path: &Path) {
    let packages = json!({"trixie riscv64": {PACKAGE: absent_package()}});
    fs::write(path, json!({"debian": packages}).to_string()).unwrap();
}

#[test]
fn vanished_package_names_bump() {
    let server = Server::start(|_, _| http::status("404 Not Found"));
    let env = TestEnv::new();
    let context = Context { debian_mirror: Some(server.url.clone()), ..env.context() };
    lock_absent_package(&context.lock_file);
    let error = format!("{:#}", packages(&context, &lock(&context, Adding::Forbidden)).unwrap_err());
    assert!(error.contains("busybox-static 0 cannot be fetched from Debian's archive"), "{error}");
    assert!(error.contains("cargo xtask bump --debian busybox-static"), "{error}");
}

#[test]
fn changed_package_is_not_used() {
    let server = Server::start(|_, _| http::whole(b"other content"));
    let context = Context { debian_mirror: Some(server.url.clone()), ..TestEnv::new().context() };
    let error = format!("{:#}", debian::fetch(&context, &absent_package()).unwrap_err());
    assert!(error.contains("has another checksum than expected"), "{error}");
}

#[test]
fn bump_replaces_a_package() {
    let env = TestEnv::new();
    let path = env.path("k3s.lock.json");
    lock_absent_package(&path);
    let printed = env.succeeds(["bump", "--debian", PACKAGE]);
    assert!(printed.contains("changed busybox-static of Debian trixie riscv64"), "{printed}");
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&absent_package().file) && text.contains("busybox-static_1."), "{text}");
    assert!(text.contains("_arm64.deb") && text.contains("_amd64.deb"), "{text}");
}

#[test]
fn module_with_other_checksums_is_refused() {
    let context = TestEnv::new().context();
    let lock = lock(&context, Adding::Allowed);
    let sums = |files: &str| ModuleSums { files: files.to_owned(), go_mod: "h1:c=".to_owned() };
    lock.agree_on_module(&context, "example.com/m v1.0.0", &sums("h1:a=")).unwrap();
    assert_eq!(lock.go_sum(), "example.com/m v1.0.0 h1:a=\nexample.com/m v1.0.0/go.mod h1:c=\n");
    let error =
        lock.agree_on_module(&context, "example.com/m v1.0.0", &sums("h1:b=")).unwrap_err().to_string();
    assert!(error.contains("example.com/m v1.0.0 has changed"), "{error}");
    let locked = Lockfile::open(&context.lock_file, Adding::Forbidden).unwrap();
    let error =
        locked.agree_on_module(&context, "example.com/n v1.0.0", &sums("h1:a=")).unwrap_err().to_string();
    assert!(error.contains("cargo xtask bump --module example.com/n@v1.0.0"), "{error}");
}
