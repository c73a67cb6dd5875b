//! The compilers: found, or fetched at exactly the version that is meant.

pub mod debian;
pub mod go;
pub mod module_cache;
pub mod python;
pub mod rust;
pub mod zig;
