//! The source package of the sample, built again where there is nothing else: no network, no home, no cache of
//! modules, crates or builds, and another person than the one who made it.

#[path = "../support/needs.rs"]
mod needs;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/place.rs"]
mod place;

mod bare_root;
mod rebuild;
