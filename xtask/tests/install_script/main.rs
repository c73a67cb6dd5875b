//! Tests of the patched installer: the sample's, which has the lines of upstream's that our patches change, in a root
//! directory of its own, with a server on the loopback that serves releases.

mod channels;
mod failures;
#[path = "../support/http.rs"]
mod http;
mod installing;
#[path = "../support/needs.rs"]
mod needs;
mod node;
mod script;
mod server;

use needs::programs;

/// Returns whether scripts can be run in a root directory here.
fn can_install(what: &str) -> bool {
    programs(what, &[("busybox", "busybox-static"), ("unshare", "util-linux")])
        && (nix::unistd::geteuid().is_root() || needs::namespaces(what))
}
