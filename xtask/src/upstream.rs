//! Facts from upstream: the release, the commit, and everything its own files say about a build.

pub mod calls;
pub mod checkout;
pub mod git_cache;
pub mod images;
pub mod local;
pub mod probe;
pub mod recipe;
pub mod release;
pub mod script_probe;
pub mod selection;
pub mod transfer;
pub mod version;
