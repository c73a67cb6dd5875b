//! Tests of `cargo xtask images build` on the sample: a Go module, a Debian package and scripts become a bundle.

#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/http.rs"]
mod http;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/test_env.rs"]
mod test_env;

mod bundle;
mod locked;
mod refusals;
