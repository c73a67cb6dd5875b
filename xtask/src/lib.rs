//! From a k3s release to riscv64 RPMs.
//!
//! The modules stand in the order in which the data passes them; [`command`] holds one file for each
//! command of the command line.

// The front door.
pub mod bench;
pub mod cli;
pub mod command;
pub mod error;

// What every station uses.
pub mod address;
pub mod alias;
pub mod archive;
pub mod context;
pub mod digest;
pub mod doctor;
pub mod fetch;
pub mod file_lock;
pub mod lockfile;
pub mod namespaces;
pub mod page;
pub mod pins;
pub mod process;
pub mod progress;
pub mod repository;
pub mod step;
pub mod storage;
pub mod target;
pub mod toolchain;
pub mod tree;
pub mod tree_path;
pub mod trust;
pub mod workspace;

// The stations: a release, its checkout and what that says; patches; the pause program and its image;
// the parts of k3s, the bundle and the binary; the product that is left in target/dist; what it
// took from elsewhere, for those who build it again; its packages; the machine on which all of it is
// proved; the release that carries it.
pub mod boot;
pub mod image;
pub mod interruptions;
pub mod k3s;
pub mod patch;
pub mod pause;
pub mod product;
pub mod release;
pub mod rpm;
pub mod run_directory;
pub mod sample;
pub mod upstream;
pub mod vendoring;
