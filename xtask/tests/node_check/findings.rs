//! Hosts on which something is missing: what the script finds, and its exit status.

use crate::host::{CPUINFO, Host, Shell, can_check};
use crate::needs;

/// A host: what is wrong with it, the change, and then level, check, and parts of the finding in English and Chinese.
type Case = (&'static str, fn(&Host), &'static str, &'static str, [&'static str; 2]);

/// Hosts that differ in their files.
const FILES: [Case; 17] = [
    (
        "vector 0.7, as mainline reports it",
        |host| host.write("proc/cpuinfo", "isa\t\t: rv64imafdc_zicntr_xtheadvector\nmmu\t\t: sv39\n"),
        "limit",
        "processor",
        ["vector extension 0.7", "0.7"],
    ),
    (
        "a route to half of the Internet",
        |host| host.replace("proc/net/route", "\t00000000\t0\t0\t0\n", "\t00000080\t0\t0\t0\n"),
        "fails",
        "default-route",
        ["no default route", "没有默认路由"],
    ),
    (
        "cgroup v1",
        |host| v1(host, ""),
        "limit",
        "cgroup",
        [
            "is v1, not v2\n*systemd.unified_cgroup_hierarchy=1*--kubelet-arg=fail-cgroupv1=false",
            "是 v1，不是 v2",
        ],
    ),
    (
        "hybrid hierarchy",
        |host| v1(host, "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"),
        "limit",
        "cgroup",
        ["is hybrid, not v2", "混合"],
    ),
    (
        "no hierarchy",
        |host| host.write("proc/mounts", "/dev/sda / ext4 rw 0 0\n"),
        "fails",
        "cgroup",
        ["no cgroup hierarchy is mounted", "没有挂载任何 cgroup 层级"],
    ),
    (
        "v2 without memory",
        |host| host.replace("sys/fs/cgroup/cgroup.controllers", " memory", ""),
        "fails",
        "cgroup-memory",
        ["no cgroup controller memory*CONFIG_MEMCG*cgroup_enable=memory", "没有 cgroup 控制器 memory"],
    ),
    (
        "v2 without cpu, as on the first kernels of the LicheePi 4A",
        |host| host.replace("sys/fs/cgroup/cgroup.controllers", "cpuset cpu", "cpuset"),
        "fails",
        "cgroup-cpu",
        ["no cgroup controller cpu\n*CONFIG_CGROUP_SCHED", "没有 cgroup 控制器 cpu\n"],
    ),
    (
        "a kernel without seccomp",
        |host| {
            host.remove("proc/sys/kernel/seccomp/actions_avail");
            host.unset(&["SECCOMP_FILTER"]);
        },
        "fails",
        "seccomp",
        ["CONFIG_SECCOMP_FILTER is not set", "没有启用 CONFIG_SECCOMP_FILTER"],
    ),
    (
        "a kernel without namespaces for PIDs",
        |host| host.remove("proc/self/ns/pid"),
        "fails",
        "namespaces",
        ["no namespaces of these kinds: pid\n", "内核没有这些命名空间： pid\n"],
    ),
    (
        "vector 0.7, as the vendor kernel of the TH1520 reports it",
        |host| {
            host.write("proc/cpuinfo", "isa\t\t: rv64imafdcvsu\nmmu\t\t: sv39\ncpu-vector\t: 0.7.1\n");
        },
        "limit",
        "processor",
        [
            "rva20, page tables sv39, vector extension 0.7, not 1.0\n*SIGILL",
            "rva20，页表 sv39，向量扩展为 0.7，不是 1.0\n",
        ],
    ),
    (
        "vector 0.7, as the kernels of the SG2042 report it",
        |host| {
            host.write(
                "proc/cpuinfo",
                "isa\t\t: rv64imafdcv\nmmu\t\t: sv39\nmvendorid\t: 0x5b7\nmarchid\t\t: 0x0\n",
            );
        },
        "limit",
        "processor",
        ["vector extension 0.7", "0.7"],
    ),
    (
        "a processor without double precision",
        |host| host.write("proc/cpuinfo", "isa\t\t: rv64imafc\nmmu\t\t: sv39\n"),
        "fails",
        "processor",
        ["rv64imafc has not all of rv64imafdc", "rv64imafc 不包含完整的 rv64imafdc"],
    ),
    (
        "no clock that keeps the time",
        |host| host.remove("sys/class/rtc/rtc0"),
        "limit",
        "rtc",
        ["no real-time clock*systemd-time-wait-sync", "没有实时时钟"],
    ),
    (
        "no default route",
        |host| host.write("proc/net/route", "Iface\tDestination\tGateway\nend0\t0001A8C0\t00000000\n"),
        "fails",
        "default-route",
        ["no default route*ip route add default", "没有默认路由"],
    ),
    (
        "little memory",
        |host| host.write("proc/meminfo", "MemTotal:        1000000 kB\n"),
        "limit",
        "memory",
        ["976 MiB*2 GiB", "976 MiB"],
    ),
    (
        "too little memory",
        |host| host.write("proc/meminfo", "MemTotal:        250000 kB\n"),
        "fails",
        "memory",
        ["244 MiB", "换用内存更大的开发板"],
    ),
    (
        "a default route of IPv6 that rejects",
        |host| {
            host.write("proc/net/route", "Iface\tDestination\tGateway\n");
            let zero = "0".repeat(32);
            host.write(
                "proc/net/ipv6_route",
                &format!("{zero} 00 {zero} 00 {zero} ffffffff 1 0 00200200 lo\n"),
            );
        },
        "fails",
        "default-route",
        ["no default route", "没有默认路由"],
    ),
];

