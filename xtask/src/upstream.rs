//! Facts from upstream: the release, the commit, and everything its own files say about a build.

pub mod calls;
pub mod checkout;
pub mod chosen;
pub mod facts;
pub mod git_cache;
pub mod gomod;
pub mod images;
pub mod local;
pub mod local_module;
pub mod recipe;
pub mod release;
pub mod script;
pub mod transfer;
pub mod version;
