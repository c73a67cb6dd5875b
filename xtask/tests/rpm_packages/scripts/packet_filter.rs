//! Tests of what `k3s-killall.sh` removes of the packet filter.

use super::where_installed;
use crate::packages::expect_success;
use crate::root::alone;
use fs_err as fs;

#[test]
pub fn packet_filter_rules_are_never_lost() {
    let Some(root) = where_installed("the packet filter's part of k3s-killall.sh") else { return };
    root.program("/usr/sbin/iptables-save", "#!/bin/sh\ncat /rules\n");
    root.program(
        "/usr/sbin/iptables-restore",
        "#!/bin/sh\necho \"$*\" >>/restored\ncat >>/restored\n[ ! -e /refuse ]\n",
    );
    let killall = |rules: &str| {
        root.write("/rules", rules);
        if root.has("/restored") {
            fs::remove_file(root.path("/restored")).unwrap();
        }
        let said = expect_success(
            alone(&root, &["sh", "-c", "mount -t proc proc /proc; exec k3s-killall.sh"]).output().unwrap(),
        );
        (said, if root.has("/restored") { root.read("/restored") } else { String::new() })
    };
    let ours = "*nat\n:KUBE-A - [0:0]\n[1:2] -A INPUT -j ACCEPT\n[0:0] -A INPUT -j KUBE-A\nCOMMIT\n";
    let kept = "*nat\n[1:2] -A INPUT -j ACCEPT\nCOMMIT\n";
    let (_, restored) = killall(ours);
    assert_eq!(restored, format!("--counters --test\n{kept}--counters\n{kept}"));

    let (_, restored) = killall(kept);
    assert_eq!(restored, "", "there was nothing of k3s");

    // podman's forwarded port, and rules of the administrator whose comments only sound like k3s's.
    let theirs = "*nat\n:CNI-HOSTPORT-DNAT - [0:0]\n:CNI-HOSTPORT-MASQ - [0:0]\n:CNI-DN-podman - [0:0]\n\
        -A PREROUTING -m comment --comment \"drop flannel shirts -j KUBE-A \" -j DROP\n\
        -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n\
        -A CNI-HOSTPORT-DNAT -m comment --comment \"dnat name: \\\"podman\\\" id: \\\"1\\\"\" -j CNI-DN-podman\n\
        -A CNI-DN-podman -p tcp -j DNAT --to-destination 10.88.0.2:80\n\
        -A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE\nCOMMIT\n";
    let (_, restored) = killall(theirs);
    assert_eq!(restored, "");
    let ours_too = theirs
        .replace(":CNI-DN-podman", ":CNI-DN-ours - [0:0]\n:FLANNEL-FWD - [0:0]\n:CNI-DN-podman")
        .replace(
            "COMMIT",
            "-A CNI-HOSTPORT-DNAT -m comment --comment \"dnat name: \\\"cbr0\\\" id: \\\"2\\\"\" -j CNI-DN-ours\n\
             -A CNI-DN-ours -p tcp -j DNAT --to-destination 10.42.0.2:80\n\
             -A POSTROUTING -s 10.42.0.0/16 -m comment --comment \"flanneld masq\" -j RETURN\n\
             -A FORWARD -m comment --comment \"flanneld forward\" -j FLANNEL-FWD\n\
             -A FORWARD -m comment --comment \"KUBE-ROUTER rule to explicitly ACCEPT traffic that comply to network policies\" \
             -m mark --mark 0x20000/0x20000 -j ACCEPT\nCOMMIT",
        );
    let (_, restored) = killall(&ours_too);
    assert_eq!(restored, format!("--counters --test\n{theirs}--counters\n{theirs}"));
    let alone: String = ours_too
        .lines()
        .filter(|line| !line.contains("podman"))
        .fold(String::new(), |all, line| all + line + "\n");
    let (_, restored) = killall(&alone);
    let others =
        "*nat\n-A PREROUTING -m comment --comment \"drop flannel shirts -j KUBE-A \" -j DROP\nCOMMIT\n";
    assert_eq!(restored, format!("--counters --test\n{others}--counters\n{others}"));

    // A host whose iptables-save omits what newer tools have written.
    let (said, restored) = killall("*nat\n:KUBE-A - [0:0]\n-A CNI-HOSTPORT-MASQ -j MASQUERADE\nCOMMIT\n");
    assert_eq!(restored, "");
    assert!(said.contains("stay as they are until a reboot"), "{said}");

    root.write("/refuse", "");
    let (said, restored) = killall(ours);
    assert_eq!(restored, format!("--counters --test\n{kept}"), "{said}");
}

#[test]
pub fn killall_deletes_sets_and_tables_of_k3s_alone() {
    let Some(root) = where_installed("sets and tables of the packet filter") else { return };
    root.program(
        "/usr/sbin/ipset",
        "#!/bin/sh\nprintf 'KUBE-A\\ninet6:KUBE-B\\nmine\\n'; echo \"ipset $*\" >>/called\n",
    );
    root.program("/usr/sbin/nft", "#!/bin/sh\necho \"nft $*\" >>/called\n");
    let script = "mount -t proc proc /proc; exec k3s-killall.sh";
    expect_success(alone(&root, &["sh", "-c", script]).output().unwrap());
    let expected = "ipset list -n\nipset destroy KUBE-A\nipset destroy inet6:KUBE-B\n\
        nft delete table ip kube-proxy\nnft delete table ip6 kube-proxy\n\
        nft delete table ip flannel-ipv4\nnft delete table ip6 flannel-ipv6\n";
    assert_eq!(root.read("/called"), expected);
}
