//! Test of a root file system of the user's with Debian's kernel.

use crate::test_env::TestEnv;
use crate::vm;
use fs_err as fs;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use xtask::boot::guest::Guest;
use xtask::boot::payload::stub;
use xtask::boot::platform::RISCV64;

#[test]
fn boots_root_file_system_of_the_user() {
    let Some(_turn) = vm::turn("a root file system of the user's") else { return };
    let directory = vm::directory();
    let root = directory.path().join("root");
    write_root(&directory, &root);
    let env = TestEnv::new();
    env.succeeds(["boot", "--sample", "--memory", "2G", "--rootfs", root.to_str().unwrap()]);
    let results = env.dist().join("v0.35.0+k3s1.sample/boot/boot.json");
    let results: Value = serde_json::from_slice(&fs::read(results).unwrap()).unwrap();
    assert_eq!(results["guest"]["distribution"], "A distribution of our own");
    assert_eq!(results["guest"]["packages"].as_array().unwrap().len(), 0);
    assert_eq!(results["scenarios"][0]["failure"], Value::Null);
}

/// Writes a copy of Debian's root with another name, whose rpm database has the packages that k3s requires, so that the
/// scenario installs no stub of the distribution.
fn write_root(directory: &tempfile::TempDir, root: &Path) {
    let context = vm::context(directory);
    let guest = Guest::get(&context, &RISCV64).unwrap();
    fs::create_dir(root).unwrap();
    let request = format!("rdump / {}", root.display());
    run(Command::new("debugfs").args(["-R", &request]).arg(guest.disk()));
    let modules = root.join("usr/lib/modules");
    fs::remove_dir_all(modules).unwrap();
    // The user's root must not contain the guest's own unit for the scenario.
    for ours in ["scenario.service", "multi-user.target.wants/scenario.service"] {
        fs::remove_file(root.join("etc/systemd/system").join(ours)).unwrap();
    }
    let name = root.join("etc/os-release");
    fs::remove_file(&name).unwrap();
    fs::write(name, "PRETTY_NAME=\"A distribution of our own\"\n").unwrap();
    let package = stub::build(&context, &guest.paths().unwrap().unwrap(), directory.path()).unwrap();
    let mut rpm = Command::new("unshare");
    // The database of the root's own rpm. The host's rpm may have another path.
    rpm.args(["--map-root-user", "rpm", "--dbpath", "/var/lib/rpm", "--root"]).arg(root);
    run(rpm.args(["--install", "--force-debian"]).arg(package));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
