//! One file for each command of the command line.

pub mod arch_args;
pub mod bench;
pub mod boot;
pub mod build;
pub mod bump;
pub mod cache;
pub mod doctor;
pub mod images;
pub mod patch;
pub mod pause;
pub mod release;
pub mod rpm;
pub mod source_args;
pub mod test;
