//! Tests of guests that do not boot or whose disk is full: each fails at its milestone, within its timeout.

use crate::test_env::TestEnv;
use crate::vm::{self, boot, context, directory, milestone, running_below};
use fs_err as fs;
use std::path::Path;
use xtask::boot::artifacts::Artifacts;
use xtask::boot::guest::{About, Guest};
use xtask::boot::payload;
use xtask::boot::platform::RISCV64;
use xtask::boot::scenario::Scenario;

/// Returns a guest with this kernel, and with an initrd and a disk that cannot be booted.
fn guest(directory: &Path, kernel: &[u8]) -> Guest {
    fs::write(directory.join("kernel"), kernel).unwrap();
    fs::write(directory.join("initrd"), "no archive").unwrap();
    fs::write(directory.join("disk.ext4"), [0; 4096]).unwrap();
    let about = About { distribution: "none".into(), kernel: "none".into(), packages: vec![] };
    Guest { directory: directory.to_owned(), about, platform: &RISCV64, arguments: &[] }
}

/// Returns an image whose kernel is an endless loop (The RISC-V Instruction Set Manual, `jal x0, 0`).
fn hanging() -> Vec<u8> {
    let mut image = vec![0; 4096];
    image[..4].copy_from_slice(&0x0000_006f_u32.to_le_bytes());
    image[0x38..0x3c].copy_from_slice(b"RSC\x05");
    image
}

#[test]
fn hanging_guest_times_out() {
    let Some(_turn) = vm::turn("a guest that never boots") else { return };
    let directory = directory();
    let context = context(&directory);
    let guest = guest(directory.path(), &hanging());
    let payload = guest.disk();
    let outcome = boot(&context, &guest, &payload, directory.path(), &[milestone("kernel", 5)]);
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.milestone, "kernel");
    assert_eq!(failure.reason, "not reached within 5 s");
    assert_eq!(running_below(directory.path()), [0; 0]);
}

#[test]
fn kernel_panic_ends_the_vm() {
    let Some(_turn) = vm::turn("a kernel that panics") else { return };
    let directory = directory();
    let context = context(&directory);
    let real = Guest::get(&context, &RISCV64).unwrap();
    let guest = guest(directory.path(), &fs::read(real.kernel()).unwrap());
    let payload = guest.disk();
    let outcome = boot(&context, &guest, &payload, directory.path(), &[milestone("kernel", 300)]);
    assert_eq!(outcome.failure.unwrap().reason, "the VM has ended");
    let console = fs::read_to_string(directory.path().join("console.log")).unwrap();
    assert!(console.contains("Kernel panic"), "{console}");
}

#[test]
fn full_disk_is_in_the_evidence() {
    let Some(_turn) = vm::turn("a full disk inside") else { return };
    let env = TestEnv::new();
    env.succeeds(["rpm", "--sample"]);
    let packages = env.dist().join("v0.35.0+k3s1.sample/rpm/oe2403/riscv64");
    let directory = directory();
    let context = context(&directory);
    let guest = Guest::get(&context, &RISCV64).unwrap();
    let artifacts = Artifacts::from_packages(&context.dist, &packages, RISCV64.target().unwrap()).unwrap();
    let content = directory.path().join("payload");
    payload::gather(&context, &guest, &[&guest], &artifacts, Scenario::Sample, &content).unwrap();
    let script = fs::read_to_string(content.join("run.sh")).unwrap();
    // The commands that fill the disk print nothing, so that the error is not theirs.
    let fill = "fallocate --length \"$(df --output=avail --block-size=1 / | tail -n 1)\" /full 2>/dev/null || :\n\
                dd if=/dev/zero of=/fuller bs=4k 2>/dev/null || :\nstep packages ";
    fs::write(content.join("run.sh"), script.replace("step packages ", fill)).unwrap();
    let payload = payload::pack(&context, &content).unwrap();
    let outcome = boot(&context, &guest, &payload, directory.path(), &Scenario::Sample.milestones());
    let failure = outcome.failure.unwrap();
    let console = fs::read_to_string(directory.path().join("console.log")).unwrap();
    assert_eq!(failure.milestone, "packages", "{failure:?}\n{console}");
    let evidence = failure.evidence["commands"].join("\n");
    // Messages of the kernel, of rpm's database, and of rpm's own check.
    let messages = ["No space left on device", "disk is full", "more space needed"];
    assert!(messages.iter().any(|message| evidence.contains(message)), "{failure:?}");
}
