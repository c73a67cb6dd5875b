//! Upstream: its releases and commits, and everything that its own files say about a build.

pub mod calls;
pub mod checkout;
pub mod commands;
pub mod git_cache;
pub mod images;
pub mod layout;
pub mod lines;
pub mod local;
pub mod probe;
pub mod release;
pub mod script_probe;
pub mod selection;
pub mod transfer;
pub mod version;
