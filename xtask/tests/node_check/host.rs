//! A host of files, below `K3S_CHECK_ROOT`, and of stubs of the commands that look at the real machine.

use crate::needs;
use fs_err as fs;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use tempfile::TempDir;
use xtask::product::node_check;

pub const DASH: (&str, &str) = ("dash", "dash");
pub const BUSYBOX: (&str, &str) = ("busybox", "busybox-static");
pub const UNSHARE: (&str, &str) = ("unshare", "util-linux");

/// 2026-11-20, the time of the k3s that the script is for.
const TIME: i64 = 1_795_132_800;

const RELEASE: &str = "6.12.0-test";

pub const CPUINFO: &str = "processor\t: 0\nhart\t\t: 0\n\
    isa\t\t: rv64imafdcv_zicbom_zicboz_zicntr_zfhmin_zba_zbb_zbs_zkt\nmmu\t\t: sv39\nuarch\t\t: spacemit,x60\n\
    mvendorid\t: 0x710\nmarchid\t\t: 0x8000000058000001\n\n";

/// All options that the script looks for.
const OPTIONS: &str =
    "SECCOMP_FILTER POSIX_MQUEUE KEYS VETH BRIDGE FAIR_GROUP_SCHED CFS_BANDWIDTH CGROUP_BPF";

/// The same as modules, each with its name.
const MODULES: &str = "OVERLAY_FS overlay BRIDGE_NETFILTER br_netfilter VXLAN vxlan IP_NF_NAT nf_nat \
    NETFILTER_XT_MATCH_COMMENT xt_comment NETFILTER_XT_MATCH_STATISTIC xt_statistic \
    NETFILTER_XT_TARGET_MASQUERADE xt_MASQUERADE NETFILTER_XT_NAT xt_nat NETFILTER_XT_MATCH_CONNTRACK xt_conntrack \
    NETFILTER_XT_MATCH_ADDRTYPE xt_addrtype NETFILTER_XT_MARK xt_mark NETFILTER_XT_MATCH_MULTIPORT xt_multiport \
    IP_NF_TARGET_REJECT ipt_REJECT IP_SET ip_set_hash_ip";

/// Beginning of all stubs, which record their calls. A call with a text of `broken` fails, as `ip` does where
/// the kernel refuses something.
const STUB: &str = r#"#!/bin/sh
echo "${0##*/} $*" >>"$HOST/calls"
while read -r text; do
    case "${0##*/} $*" in *"$text"*) echo "no $text here" >&2 && exit 2 ;; esac
done <"$HOST/broken"
"#;

/// Stubs: commands, and what follows the beginning.
const STUBS: [(&str, &str); 14] = [
    ("id", "echo \"${USER_ID-0}\""),
    ("date", "cat \"$HOST/today\""),
    ("df", "cat \"$HOST/df\""),
    // Each fsync takes as many hundredths of a second of the host's uptime as `fsync` says.
    ("dd", r#"case $*:$(cat "$HOST/fsync") in
        *fsync*:[1-9]*) awk -v more="$(cat "$HOST/fsync")" '{ printf "%.2f 0\n", $1 + more / 100 }' \
            "$K3S_CHECK_ROOT/proc/uptime" >"$HOST/uptime" && cp "$HOST/uptime" "$K3S_CHECK_ROOT/proc/uptime" ;;
        esac"#,
    ),
    ("modprobe", "echo \"$1 16384 0 - Live 0x0\" >>\"$K3S_CHECK_ROOT/proc/modules\""),
    ("unshare", "shift 2; echo $$ >\"$HOST/holder\"; exec \"$@\""),
    ("nsenter", "shift 4; exec \"$@\""),
    ("ip", "case $* in -V) echo 'ip utility, iproute2-6.15.0' ;; esac"),
    ("iptables", "case $* in --version) cat \"$HOST/iptables\" ;; esac"),
    ("ipset", ":"),
    ("mount", ":"),
    ("umount", ":"),
    ("rmdir", "rm -r \"$1\""),
    // A directory in a cgroup hierarchy has files.
    ("mkdir", "/bin/mkdir \"$@\" && case $* in */sys/fs/cgroup/*)
        for file in cgroup.controllers cpu.weight cpu.max; do grep -qx \"$file\" \"$HOST/broken\" || : >\"$1/$file\"; done ;; esac"),
];

