//! Tests that boot a riscv64 VM with qemu, and tests of the errors of such a boot.

#[path = "../support/needs.rs"]
mod needs;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/test_env.rs"]
mod test_env;
#[path = "../support/site_macros.rs"]
mod site_macros;
#[path = "../support/wait.rs"]
mod wait;

mod bad_input;
mod failures;
mod network;
mod restart;
mod rootfs;
mod run_dirs;
mod sample;
mod scripts;
mod shutdown;
mod vm;
