//! A riscv64 machine that is really booted, by qemu, and what becomes of it when something is wrong.

#[path = "../support/needs.rs"]
mod needs;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/place.rs"]
mod place;
#[path = "../support/site_macros.rs"]
mod site_macros;
#[path = "../support/wait.rs"]
mod wait;

mod bad_input;
mod broken;
mod endings;
mod machine;
mod rooms;
mod rootfs;
mod sample;
mod scripts;
