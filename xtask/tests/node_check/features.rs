//! Kernel features that are tried, with stubs that fail.

use crate::host::{Host, can_check, entries};
use fs_err as fs;

/// Part of a call that fails, and the check and the level of what is found.
const BROKEN: [(&str, &str, &str); 19] = [
    ("mount -t overlay", "overlay", "limit"),
    ("ip link add k3s-check type veth", "veth", "fails"),
    ("ip link add k3s-check type bridge", "bridge", "fails"),
    ("ip link add k3s-check type vxlan", "vxlan", "limit"),
    ("iptables -w -t nat -A POSTROUTING -j ACCEPT", "iptables-nat", "fails"),
    ("-m comment", "xt_comment", "fails"),
    ("-m statistic", "xt_statistic", "fails"),
    ("-j MASQUERADE", "xt_MASQUERADE", "fails"),
    ("-j DNAT", "xt_nat", "fails"),
    ("-m conntrack", "xt_conntrack", "fails"),
    ("-m addrtype", "xt_addrtype", "fails"),
    ("-j MARK", "xt_mark", "fails"),
    ("-m multiport", "xt_multiport", "limit"),
    ("-j REJECT", "iptables-reject", "limit"),
    ("ipset create", "ip_set", "limit"),
    ("-m set", "ip_set", "limit"),
    ("cpu.weight", "cpu.weight", "fails"),
    ("cpu.max", "cpu.max", "limit"),
    // Removal is tried, too.
    ("ip link delete", "bridge vxlan veth", "fails"),
];

#[test]
fn finds_what_does_not_work() {
    if !can_check("features") {
        return;
    }
    for (text, checks, level) in BROKEN {
        let host = Host::new();
        host.set("broken", text);
        let report = host.check();
        for check in checks.split(' ') {
            let expected = if check == "vxlan" { "limit" } else { level };
            assert_eq!(
                report.findings.get(check).map(String::as_str),
                Some(expected),
                "{text}: {}",
                report.json
            );
            assert!(report.text(check).contains("does not work: "), "{}", report.json);
        }
        assert_eq!(report.findings.len(), checks.split(' ').count(), "{text}: {}", report.json);
    }
    let host = Host::new();
    host.remove("proc/sys/net/bridge/bridge-nf-call-iptables");
    assert_eq!(host.check().findings, [("bridge-netfilter".to_owned(), "fails".to_owned())].into());
}

#[test]
fn finding_has_the_error_and_the_option() {
    if !can_check("the text of a feature") {
        return;
    }
    let host = Host::new();
    host.set("broken", "type vxlan");
    host.unset(&["VXLAN"]);
    let text = host.check().text("vxlan");
    assert!(text.starts_with("CONFIG_VXLAN is not set: no type vxlan here\n"), "{text}");
    // A module that cannot be loaded.
    let host = Host::new();
    host.set("broken", "xlan");
    let text = host.check().text("vxlan");
    assert!(text.starts_with("does not work: no xlan here no xlan here\n"), "{text}");
}

#[test]
fn works_although_the_configuration_says_otherwise() {
    if !can_check("a wrong configuration") {
        return;
    }
    let host = Host::new();
    host.unset(&["VXLAN", "VETH", "NETFILTER_XT_MATCH_COMMENT"]);
    assert_eq!(host.check().findings, [].into());
}

#[test]
fn everything_is_removed_and_modules_are_named() {
    if !can_check("removal") {
        return;
    }
    let host = Host::new();
    host.write("sys/fs/cgroup/cgroup.subtree_control", "memory pids\n");
    let report = host.check();
    assert_eq!(report.status, 0, "{}", report.json);
    let loaded: Vec<_> = report.json["modules_loaded"].as_array().unwrap().iter().collect();
    assert!(
        loaded.iter().any(|name| **name == "vxlan") && loaded.iter().all(|name| **name != "ext4"),
        "{loaded:?}"
    );
    assert_eq!(entries(&host.path("root/var/lib/rancher/k3s")), ["agent"]);
    let calls = host.calls();
    let count = |begin: &str, part: &str| {
        calls.lines().filter(|call| call.starts_with(begin) && call.contains(part)).count()
    };
    for (command, created, removed, expected) in [
        ("ip ", "link add", "link delete", 3),
        ("iptables ", " -A ", " -D ", 11),
        ("ipset ", "create", "destroy", 1),
        ("", "mount -t overlay", "umount ", 2),
    ] {
        assert_eq!((count(command, created), count(command, removed)), (expected, expected), "{calls}");
    }
    // The directory of a cgroup is removed before its controllers are disabled: cpuset is the last one that was enabled.
    assert!(calls.contains("sys/fs/cgroup/k3s-check."), "{calls}");
    assert_eq!(host.read("sys/fs/cgroup/cgroup.subtree_control"), "-cpu\n");
    assert!(!entries(&host.path("root/sys/fs/cgroup")).iter().any(|name| name.starts_with("k3s-check")));
    let holder = fs::read_to_string(host.path("holder")).unwrap();
    assert!(!std::path::Path::new("/proc").join(holder.trim()).exists(), "{holder}");
}

#[test]
fn lists_what_root_could_not_try() {
    if !can_check("what is not tried") {
        return;
    }
    // Each command that a probe needs, and what is not tried without it.
    for (command, checks) in [
        ("nsenter", &["overlay", "veth", "bridge", "vxlan", "xt_comment", "ip_set"][..]),
        // The module of vxlan could be loaded.
        ("ip -V", &["veth", "bridge"]),
        ("unshare", &["overlay", "veth", "bridge", "vxlan", "xt_comment", "ip_set"]),
    ] {
        let host = Host::new();
        host.set("broken", command);
        let report = host.check();
        let not_run = report.checks("not_run");
        assert!(report.findings.is_empty(), "{command}: {}", report.json);
        assert!(checks.iter().all(|check| not_run.contains(check)), "{command}: {}", report.json);
    }
}
