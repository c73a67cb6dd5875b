//! qemu's user emulation, which runs one program of another architecture (qemu-user(1)).

use crate::process;
use crate::target::Target;
use anyhow::{Context as _, Result};
use std::path::PathBuf;

/// Returns the emulator of a target's programs: the static one, else the one that needs the distribution's libraries.
pub fn find(target: &Target) -> Option<PathBuf> {
    let names = [format!("qemu-{}-static", target.rpm), format!("qemu-{}", target.rpm)];
    names.iter().find_map(|name| process::find(name))
}

/// Returns the emulator of a target's programs, or an error with the command that installs it.
pub fn require(target: &Target) -> Result<PathBuf> {
    find(target).with_context(|| {
        format!("qemu-{}-static is not found\n  cargo xtask doctor --fix --for build", target.rpm)
    })
}
