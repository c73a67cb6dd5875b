//! Tests of the sample's source package, rebuilt with nothing but the packages that it requires: no network, no cache of
//! modules, crates or builds, and by another user than the one who built it.

#[path = "../support/needs.rs"]
mod needs;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/test_env.rs"]
mod test_env;

mod bare_root;
mod distribution;
mod rebuild;