/// Commands of the shell of busybox itself that say something of this machine, as functions that call the stubs.
const BUSYBOX_STUBS: &str = "df() { \"$STUBS/df\" \"$@\"; }\ndate() { \"$STUBS/date\" \"$@\"; }\n";

/// The directory of all stubs.
static BIN: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in STUBS {
        install(directory.path(), name, &format!("{STUB}{text}\n"));
    }
    directory
});

/// Writes an executable by a child process: a file that is open for writing, perhaps in a child that another test has
/// just started, cannot be executed.
fn install(directory: &Path, name: &str, text: &str) {
    let source = tempfile::NamedTempFile::new().unwrap();
    fs::write(source.path(), text).unwrap();
    let mut install = Command::new("install");
    install.args(["-D", "--mode=755"]).arg(source.path()).arg(directory.join(name));
    assert!(install.status().unwrap().success());
}

pub struct Host {
    directory: TempDir,
}

/// The user that runs the script, and the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// Root, as far as the stubs say, in dash.
    Root,
    /// A user without privileges, in dash.
    Dash,
    /// The same in the shell of busybox, which prefers its own commands to other stubs than `BUSYBOX_STUBS`.
    Busybox,
}

impl Shell {
    fn user_id(self) -> &'static str {
        if self == Shell::Root { "0" } else { "1000" }
    }
}

/// Result of the script.
pub struct Report {
    pub status: i32,
    pub json: Value,
    /// The level of each finding, by its check.
    pub findings: BTreeMap<String, String>,
}

/// Returns whether hosts can be checked here.
pub fn can_check(what: &str) -> bool {
    needs::programs(what, &[DASH, BUSYBOX, UNSHARE])
}

impl Host {
    /// Returns a board on which nothing is missing.
    pub fn new() -> Host {
        let host = Host { directory: tempfile::tempdir().unwrap() };
        for (name, text) in [
            ("broken", ""),
            ("today", "2026-11-27\n"),
            (
                "df",
                "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda 31457280 9437184 20971520 31% /\n",
            ),
            ("fsync", "0\n"),
            ("iptables", "iptables v1.8.11 (nf_tables)\n"),
        ] {
            fs::write(host.directory.path().join(name), text).unwrap();
        }
        let options = OPTIONS.split(' ').map(|name| format!("CONFIG_{name}=y\n"));
        let modules: Vec<&str> = MODULES.split_whitespace().collect();
        let modular = modules.chunks(2).map(|pair| format!("CONFIG_{}=m\n", pair[0]));
        host.write(&format!("boot/config-{RELEASE}"), &options.chain(modular).collect::<String>());
        let files: Vec<_> =
            modules.chunks(2).map(|pair| format!("kernel/net/{}.ko.xz:\n", pair[1])).collect();
        host.write(&format!("lib/modules/{RELEASE}/modules.dep"), &files.concat());
        for (path, text) in [
            ("proc/cpuinfo", CPUINFO),
            ("proc/filesystems", "nodev\tproc\nnodev\tmqueue\n\text4\n"),
            ("proc/meminfo", "MemTotal:        3996000 kB\nMemFree:          100000 kB\n"),
            ("proc/modules", "ext4 999424 1 - Live 0x0\n"),
            ("proc/mounts", "/dev/sda / ext4 rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"),
            (
                "proc/net/route",
                "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                end0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
            ),
            ("proc/self/ns/ipc", ""),
            ("proc/self/ns/mnt", ""),
            ("proc/self/ns/net", ""),
            ("proc/self/ns/pid", ""),
            ("proc/self/ns/uts", ""),
            ("proc/sys/kernel/keys/root_maxkeys", "1000000\n"),
            ("proc/sys/kernel/osrelease", &format!("{RELEASE}\n")),
            ("proc/sys/kernel/seccomp/actions_avail", "kill_process errno allow\n"),
            ("proc/sys/net/bridge/bridge-nf-call-iptables", "1\n"),
            ("proc/uptime", "100.05 200.00\n"),
            ("sys/class/rtc/rtc0", "rtc\n"),
            ("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n"),
            ("sys/fs/cgroup/cgroup.subtree_control", "cpuset cpu io memory pids\n"),
            ("var/lib/rancher/k3s/agent/images/k3s-airgap-images-riscv64.tar.zst", ""),
        ] {
            host.write(path, text);
        }
        host
    }

