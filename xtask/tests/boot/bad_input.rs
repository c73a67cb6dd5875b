//! Tests of what is refused before any VM is started: one clear error each.

use crate::needs;
use crate::place::Place;
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns a place on whose search path every tool seems to exist, so that no missing tool is what is refused.
fn place() -> Place {
    let mut place = Place::new();
    for tool in ["qemu-system-riscv64", "mke2fs", "depmod", "rpmbuild", "createrepo_c"] {
        place.put_program(tool, "echo version 1");
    }
    place
}

#[test]
fn without_qemu_the_line_that_installs_it_is_told() {
    let mut place = Place::new();
    place.set("PATH", place.path("nothing"));
    let told = place.fails(["boot", "--sample"]);
    let tools = "rpmbuild, createrepo_c, qemu-system-riscv64, mke2fs, depmod";
    assert!(told.contains(&format!("not found: {tools}")), "{told}");
    assert!(told.contains("qemu-system"), "{told}");
}

#[test]
fn another_architecture_is_refused() {
    let place = place();
    let told = place.fails(["boot", "--sample", "--arch", "arm64"]);
    assert!(told.contains("what is booted is a riscv64 machine; --arch arm64 cannot run on it"), "{told}");

    let told = place.fails(["boot", "--binary", env!("CARGO_BIN_EXE_xtask")]);
    assert!(told.contains("no k3s that could be booted on riscv64"), "{told}");
    assert!(told.contains("ELF machine"), "{told}");
    let told = place.fails(["boot", "--binary", place.path("nowhere").to_str().unwrap()]);
    assert!(told.contains("nowhere"), "{told}");
}

#[test]
fn packages_of_another_architecture_or_damaged_ones_are_refused_by_name() {
    if !needs::programs("packages that cannot be booted", &[("rpmbuild", "rpm")]) {
        return;
    }
    let place = place();
    let foreign = package(&place, "aarch64");
    let told = place.fails(["boot", "--rpm", foreign.parent().unwrap().to_str().unwrap()]);
    assert!(told.contains("is for aarch64, and what is booted is riscv64"), "{told}");

    let package = package(&place, "riscv64");
    let mut bytes = fs::read(&package).unwrap();
    let last = bytes.len() - 20;
    bytes[last] ^= 0xff;
    fs::write(&package, bytes).unwrap();
    let told = place.fails(["boot", "--rpm", package.parent().unwrap().to_str().unwrap()]);
    assert!(told.contains(package.to_str().unwrap()) && told.contains("is damaged"), "{told}");
}

#[test]
fn a_directory_without_packages_and_too_little_memory_are_refused() {
    let place = place();
    fs::create_dir_all(place.path("empty")).unwrap();
    let told = place.fails(["boot", "--rpm", place.path("empty").to_str().unwrap()]);
    assert!(told.contains("there is no package of k3s in"), "{told}");

    let output = place.xtask(["boot", "--sample", "--memory", "64M"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("no amount of memory from 512M up"), "{told}");
}

#[test]
fn a_directory_that_is_no_root_file_system_is_refused() {
    let place = place();
    fs::create_dir_all(place.path("empty")).unwrap();
    let told = place.fails(["boot", "--sample", "--rootfs", place.path("empty").to_str().unwrap()]);
    assert!(told.contains("is no directory with a root file system that systemd starts"), "{told}");
}

#[test]
fn a_shell_needs_a_terminal() {
    let told = place().fails(["boot", "--sample", "--shell"]);
    assert!(told.contains("--shell needs a terminal"), "{told}");
}

#[test]
fn what_cannot_come_to_a_good_end_is_refused_before_it_is_built() {
    let place = place();
    for (words, reason) in [
        (&["--no-builtin-pause"][..], "with --no-builtin-pause there is none"),
        (&["--pause-image", "localhost:5000/pause:1"], "names a host"),
        (&["--proof", "sample"], "--proof sample and a real k3s do not go together"),
        (&["--sample", "--proof", "alone"], "--proof alone and --sample do not go together"),
        (&["--proof", "bundled", "--k3s-root", "none"], "which --k3s-root none leaves out"),
    ] {
        let told = place.fails([&["boot"], words].concat());
        assert!(told.contains(reason), "{words:?}: {told}");
        assert!(!place.path("target/logs").exists(), "{words:?} has run something: {told}");
    }
}

/// Writes an empty k3s package for an architecture, in a directory of its own.
fn package(place: &Place, arch: &str) -> PathBuf {
    let top = place.path(format!("rpm-{arch}"));
    fs::create_dir_all(&top).unwrap();
    let spec = top.join("k3s.spec");
    let text = "Name: k3s\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nURL: x\nVendor: x\n\
                %global debug_package %{nil}\n%description\nx\n\
                %install\nmkdir -p %{buildroot}/etc\necho x >%{buildroot}/etc/x\n%files\n/etc/x\n";
    fs::write(&spec, text).unwrap();
    let mut command = Command::new("rpmbuild");
    command.args(["-bb", "--target", arch, "--define"]).arg(format!("_topdir {}", top.display()));
    let output = command.arg(&spec).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let package = top.join("RPMS").join(arch).join(format!("k3s-1-1.{arch}.rpm"));
    assert!(Path::new(&package).is_file());
    package
}
