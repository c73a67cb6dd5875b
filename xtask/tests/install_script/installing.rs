//! Tests of installations that succeed.

use crate::can_install;
use crate::needs;
use crate::node::{Init, Node};
use crate::script::{LAYOUTS, Layout};
use crate::server::{Releases, binary};

const VERSION: &str = "v0.35.0+k3s1";
const NEWER: &str = "v0.35.1+k3s1";
const K3S: &str = "/usr/local/bin/k3s";
const UNIT: &str = "/etc/systemd/system/k3s.service";

#[test]
fn fresh_install_verifies_and_starts_in_every_layout() {
    if !can_install("fresh installations") {
        return;
    }
    for layout in LAYOUTS {
        let releases = Releases::of(&[VERSION]);
        let node = Node::new(Init::Systemd);
        let script = layout.patched(Some(&releases.url()));
        let run = node.install(&script, &["server", "--disable=traefik"]).expect_success();
        assert_eq!(node.read(K3S), binary(VERSION), "{layout:?}");
        assert_eq!(node.mode(K3S), 0o755);
        assert!(node.read(UNIT).contains("\nExecStart=/usr/local/bin/k3s server --disable=traefik\n"));
        assert_eq!(
            run.calls,
            [&*format!("systemctl enable {UNIT}"), "systemctl daemon-reload", "systemctl restart k3s"]
        );
        let below = "/download/v0.35.0%2Bk3s1";
        let requests = [
            "/latest",
            "/tag/v0.35.0%2Bk3s1",
            &format!("{below}/sha256sum-riscv64.txt"),
            &format!("{below}/k3s-riscv64"),
        ];
        assert_eq!(releases.requests(), requests, "{layout:?}");
        let bin = "usr/local/bin/";
        let installed = ["crictl", "ctr", "k3s", "k3s-killall.sh", "k3s-uninstall.sh", "kubectl"]
            .map(|name| format!("{bin}{name}"));
        let etc = ["k3s.service", "k3s.service.env"].map(|name| format!("etc/systemd/system/{name}"));
        assert_eq!(node.installed(), [&etc[..], &installed].concat(), "no temporary file is left");
    }
}

#[test]
fn curl_is_used_where_it_is_installed() {
    if !can_install("installations by curl") || !needs::programs("installations by curl", &[("curl", "curl")])
    {
        return;
    }
    let releases = Releases::of(&[VERSION]);
    let node = Node::new(Init::Systemd);
    node.add("curl");
    std::fs::remove_file(node.path("bin/wget")).unwrap();
    node.install(&Layout::Variable.patched(Some(&releases.url())), &[]).expect_success();
    assert_eq!(node.read(K3S), binary(VERSION));
}

#[test]
fn second_run_downloads_and_restarts_nothing() {
    if !can_install("a second run") {
        return;
    }
    let releases = Releases::of(&[VERSION]);
    let node = Node::new(Init::Systemd);
    let script = Layout::Variable.patched(Some(&releases.url()));
    node.install(&script, &[]).expect_success();
    let downloads = || releases.requests().iter().filter(|path| path.ends_with("/k3s-riscv64")).count();
    assert_eq!(downloads(), 1);
    let second = node.install(&script, &[]).expect_success();
    assert_eq!(downloads(), 1);
    assert!(!second.calls.iter().any(|call| call.contains("restart")), "{second:?}");
    let forced = node.install(&script, &["INSTALL_K3S_FORCE_RESTART=true"]).expect_success();
    assert!(forced.calls.contains(&"systemctl restart k3s".to_owned()), "{forced:?}");
}

#[test]
fn upgrade_replaces_binary_and_restarts() {
    if !can_install("an upgrade") {
        return;
    }
    let releases = Releases::of(&[VERSION]);
    let node = Node::new(Init::Systemd);
    let script = Layout::Variable.patched(Some(&releases.url()));
    node.install(&script, &[]).expect_success();
    releases.publish(NEWER);
    let upgrade = node.install(&script, &[]).expect_success();
    assert_eq!(node.read(K3S), binary(NEWER));
    assert!(upgrade.calls.contains(&"systemctl restart k3s".to_owned()), "{upgrade:?}");
    node.install(&script, &[&format!("INSTALL_K3S_VERSION={VERSION}")]).expect_success();
    assert_eq!(node.read(K3S), binary(VERSION), "a version that is given is installed");
}

#[test]
fn skipped_download_needs_no_server() {
    if !can_install("INSTALL_K3S_SKIP_DOWNLOAD") {
        return;
    }
    let node = Node::new(Init::Systemd);
    let script = Layout::Variable.patched(None);
    let said = node.install(&script, &["INSTALL_K3S_SKIP_DOWNLOAD=true"]).expect_failure();
    assert!(said.contains("Executable k3s binary not found at /usr/local/bin/k3s"), "{said}");
    node.program(K3S, &binary(VERSION));
    let run = node.install(&script, &["INSTALL_K3S_SKIP_DOWNLOAD=true"]).expect_success();
    assert!(run.calls.contains(&"systemctl restart k3s".to_owned()), "{run:?}");
}

