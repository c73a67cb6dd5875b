//! Boot tests of a release in a riscv64 VM, before a user installs it.
//!
//! ```text
//! Debian's packages ─► guest: kernel, initrd, disk ─┐
//! product, packages ─► proof ─► payload: a disk ────┴► machine ─► run ─► record, page
//! ```
//!
//! The guest is built without root and boots without a network. The assertions are in `boot/scenario/*.sh`,
//! which the guest's systemd runs from the payload; each milestone they reach is one line on a console of
//! their own, which the host reads.

pub mod artifacts;
pub mod disk;
pub mod guest;
pub mod machine;
pub mod milestone;
pub mod page;
pub mod payload;
pub mod protocol;
pub mod results;
pub mod scenario;
pub mod shell;
pub mod vm_run;
pub mod watch;

use crate::target::Target;
use crate::userns;
use anyhow::Result;

/// Returns the tools that a boot needs, by their names in doctor's table.
pub fn tools() -> Vec<&'static str> {
    let mut names = vec!["qemu-system-riscv64", "mke2fs", "depmod", "Debian's packages"];
    // A user other than root writes the disks in a user namespace.
    names.extend((!userns::is_root()).then_some("user namespaces"));
    names
}

/// Returns the target whose architecture is booted.
pub fn target() -> Result<&'static Target> {
    Target::named("riscv64")
}
