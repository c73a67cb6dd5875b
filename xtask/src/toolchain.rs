//! Compilers and other tools, found or fetched at an exact version.

pub mod debian;
pub mod go;
pub mod go_tool;
pub mod gomod;
pub mod lint;
pub mod local_module;
pub mod module_cache;
pub mod python;
pub mod qemu;
pub mod rust;
pub mod spdx_tools;
pub mod tool_directory;
pub mod wheel;
pub mod zig;
