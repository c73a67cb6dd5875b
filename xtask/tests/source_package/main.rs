//! Tests of the sample's source package, rebuilt without anything else: no network, no home, no cache of modules,
//! crates or builds, and by another user than the one who built it.

#[path = "../support/needs.rs"]
mod needs;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/test_env.rs"]
mod test_env;

mod bare_root;
mod rebuild;
