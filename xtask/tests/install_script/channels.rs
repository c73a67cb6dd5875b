//! Tests of the version that a channel names.

use crate::can_install;
use crate::node::{Init, Node};
use crate::script::Layout;
use crate::server::{Releases, binary};

const K3S: &str = "/usr/local/bin/k3s";

/// Releases of two lines, with a respin, a pre-release and a number of two digits.
const VERSIONS: [&str; 6] =
    ["v0.34.10+k3s1", "v0.34.10+k3s1-2", "v0.34.9+k3s1", "v0.34.11-rc1+k3s1", "v0.35.0+k3s1", "v0.35.1+k3s1"];

#[test]
fn channel_is_the_newest_of_our_releases() {
    if !can_install("channels") {
        return;
    }
    let releases = Releases::of(&VERSIONS);
    let script = Layout::Variable.patched(Some(&releases.url()));
    for (channel, version) in [
        ("stable", "v0.35.1+k3s1"),
        ("latest", "v0.35.1+k3s1"),
        ("v0.35", "v0.35.1+k3s1"),
        ("v0.34", "v0.34.10+k3s1-2"),
    ] {
        let node = Node::new(Init::Systemd);
        let run = node.install(&script, &[&format!("INSTALL_K3S_CHANNEL={channel}")]).expect_success();
        assert!(run.said.contains(&format!("Using {version} as release")), "{}", run.said);
        assert_eq!(node.read(K3S), binary(version), "{channel}");
    }
}

#[test]
fn channel_without_a_release_names_the_remedy() {
    if !can_install("channels without a release") {
        return;
    }
    let releases = Releases::of(&VERSIONS);
    let script = Layout::Variable.patched(Some(&releases.url()));
    for (variable, reason) in [
        ("INSTALL_K3S_CHANNEL=v0.3", "There is no release of channel v0.3 at http://"),
        ("INSTALL_K3S_CHANNEL=v0.33", "There is no release of channel v0.33 at http://"),
        ("INSTALL_K3S_CHANNEL=testing", "INSTALL_K3S_CHANNEL=testing is not one of our channels"),
        ("INSTALL_K3S_ARTIFACT_URL=http://127.0.0.1:1/download", "set INSTALL_K3S_VERSION to a version"),
    ] {
        let said = Node::new(Init::Systemd).install(&script, &[variable]).expect_failure();
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn queries_channel_server_of_the_user() {
    if !can_install("a channel server") {
        return;
    }
    let releases = Releases::of(&VERSIONS);
    let script = Layout::Variable.patched(Some(&releases.url()));
    let node = Node::new(Init::Systemd);
    let server = format!("INSTALL_K3S_CHANNEL_URL={}", releases.url());
    let run = node.install(&script, &[&server, "INSTALL_K3S_CHANNEL=v0.34"]);
    assert!(run.expect_failure().contains("Download failed"));
    assert_eq!(releases.requests()[0], "/v0.34", "the URL and the channel, which that server would redirect");
}