#[test]
fn one_variable_moves_every_request_to_a_mirror() {
    if !can_install("a mirror") {
        return;
    }
    for layout in LAYOUTS {
        let (releases, mirror) = (Releases::of(&[NEWER]), Releases::of(&[VERSION]));
        let node = Node::new(Init::Systemd);
        let script = layout.patched(Some(&releases.url()));
        node.install(&script, &[&format!("INSTALL_K3S_ARTIFACT_URL={}/download", mirror.url())])
            .expect_success();
        assert_eq!(node.read(K3S), binary(VERSION), "{layout:?}");
        assert_eq!((releases.requests().len(), mirror.requests().len()), (0, 4), "{layout:?}");
    }
}

#[test]
fn mirror_of_files_serves_a_given_version() {
    if !can_install("a mirror of files") {
        return;
    }
    let mirror = Releases::of(&[VERSION]);
    let node = Node::new(Init::Systemd);
    let url = format!("INSTALL_K3S_ARTIFACT_URL={}/download", mirror.url());
    let version = format!("INSTALL_K3S_VERSION={VERSION}");
    node.install(&Layout::Variable.patched(None), &[&url, &version]).expect_success();
    assert_eq!(node.read(K3S), binary(VERSION));
    assert!(mirror.requests().iter().all(|path| path.starts_with("/download/")), "{:?}", mirror.requests());
}

#[test]
fn agent_gets_url_and_token() {
    if !can_install("an agent") {
        return;
    }
    let node = Node::new(Init::Systemd);
    node.program(K3S, &binary(VERSION));
    let script = Layout::Variable.patched(None);
    let skip = "INSTALL_K3S_SKIP_DOWNLOAD=true";
    let run = node.install(&script, &[skip, "K3S_URL=https://s:6443", "K3S_TOKEN=it's"]).expect_success();
    assert!(run.calls.contains(&"systemctl restart k3s-agent".to_owned()), "{run:?}");
    let settings = "/etc/systemd/system/k3s-agent.service.env";
    assert_eq!(node.mode(settings), 0o600);
    let said = node.read(settings);
    assert!(said.contains("K3S_URL='https://s:6443'\n") && said.contains("K3S_TOKEN="), "{said}");
    for (variables, reason) in [
        (&[skip, "K3S_URL=https://s:6443"][..], "K3S_TOKEN is not defined"),
        (&[skip, "K3S_URL=http://s:6443", "K3S_TOKEN=t"], "Only https:// URLs are supported"),
    ] {
        let said = node.install(&script, variables).expect_failure();
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn openrc_service_is_added_started_and_removed() {
    if !can_install("OpenRC") {
        return;
    }
    let releases = Releases::of(&[VERSION]);
    let node = Node::new(Init::OpenRc);
    let script = Layout::Variable.patched(Some(&releases.url()));
    let run = node.install(&script, &["INSTALL_K3S_EXEC=--disable=traefik", "K3S_TOKEN=t"]).expect_success();
    assert_eq!(run.calls, ["rc-update add k3s default", "openrc-run /etc/init.d/k3s restart"]);
    assert_eq!(node.mode("/etc/init.d/k3s"), 0o755);
    assert!(node.read("/etc/init.d/k3s").contains("--disable=traefik"));
    assert!(node.read("/etc/rancher/k3s/k3s.env").contains("K3S_TOKEN="));
    let run = node.run(&["k3s-uninstall.sh"]).expect_success();
    assert_eq!(run.calls, ["openrc-run /etc/init.d/k3s stop", "rc-update delete k3s default"]);
    assert_eq!(node.installed(), Vec::<String>::new());
}

#[test]
fn uninstall_removes_everything_but_another_service() {
    if !can_install("the removal") {
        return;
    }
    let node = Node::new(Init::Systemd);
    node.program(K3S, &binary(VERSION));
    let script = Layout::Variable.patched(None);
    let skip = "INSTALL_K3S_SKIP_DOWNLOAD=true";
    node.install(&script, &[skip]).expect_success();
    node.install(&script, &[skip, "K3S_URL=https://s:6443", "K3S_TOKEN=t"]).expect_success();
    node.write("/var/lib/rancher/k3s/data", "");
    let run = node.run(&["k3s-agent-uninstall.sh"]).expect_success();
    assert!(run.calls.contains(&"systemctl disable k3s-agent".to_owned()), "{run:?}");
    assert!(node.path(K3S).exists() && node.path(UNIT).exists());
    let run = node.run(&["k3s-uninstall.sh"]).expect_success();
    assert!(run.calls.contains(&"systemctl stop k3s.service".to_owned()), "{run:?}");
    assert_eq!(node.installed(), Vec::<String>::new());
}
