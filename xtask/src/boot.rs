//! Boot tests of a release in a riscv64 VM, before a user installs it.
//!
//! ```text
//! Debian's packages ─► guest: kernel, initrd, disk ─┐
//! product, packages ─► scenario ─► payload: a disk ─┴► VM ─► results, page
//! ```
//!
//! The guest is built without root and boots without a network. The assertions are in `boot/scenario/*.sh`,
//! which the guest's systemd runs from the payload. A script reports each milestone as a line on a console of
//! its own, which the host reads.

pub mod applicable;
pub mod artifacts;
pub mod disk;
pub mod earlier;
pub mod guest;
pub mod images;
pub mod kernel;
pub mod milestone;
pub mod page;
pub mod payload;
pub mod platform;
pub mod protocol;
pub mod results;
pub mod role;
pub mod run;
pub mod scenario;
pub mod shell;
pub mod vm;
pub mod watch;
pub mod write_log;

use crate::target::Target;
use anyhow::Result;

/// Returns the target under test.
pub fn target() -> Result<&'static Target> {
    platform::RISCV64.target()
}
