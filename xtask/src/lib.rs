//! From a k3s release to riscv64 RPMs.
//!
//! The modules stand in the order in which the data passes them; [`command`] holds one file for each
//! command of the command line.

// What every station uses.
pub mod claim;
pub mod context;
pub mod digest;
pub mod fetch;
pub mod pins;
pub mod process;
pub mod progress;
pub mod step;
pub mod target;

// The images that k3s needs before it can start a pod.
pub mod image;
