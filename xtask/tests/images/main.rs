//! Tests of `cargo xtask images` on the sample: a Go module, a Debian package and scripts become a bundle, and lists in
//! a registry.

#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/containerd.rs"]
mod containerd;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/http.rs"]
mod http;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/needs.rs"]
mod needs;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/registry.rs"]
mod registry;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/test_env.rs"]
mod test_env;
#[path = "../support/wait.rs"]
mod wait;

mod bundle;
mod check;
mod k3s;
mod list;
mod locked;
mod node_registry;
mod push;
mod refusals;
mod sources;
