//! Test of a root file system of the user's, under Debian's kernel.

use crate::machine;
use crate::place::Place;
use fs_err as fs;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use xtask::boot::guest::Guest;
use xtask::boot::payload::stub;

#[test]
fn a_root_file_system_of_ones_own_is_booted_and_its_own_rpm_knows_what_is_there() {
    let Some(_turn) = machine::turn("a root file system of one's own") else { return };
    let directory = machine::directory();
    let root = directory.path().join("root");
    make(&directory, &root);
    let place = Place::new();
    place.succeeds(["boot", "--sample", "--memory", "2G", "--rootfs", root.to_str().unwrap()]);
    let record = place.dist().join("v0.35.0+k3s1.sample/boot/boot.json");
    let record: Value = serde_json::from_slice(&fs::read(record).unwrap()).unwrap();
    assert_eq!(record["guest"]["distribution"], "A distribution of our own");
    assert_eq!(record["guest"]["packages"].as_array().unwrap().len(), 0);
    assert_eq!(record["proofs"][0]["failure"], Value::Null);
}

/// Makes a copy of Debian's root with another name, and with what rpm needs in its own database: no stub of the
/// distribution is installed then.
fn make(directory: &tempfile::TempDir, root: &Path) {
    let context = machine::context(directory);
    let guest = Guest::get(&context).unwrap();
    fs::create_dir(root).unwrap();
    let request = format!("rdump / {}", root.display());
    run(Command::new("debugfs").args(["-R", &request]).arg(guest.disk()));
    let modules = root.join("usr/lib/modules");
    fs::remove_dir_all(modules).unwrap();
    // The user's root must not contain the guest's own unit for the scenario.
    for ours in ["proof.service", "multi-user.target.wants/proof.service"] {
        fs::remove_file(root.join("etc/systemd/system").join(ours)).unwrap();
    }
    let name = root.join("etc/os-release");
    fs::remove_file(&name).unwrap();
    fs::write(name, "PRETTY_NAME=\"A distribution of our own\"\n").unwrap();
    let package = stub::build(&context, &guest.paths().unwrap().unwrap(), directory.path()).unwrap();
    let mut rpm = Command::new("unshare");
    // The path that the root's own rpm reads; this machine's rpm may use another one.
    rpm.args(["--map-root-user", "rpm", "--dbpath", "/var/lib/rpm", "--root"]).arg(root);
    run(rpm.args(["--install", "--force-debian"]).arg(package));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
