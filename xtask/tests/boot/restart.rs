//! Test of a VM that is restarted: a power cut loses what was not flushed, and nothing else.

use crate::vm::{self, context, directory, milestone, size};
use fs_err as fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use xtask::boot::disk;
use xtask::boot::guest::Guest;
use xtask::boot::platform::RISCV64;
use xtask::boot::role::Role;
use xtask::boot::vm::{Setup, Storage, Vm};
use xtask::boot::watch::watch;
use xtask::context::Context;

/// Size of the file system. The script writes to the blocks after it.
const SIZE: u64 = 16 << 20;

/// Returns a guest whose process 1 is the test's script.
fn guest(context: &Context, directory: &Path) -> Guest {
    let real = Guest::get(context, &RISCV64).unwrap();
    let root = directory.join("root");
    for name in ["bin", "dev", "proc", "usr/lib/systemd"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::copy(real.busybox(), root.join("bin/busybox")).unwrap();
    for applet in ["cat", "dd", "head", "mount", "reboot", "sleep", "sync", "yes"] {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    let init = root.join("usr/lib/systemd/systemd");
    fs::write(&init, include_str!("restart.sh")).unwrap();
    for executable in [init, root.join("bin/busybox")] {
        fs::set_permissions(executable, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(real.kernel(), directory.join("kernel")).unwrap();
    symlink(real.initrd(), directory.join("initrd")).unwrap();
    let disk = directory.join("disk.ext4");
    disk::write(context, &root, "guest", SIZE, &disk).unwrap();
    fs::OpenOptions::new().write(true).open(disk).unwrap().set_len(SIZE + (1 << 20)).unwrap();
    Guest { directory: directory.to_owned(), ..real }
}

#[test]
fn power_cut_loses_what_was_not_flushed() {
    let Some(_turn) = vm::turn("a VM that is restarted") else { return };
    let (directory, of_guest) = (directory(), directory());
    let context = context(&directory);
    let guest = guest(&context, of_guest.path());
    let payload = of_guest.path().join("payload");
    fs::write(&payload, [0; 4096]).unwrap();
    let setup =
        Setup { guest: &guest, payload: &payload, size: &size(), storage: Storage::Kept, role: Role::Alone };
    let before = fs::read(guest.disk()).unwrap();
    let mut vm = Vm::start(&context, setup, directory.path()).unwrap();
    let milestones = ["kernel", "systemd", "rebooted", "cut"].map(|name| milestone(name, 300));
    let outcome = watch(&mut vm, None, &milestones, &context.progress);
    let console = fs::read_to_string(vm.console_log()).unwrap();
    assert!(outcome.failure.is_none(), "{outcome:?}\n{console}");
    let facts: Vec<_> = outcome.facts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("written", "third"),
        ("flushed", "second"),
        ("not-flushed", "first"),
        ("power-cuts", "1"),
        ("unflushed", "4 KiB, which the disk has lost"),
    ];
    assert_eq!(facts, expected);
    assert_eq!(console.matches("Linux version").count(), 3, "{console}");
    assert_eq!(fs::read(guest.disk()).unwrap(), before, "the guest's own disk was written to");
}