    /// Returns a path of the host itself, or beside its files.
    pub fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path("root").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.path("root").join(path)).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path("root").join(path)).unwrap_or_default()
    }

    /// Changes the text of a file that contains the old one.
    pub fn replace(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path}: {text}");
        self.write(path, &text.replace(from, to));
    }

    /// Takes options out of the kernel's configuration.
    pub fn unset(&self, options: &[&str]) {
        let path = format!("boot/config-{RELEASE}");
        for option in options {
            let text = self.read(&path);
            let is_set = |line: &&str| line.starts_with(&format!("CONFIG_{option}="));
            assert_eq!(text.lines().filter(is_set).count(), 1, "{option}");
            let kept: String =
                text.lines().filter(|line| !is_set(line)).map(|line| format!("{line}\n")).collect();
            self.write(&path, &format!("{kept}# CONFIG_{option} is not set\n"));
        }
    }

    /// Lets a stub print this, or all calls with a text fail (`broken`).
    pub fn set(&self, name: &str, text: &str) {
        fs::write(self.path(name), format!("{text}\n")).unwrap();
    }

    pub fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }

    /// Replaces a stub on this host.
    pub fn stub(&self, name: &str, text: &str) {
        install(&self.path("bin"), name, text);
    }

    /// Returns the command that runs the script.
    pub fn command_in(&self, shell: Shell) -> Command {
        let script = self.path("k3s-check");
        let text = node_check::script(TIME);
        let text = if shell == Shell::Busybox { format!("{BUSYBOX_STUBS}{text}") } else { text };
        fs::write(&script, text).unwrap();
        // Not the stub of this name.
        let unshare = xtask::process::find("unshare").expect("unshare, which can_check requires");
        let user = [unshare.to_str().unwrap(), "--user", "--map-user=1000"];
        let words = match shell {
            Shell::Root => vec!["dash"],
            Shell::Dash => [&user[..], &["dash"]].concat(),
            Shell::Busybox => [&user[..], &["busybox", "ash"]].concat(),
        };
        let mut command = Command::new("env");
        command.args(words).arg(script).stdin(Stdio::null());
        let path = std::env::var("PATH").unwrap();
        command
            .env("PATH", format!("{}:{}:{path}", self.path("bin").display(), BIN.path().display()))
            .env("HOST", self.path(""))
            .env("STUBS", BIN.path());
        command.env("K3S_CHECK_ROOT", self.path("root")).env("USER_ID", shell.user_id());
        for name in ["LC_ALL", "LC_MESSAGES", "LANG"] {
            command.env_remove(name);
        }
        command
    }

    /// Checks the host as root.
    pub fn check(&self) -> Report {
        self.check_in(Shell::Root, "C")
    }

    pub fn check_in(&self, shell: Shell, locale: &str) -> Report {
        let mut command = self.command_in(shell);
        Report::of(&command.arg("--json").env("LC_ALL", locale).output().unwrap())
    }
}

impl Report {
    pub fn of(output: &Output) -> Report {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(errors, "", "{text}");
        let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let findings = json["findings"].as_array().unwrap().iter();
        let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
        let findings = findings.map(|finding| (text(finding, "check"), text(finding, "level"))).collect();
        Report { status: output.status.code().unwrap(), json, findings }
    }

    /// Returns the checks of a list, `passed` or `not_run`.
    pub fn checks(&self, list: &str) -> Vec<&str> {
        self.json[list].as_array().unwrap().iter().map(|entry| entry["check"].as_str().unwrap()).collect()
    }

    /// Returns a finding's text: what, why and the remedy.
    pub fn text(&self, check: &str) -> String {
        let findings = self.json["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["check"] == check);
        let found = found.unwrap_or_else(|| panic!("{check}: {:?}", self.findings));
        ["what", "why", "remedy"].map(|name| found[name].as_str().unwrap()).join("\n")
    }
}

/// Returns the names of a directory's entries.
pub fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