/// Hosts whose kernels are configured otherwise, which matters where features cannot be tried.
const OPTIONS: [Case; 7] = [
    (
        "a kernel without BPF for cgroups",
        |host| host.unset(&["CGROUP_BPF"]),
        "fails",
        "cgroup-bpf",
        ["CONFIG_CGROUP_BPF is not set*devices", "没有启用 CONFIG_CGROUP_BPF"],
    ),
    (
        "a kernel without bandwidth control",
        |host| host.unset(&["CFS_BANDWIDTH"]),
        "limit",
        "cpu.max",
        [
            "CONFIG_CFS_BANDWIDTH is not set*CPU limit of every pod*--kubelet-arg=cpu-cfs-quota=false",
            "没有启用 CONFIG_CFS_BANDWIDTH",
        ],
    ),
    (
        "a kernel without vxlan",
        |host| host.unset(&["VXLAN"]),
        "limit",
        "vxlan",
        [
            "CONFIG_VXLAN is not set*flannel*module vxlan; or*--flannel-backend=host-gw",
            "没有启用 CONFIG_VXLAN*--flannel-backend=host-gw",
        ],
    ),
    (
        "a module that is not installed",
        |host| host.replace("lib/modules/6.12.0-test/modules.dep", "xt_statistic", "xt_other"),
        "fails",
        "xt_statistic",
        [
            "the module xt_statistic is not installed*endpoints*CONFIG_NETFILTER_XT_MATCH_STATISTIC",
            "没有安装模块 xt_statistic",
        ],
    ),
    (
        "a kernel without ip_set",
        |host| host.unset(&["IP_SET"]),
        "limit",
        "ip_set",
        ["CONFIG_IP_SET is not set*--disable-network-policy", "没有启用 CONFIG_IP_SET"],
    ),
    (
        "a kernel without MASQUERADE",
        |host| host.unset(&["NETFILTER_XT_TARGET_MASQUERADE"]),
        "fails",
        "xt_MASQUERADE",
        [
            "CONFIG_NETFILTER_XT_TARGET_MASQUERADE is not set",
            "没有启用 CONFIG_NETFILTER_XT_TARGET_MASQUERADE",
        ],
    ),
    (
        "a kernel without overlayfs",
        |host| host.unset(&["OVERLAY_FS"]),
        "limit",
        "overlay",
        ["CONFIG_OVERLAY_FS is not set*--snapshotter=native", "--snapshotter=native"],
    ),
];

/// Hosts whose commands answer otherwise, or that only root can look at.
const COMMANDS: [Case; 10] = [
    (
        "a disk that is too small",
        |host| host.set("df", "Filesystem\n/dev/sda 4194304 3394304 800000 81% /"),
        "fails",
        "disk-space",
        ["781 MiB (19 %)", "781 MiB（19%）"],
    ),
    (
        "the clock of a board without battery",
        |host| host.set("today", "1970-01-01"),
        "fails",
        "clock",
        [
            "says 1970-01-01, but this k3s is of 2026-11-20*certificates*systemd-timesyncd",
            "时钟显示 1970-01-01",
        ],
    ),
    (
        "a slow disk",
        |host| host.set("fsync", "25"),
        "limit",
        "fsync",
        ["fsync takes 250.0 ms*etcd needs 10 ms, SQLite 100 ms*SSD", "fsync 需要 250.0 ms"],
    ),
    (
        "a disk that is too slow",
        |host| host.set("fsync", "140"),
        "fails",
        "fsync",
        ["fsync takes 1400.0 ms", "fsync 需要 1400.0 ms"],
    ),
    (
        "a full disk",
        |host| host.set("df", "Filesystem\n/dev/sda 31457280 30457280 1000000 97% /"),
        "fails",
        "disk-space",
        ["976 MiB (3 %) free in /var/lib/rancher/k3s", "剩余 976 MiB（3%）"],
    ),
    (
        "a large disk of which the kubelet would evict pods",
        |host| host.set("df", "Filesystem\n/dev/sda 314572800 304572800 10000000 97% /"),
        "fails",
        "disk-space",
        ["9765 MiB (3 %)", "9765 MiB（3%）"],
    ),
    (
        "a small disk",
        |host| host.set("df", "Filesystem\n/dev/sda 4194304 1194304 3000000 29% /"),
        "limit",
        "disk-space",
        ["2929 MiB (71 %)", "2929 MiB（71%）"],
    ),
    (
        "the iptables of openEuler 20.03",
        |host| host.set("iptables", "iptables v1.8.1 (nf_tables)"),
        "limit",
        "iptables",
        ["iptables v1.8.1 (nf_tables)*--prefer-bundled-bin", "iptables v1.8.1 (nf_tables)"],
    ),
    (
        "no bundle of images",
        |host| host.remove("var/lib/rancher/k3s/agent/images/k3s-airgap-images-riscv64.tar.zst"),
        "limit",
        "images",
        ["has no k3s-airgap-images*ImagePullBackOff*registries.yaml", "没有 k3s-airgap-images"],
    ),
    (
        "a kernel whose cpu controller cannot be enabled",
        |host| {
            host.remove("sys/fs/cgroup/cgroup.subtree_control");
            std::fs::create_dir(host.path("root/sys/fs/cgroup/cgroup.subtree_control")).unwrap();
        },
        "fails",
        "cgroup-subtree",
        ["cannot be enabled*CONFIG_RT_GROUP_SCHED", "无法启用控制器"],
    ),
];

