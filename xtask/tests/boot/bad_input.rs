//! Tests of input that is refused before any VM is started.

use crate::needs;
use crate::test_env::TestEnv;
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns an environment in which every tool seems to exist, so that a missing tool is not the error.
fn test_env() -> TestEnv {
    let mut env = TestEnv::new();
    for tool in ["qemu-system-riscv64", "mke2fs", "depmod", "rpmbuild", "createrepo_c"] {
        env.put_program(tool, "echo version 1");
    }
    env
}

#[test]
fn names_the_command_that_installs_qemu() {
    let mut env = TestEnv::new();
    env.set("PATH", env.path("nothing"));
    let stderr = env.fails(["boot", "--sample"]);
    let tools = "qemu-system-riscv64, mke2fs, depmod, rpmbuild, createrepo_c";
    assert!(stderr.contains(&format!("not found: {tools}")), "{stderr}");
    assert!(stderr.contains("qemu-system"), "{stderr}");
}

#[test]
fn cgroup_v1_alone_needs_a_compiler() {
    let mut env = TestEnv::new();
    env.set("PATH", env.path("nothing"));
    let stderr = env.fails(["boot", "--binary", "k3s", "--scenario", "cgroup-v1"]);
    assert!(stderr.contains("make, flex, bison, bc, xz, gcc, gcc for riscv64"), "{stderr}");
    let stderr = env.fails(["boot", "--binary", "k3s", "--scenario", "alone"]);
    assert!(!stderr.contains("bison"), "{stderr}");
}

#[test]
fn refuses_other_architectures() {
    let env = test_env();
    let stderr = env.fails(["boot", "--sample", "--arch", "arm64"]);
    assert!(stderr.contains("boot tests run on riscv64; --arch arm64 cannot run there"), "{stderr}");

    let stderr = env.fails(["boot", "--binary", env!("CARGO_BIN_EXE_xtask")]);
    assert!(stderr.contains("is not a k3s for riscv64"), "{stderr}");
    assert!(stderr.contains("ELF machine"), "{stderr}");
    let stderr = env.fails(["boot", "--binary", env.path("nowhere").to_str().unwrap()]);
    assert!(stderr.contains("nowhere"), "{stderr}");
}

#[test]
fn refuses_foreign_and_damaged_packages() {
    if !needs::programs("packages that cannot be booted", &[("rpmbuild", "rpm")]) {
        return;
    }
    let env = test_env();
    let foreign = package(&env, "aarch64");
    let stderr = env.fails(["boot", "--rpm", foreign.parent().unwrap().to_str().unwrap()]);
    assert!(stderr.contains("is for aarch64, and the VM is riscv64"), "{stderr}");

    let package = package(&env, "riscv64");
    let directory = package.parent().unwrap().to_str().unwrap();
    let server = env.fails(["boot", "--rpm", directory, "--scenario", "mixed"]);
    assert!(server.contains("--server names a directory with them"), "{server}");
    let renamed = package.with_file_name("k3s.rpm");
    fs::rename(&package, &renamed).unwrap();
    let stderr = env.fails(["boot", "--rpm", directory]);
    assert!(stderr.contains("k3s.rpm is the package k3s-"), "{stderr}");
    fs::rename(&renamed, &package).unwrap();

    let mut bytes = fs::read(&package).unwrap();
    let last = bytes.len() - 20;
    bytes[last] ^= 0xff;
    fs::write(&package, bytes).unwrap();
    let stderr = env.fails(["boot", "--rpm", package.parent().unwrap().to_str().unwrap()]);
    assert!(stderr.contains(package.to_str().unwrap()) && stderr.contains("is damaged"), "{stderr}");
}

#[test]
fn refuses_empty_directory_and_small_memory() {
    let env = test_env();
    fs::create_dir_all(env.path("empty")).unwrap();
    let stderr = env.fails(["boot", "--rpm", env.path("empty").to_str().unwrap()]);
    assert!(stderr.contains("no package of k3s in"), "{stderr}");

    let output = env.xtask(["boot", "--sample", "--memory", "64M"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && stderr.contains("no amount of memory from 512M up"), "{stderr}");
}

#[test]
fn refuses_directory_without_root_file_system() {
    let env = test_env();
    fs::create_dir_all(env.path("empty")).unwrap();
    let stderr = env.fails(["boot", "--sample", "--rootfs", env.path("empty").to_str().unwrap()]);
    assert!(stderr.contains("is not a root file system with systemd"), "{stderr}");
}

#[test]
fn shell_needs_a_terminal() {
    let stderr = test_env().fails(["boot", "--sample", "--shell"]);
    assert!(stderr.contains("--shell needs a terminal"), "{stderr}");
}

#[test]
fn refuses_scenarios_that_would_fail_before_a_build() {
    let env = test_env();
    for (words, reason) in [
        (&["--builtin-images", "none"][..], "with --builtin-images none there is none"),
        (&["--pause-image", "localhost:5000/pause:1"], "names a host"),
        (&["--scenario", "sample"], "--scenario sample does not apply to a real k3s"),
        (&["--sample", "--scenario", "alone"], "--scenario alone does not apply to --sample"),
        (&["--sample", "--scenario", "cgroup-v1"], "--scenario cgroup-v1 does not apply to --sample"),
        (&["--scenario", "upgrade"], "--earlier names a directory with them"),
        (&["--scenario", "bundled", "--k3s-root", "none"], "which --k3s-root none omits"),
        (&["--scenario", "default-node", "--charts", "none"], "which --charts none omits"),
        (&["--scenario", "registry-node", "--charts", "none"], "which --charts none omits"),
        (&["--scenario", "registry-node", "--builtin-images", "all"], "--builtin-images missing puts"),
    ] {
        let stderr = env.fails([&["boot"], words].concat());
        assert!(stderr.contains(reason), "{words:?}: {stderr}");
        assert!(!env.path("target/logs").exists(), "{words:?} has run a command: {stderr}");
    }
}

#[test]
fn images_need_a_binary_of_a_real_k3s() {
    for other in [&["--sample"][..], &["--rpm", "packages"]] {
        let stderr = test_env().usage_error([&["boot", "--images", "images"], other].concat());
        assert!(stderr.contains("cannot be used with"), "{other:?}: {stderr}");
    }
}

#[test]
fn refuses_the_old_option_proof() {
    for (old, new) in [("packages", "--scenario packages"), ("cure", "--scenario pause-image-fix")] {
        let output = test_env().xtask(["boot", "--sample", "--proof", old]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(new), "{stderr}");
    }
}

#[test]
fn refuses_the_old_option_no_builtin_pause() {
    let stderr = test_env().usage_error(["boot", "--sample", "--no-builtin-pause"]);
    assert!(stderr.contains("use --builtin-images none instead"), "{stderr}");
}

/// Writes an empty k3s package for an architecture, in a directory of its own.
fn package(env: &TestEnv, arch: &str) -> PathBuf {
    let top = env.path(format!("rpm-{arch}"));
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
