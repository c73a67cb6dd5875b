//! The script on this machine, as root of namespaces of its own, compared with what the commands themselves say.

use crate::host::{BUSYBOX, DASH, Report, UNSHARE, entries};
use crate::needs;
use std::process::Command;
use xtask::product::node_check;

/// Features, and the commands that try them.
const FEATURES: [(&str, &str); 6] = [
    ("veth", "ip link add one type veth peer name two"),
    ("bridge", "ip link add one type bridge"),
    ("vxlan", "ip link add one type vxlan id 7 dstport 8472"),
    ("xt_comment", "iptables -A FORWARD -m comment --comment x -j ACCEPT"),
    ("xt_statistic", "iptables -A FORWARD -m statistic --mode nth --every 2 --packet 0 -j ACCEPT"),
    ("xt_MASQUERADE", "iptables -t nat -A POSTROUTING -j MASQUERADE"),
];

/// Runs a script as root of namespaces for users, mounts and the network.
fn isolated(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--net", "sh", "-c"]);
    command.arg(format!(
        "PATH=$PATH:/usr/sbin:/sbin XTABLES_LOCKFILE=/dev/null; export PATH XTABLES_LOCKFILE\n{script}"
    ));
    command.env("LC_ALL", "C");
    command
}

#[test]
fn finds_what_the_commands_find() {
    let tools = [DASH, BUSYBOX, UNSHARE, ("ip", "iproute2"), ("iptables", "iptables")];
    if !needs::programs("the script on this machine", &tools)
        || !needs::namespaces("the script on this machine")
    {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("k3s-check");
    fs_err::write(&script, node_check::SCRIPT).unwrap();
    let data = directory.path().join("data");
    for shell in ["dash", "busybox ash"] {
        fs_err::create_dir_all(data.join("kept")).unwrap();
        let links = directory.path().join("links");
        let run = format!(
            "ip -brief link >{0}; {shell} {1} --json --data-dir {2}; status=$?; ip -brief link | cmp - {0} || exit 9
             iptables-save 2>/dev/null | grep k3s-check && exit 9; exit $status",
            links.display(),
            script.display(),
            data.display()
        );
        let report = Report::of(&isolated(&run).output().unwrap());
        let (passed, not_run) = (report.checks("passed"), report.checks("not_run"));
        for (feature, command) in FEATURES {
            let works = isolated(command).output().unwrap().status.success();
            // The shell of busybox may prefer its own `ip`.
            let other = shell != "dash" && not_run.contains(&feature);
            assert!(
                passed.contains(&feature) == works || other,
                "{shell}, {feature}: {works}, {}",
                report.json
            );
        }
        let fsync = passed.contains(&"fsync") || report.findings.contains_key("fsync");
        assert!(fsync && !not_run.contains(&"overlay"), "{}", report.json);
        // In its own network there is no route.
        assert_eq!(report.findings["default-route"], "fails");
        assert_eq!(report.status, 1);
        assert_eq!(entries(&data), ["kept"]);
    }
}