/// Mounts the hierarchies of v1, and what else is given.
fn v1(host: &Host, others: &str) {
    host.write(
        "proc/mounts",
        &format!(
            "tmpfs /sys/fs/cgroup tmpfs ro 0 0\n{others}cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
        ),
    );
    let controllers = ["cpuset", "cpu", "cpuacct", "memory", "pids"];
    let table: String = controllers.iter().map(|name| format!("{name}\t1\t1\t1\n")).collect();
    host.write("proc/cgroups", &format!("#subsys_name\thierarchy\tnum_cgroups\tenabled\n{table}"));
}

/// Checks that a text contains parts in this order, which `*` separates.
fn assert_contains(text: &str, parts: &str) {
    let mut rest = text;
    for part in parts.split('*') {
        let (_, after) = rest.split_once(part).unwrap_or_else(|| panic!("{part:?} is not in {text}"));
        rest = after;
    }
}

#[test]
fn good_host_passes() {
    if !can_check("a good host") {
        return;
    }
    let report = Host::new().check();
    assert_eq!(report.findings, [].into());
    assert_eq!((report.status, report.checks("not_run")), (0, vec![]), "{}", report.json);
    assert_eq!(report.json["status"], 0);
    assert_eq!(report.json["kernel"], "6.12.0-test");
    assert!(report.checks("passed").len() > 35, "{}", report.json);
}

/// Checks that the script finds this and nothing else.
fn assert_found(case: &Case, shell: Shell, locale: &str) {
    let (name, change, level, check, [english, chinese]) = case;
    let host = Host::new();
    change(&host);
    let report = host.check_in(shell, locale);
    let expected = [((*check).to_owned(), (*level).to_owned())].into();
    assert_eq!(report.findings, expected, "{shell:?}, {name}: {}", report.json);
    assert_eq!(report.status, if *level == "fails" { 1 } else { 2 }, "{shell:?}, {name}");
    assert_contains(&report.text(check), if locale == "C" { english } else { chinese });
}

#[test]
fn root_finds_what_commands_say() {
    if can_check("what commands say") {
        COMMANDS.iter().for_each(|case| assert_found(case, Shell::Root, "C"));
    }
}

#[test]
fn findings_of_commands_are_in_chinese_too() {
    if can_check("what commands say") {
        COMMANDS.iter().for_each(|case| assert_found(case, Shell::Root, "zh_CN.UTF-8"));
    }
}

#[test]
fn users_find_what_files_say() {
    if can_check("what files say") && needs::namespaces("what files say") {
        FILES.iter().chain(&OPTIONS).for_each(|case| assert_found(case, Shell::Dash, "C"));
    }
}

#[test]
fn busybox_finds_the_same_in_chinese() {
    if can_check("what files say") && needs::namespaces("what files say") {
        FILES.iter().chain(&OPTIONS).for_each(|case| assert_found(case, Shell::Busybox, "zh_CN.UTF-8"));
    }
}

#[test]
fn processors_of_boards_pass() {
    if !can_check("processors") {
        return;
    }
    for (cpuinfo, expected) in [
        (CPUINFO, "rva22, page tables sv39, vector extension: 1.0 (k3s needs rva20)"),
        (
            "isa\t\t: rv64imafdc_zicntr_zicsr_zifencei_zihpm_zba_zbb\nmmu\t\t: sv39\nuarch\t\t: sifive,u74-mc\n",
            "rva20, page tables sv39, vector extension: none (k3s needs rva20)",
        ),
        (
            "isa\t\t: rv64gcv_zfh_svinval\nmmu\t\t: sv48\nmvendorid\t: 0x5b7\nmarchid\t\t: 0x80000000090c0d00\n",
            "rva20, page tables sv48, vector extension: 1.0 (k3s needs rva20)",
        ),
    ] {
        let host = Host::new();
        host.write("proc/cpuinfo", cpuinfo);
        let report = host.check();
        let passed = report.json["passed"].as_array().unwrap().iter();
        let processor = passed.filter(|entry| entry["check"] == "processor").map(|entry| &entry["what"]);
        assert_eq!(processor.collect::<Vec<_>>(), [expected], "{}", report.json);
    }
}
