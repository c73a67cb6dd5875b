//! Tests of guests that do not boot or have no free space: each reports its milestone within its timeout.

use crate::machine::{self, context, directory, follow, milestone, running_below};
use crate::place::Place;
use fs_err as fs;
use std::path::Path;
use xtask::boot::artifacts::Subject;
use xtask::boot::guest::{About, Guest};
use xtask::boot::payload;
use xtask::boot::scenario::Proof;

/// Returns a guest of files that no guest can boot from.
fn guest(directory: &Path, kernel: &[u8]) -> Guest {
    fs::write(directory.join("kernel"), kernel).unwrap();
    fs::write(directory.join("initrd"), "no archive").unwrap();
    fs::write(directory.join("disk.ext4"), [0; 4096]).unwrap();
    let about = About { distribution: "none".into(), kernel: "none".into(), packages: vec![] };
    Guest { directory: directory.to_owned(), about }
}

/// Returns a kernel that jumps to itself for ever (The RISC-V Instruction Set Manual, `jal x0, 0`), with the
/// header of an image.
fn hanging() -> Vec<u8> {
    let mut image = vec![0; 4096];
    image[..4].copy_from_slice(&0x0000_006f_u32.to_le_bytes());
    image[0x38..0x3c].copy_from_slice(b"RSC\x05");
    image
}

#[test]
fn a_guest_that_never_boots_is_given_up_at_its_limit_and_no_machine_is_left() {
    let Some(_turn) = machine::turn("a guest that never boots") else { return };
    let directory = directory();
    let context = context(&directory);
    let guest = guest(directory.path(), &hanging());
    let payload = guest.disk();
    let outcome = follow(&context, &guest, &payload, directory.path(), &[milestone("kernel", 5)]);
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.milestone, "kernel");
    assert_eq!(failure.reason, "the machine has not come this far within 5 s");
    assert_eq!(running_below(directory.path()), [0; 0]);
}

#[test]
fn a_kernel_that_panics_ends_the_machine_and_the_console_tells_why() {
    let Some(_turn) = machine::turn("a kernel that panics") else { return };
    let directory = directory();
    let context = context(&directory);
    let real = Guest::get(&context).unwrap();
    let guest = guest(directory.path(), &fs::read(real.kernel()).unwrap());
    let payload = guest.disk();
    let outcome = follow(&context, &guest, &payload, directory.path(), &[milestone("kernel", 300)]);
    assert_eq!(outcome.failure.unwrap().reason, "the machine has ended");
    let console = fs::read_to_string(directory.path().join("console.log")).unwrap();
    assert!(console.contains("Kernel panic"), "{console}");
}

#[test]
fn a_full_disk_is_told_in_the_words_of_what_could_not_write() {
    let Some(_turn) = machine::turn("a full disk inside") else { return };
    let place = Place::new();
    place.succeeds(["rpm", "--sample"]);
    let packages = place.dist().join("v0.35.0+k3s1.sample/rpm/oe2403/riscv64");
    let directory = directory();
    let context = context(&directory);
    let guest = Guest::get(&context).unwrap();
    let subject = Subject::packages_in(&packages).unwrap();
    let content = directory.path().join("payload");
    payload::gather(&context, &guest, &subject, Proof::Sample, &content).unwrap();
    let script = fs::read_to_string(content.join("run.sh")).unwrap();
    // The command that fills the disk prints nothing, so that its own error is not the one that is found.
    let fill = "fallocate --length \"$(df --output=avail --block-size=1 / | tail -n 1)\" /full 2>/dev/null || :\n\
                dd if=/dev/zero of=/fuller bs=4k 2>/dev/null || :\nstep packages ";
    fs::write(content.join("run.sh"), script.replace("step packages ", fill)).unwrap();
    let payload = payload::write(&context, &content).unwrap();
    let outcome = follow(&context, &guest, &payload, directory.path(), &Proof::Sample.milestones());
    let failure = outcome.failure.unwrap();
    let console = fs::read_to_string(directory.path().join("console.log")).unwrap();
    assert_eq!(failure.milestone, "packages", "{failure:?}\n{console}");
    let told = failure.evidence["commands"].join("\n");
    // Messages of the kernel, of rpm's database, and of rpm before it begins.
    let words = ["No space left on device", "disk is full", "more space needed"];
    assert!(words.iter().any(|words| told.contains(words)), "{failure:?}");
}
