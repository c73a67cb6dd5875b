//! The scripts of the package, run where it is installed.

use crate::lab::{former, told};
use crate::root::{Root, can_install};
use fs_err as fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Output};
use xtask::rpm::found;

const SETTINGS: &str = "/etc/sysconfig/k3s";
/// As upstream's installer writes them, in short.
pub const UPSTREAMS_UNINSTALL: &str = "#!/bin/sh\nK3S_DATA_DIR=${K3S_DATA_DIR:-/var/lib/rancher/k3s}\n\
    /usr/local/bin/k3s-killall.sh\nrm -rf /etc/rancher/k3s ${K3S_DATA_DIR}\n";
pub const UPSTREAMS_KILLALL: &str =
    "#!/bin/sh\nfor bin in /var/lib/rancher/k3s/data/**/bin/; do PATH=$PATH:$bin; done\n";

const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/k3s.service";

fn installed() -> Root {
    let root = Root::new();
    root.install(&[&former().k3s]);
    root
}

/// Runs `k3s-install.sh` with these variables and arguments.
fn install(root: &Root, words: &[&str]) -> Output {
    fs::write(root.path("/var/log/systemctl"), "").unwrap();
    let output = root.run(&[&["env", "INSTALL_K3S_SKIP_DOWNLOAD=true"], words].concat());
    assert!(!root.has("/var/log/forbidden"), "{}", root.read("/var/log/forbidden"));
    output
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn installing_in_upstreams_way_enables_the_packaged_unit_and_downloads_nothing() {
    if !can_install("k3s-install.sh") {
        return;
    }
    let root = installed();
    let before = root.read(SETTINGS);
    told(install(&root, &["k3s-install.sh"]));
    assert_eq!(root.read(SETTINGS), before, "there were no options to write");
    assert_eq!(root.link(WANTED), "/usr/lib/systemd/system/k3s.service");
    assert!(root.read("/var/log/systemctl").contains("restart k3s.service\n"));
    assert!(!root.has("/etc/systemd/system/k3s.service"), "a unit of its own would hide the packaged one");

    root.write("/run/active-k3s.service", "");
    let again = told(install(&root, &["k3s-install.sh"]));
    assert!(again.contains("no change"), "{again}");
    assert!(!root.read("/var/log/systemctl").contains("restart"));
}

#[test]
fn options_and_variables_are_written_down_so_that_systemd_and_sh_read_them_alike() {
    if !can_install("the settings that k3s-install.sh writes") {
        return;
    }
    let root = installed();
    let before = root.read(SETTINGS);
    let words = [
        "INSTALL_K3S_EXEC=server --disable=traefik --node-label 'a=b c'",
        "K3S_TOKEN=se\"c$r`e\\t 'x",
        "HTTP_PROXY=http://p:3128",
        "SOMETHING=else",
        "k3s-install.sh",
        "--x=q\"u\\o$te",
    ];
    told(install(&root, &words));
    let settings = root.read(SETTINGS);
    assert!(settings.starts_with(&before), "{settings}");
    assert_eq!(root.mode(SETTINGS), 0o600);
    let written: Vec<&str> = settings[before.len()..].lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        written,
        [
            r#"OPTIONS="--disable=traefik --node-label \"a=b c\" \"--x=q\\\"u\\\\o\$te\"""#,
            r#"HTTP_PROXY="http://p:3128""#,
            r#"K3S_TOKEN="se\"c\$r\`e\\t 'x""#,
        ]
    );
    let read =
        told(root.run(&["sh", "-c", ". /etc/sysconfig/k3s; printf '%s\\n' \"$K3S_TOKEN\" \"$OPTIONS\""]));
    assert_eq!(
        read.lines().collect::<Vec<_>>(),
        ["se\"c$r`e\\t 'x", r#"--disable=traefik --node-label "a=b c" "--x=q\"u\\o$te""#]
    );

    told(install(&root, &["k3s-install.sh"]));
    assert_eq!(root.read(SETTINGS), before, "the next run writes its own part anew");
}

#[test]
fn a_node_is_either_server_or_agent() {
    if !can_install("k3s-install.sh for an agent") {
        return;
    }
    let root = installed();
    let agent = ["K3S_URL=https://s:6443", "K3S_TOKEN=t", "k3s-install.sh", "--node-label=a=b"];
    told(install(&root, &["k3s-install.sh"]));
    let refused = install(&root, &agent);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("systemctl disable --now k3s.service"), "{}", said(&refused));
    fs::remove_file(root.path(WANTED)).unwrap();
    told(install(&root, &agent));
    let settings = root.read("/etc/sysconfig/k3s-agent");
    for line in ["OPTIONS=\"--node-label=a=b\"", "K3S_TOKEN=\"t\"", "K3S_URL=\"https://s:6443\""] {
        assert!(settings.lines().any(|found| found == line), "{line}: {settings}");
    }
    assert_eq!(
        root.link(&WANTED.replace("k3s.service", "k3s-agent.service")),
        "/usr/lib/systemd/system/k3s-agent.service"
    );
}

#[test]
fn what_a_package_settles_or_cannot_express_is_refused_before_anything_is_written() {
    if !can_install("what k3s-install.sh refuses") {
        return;
    }
    let root = installed();
    let before = root.read(SETTINGS);
    for (words, reason) in [
        (&["INSTALL_K3S_VERSION=v1", "k3s-install.sh"][..], "the package is the version"),
        (&["INSTALL_K3S_SKIP_DOWNLOAD=false", "k3s-install.sh"], "nothing is ever downloaded"),
        (&["INSTALL_K3S_BIN_DIR=/opt/bin", "k3s-install.sh"], "one place and name"),
        (&["K3S_URL=https://s", "k3s-install.sh"], "needs K3S_TOKEN"),
        (&["K3S_URL=http://s", "K3S_TOKEN=t", "k3s-install.sh"], "must begin with https://"),
        (&["k3s-install.sh", "etcd-snapshot"], "neither server, agent nor an option"),
        (&["INSTALL_K3S_EXEC=server 'x", "k3s-install.sh"], "cannot be split"),
        (&["K3S_TOKEN=a\nb", "k3s-install.sh", "server"], "holds a line break"),
    ] {
        let output = install(&root, words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(reason), "{words:?}: {}", said(&output));
        assert_eq!(root.read(SETTINGS), before);
        assert!(!root.has(WANTED));
    }
    let stray: Vec<String> =
        root.listing().into_iter().filter(|path| path.starts_with("etc/sysconfig/")).collect();
    assert_eq!(stray, ["etc/sysconfig/k3s", "etc/sysconfig/k3s-agent"]);
}

#[test]
fn the_unit_of_1_24_2_is_set_aside_when_its_owner_asks() {
    if !can_install("the takeover of an old unit") {
        return;
    }
    let root = installed();
    root.write(
        "/etc/systemd/system/k3s.service",
        "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n",
    );
    fs::create_dir_all(root.path(WANTED).parent().unwrap()).unwrap();
    symlink("/etc/systemd/system/k3s.service", root.path(WANTED)).unwrap();
    told(install(&root, &["k3s-install.sh"]));
    assert!(
        root.has("/etc/systemd/system/k3s.service.saved") && !root.has("/etc/systemd/system/k3s.service")
    );
    assert_eq!(root.link(WANTED), "/usr/lib/systemd/system/k3s.service");
}

#[test]
fn the_scripts_of_upstreams_installer_are_set_aside_and_nobody_elses() {
    if !can_install("the takeover of old scripts") {
        return;
    }
    let root = installed();
    let (killall, uninstall) = ("/usr/local/bin/k3s-killall.sh", "/usr/local/bin/k3s-uninstall.sh");
    root.program(uninstall, UPSTREAMS_UNINSTALL);
    root.program(killall, "#!/bin/sh\necho a script of the administrator\n");
    let done = told(install(&root, &["k3s-install.sh"]));
    assert!(done.contains(&format!("{uninstall}.saved")) && !done.contains(killall), "{done}");
    assert_eq!(root.read(&format!("{uninstall}.saved")), UPSTREAMS_UNINSTALL);
    assert!(!root.has(uninstall) && root.has(killall));
}

#[test]
fn uninstalling_asks_first_and_then_deletes_data_but_no_packaged_file() {
    if !can_install("k3s-uninstall.sh") {
        return;
    }
    let root = Root::new();
    root.install(&[&former().k3s, &former().pause_image]);
    let fresh = root.listing();
    let data =
        ["/var/lib/rancher/k3s/server/db/state.db", "/var/lib/kubelet/pods/u/v", "/etc/rancher/k3s/k3s.yaml"];
    let theirs = "/etc/rancher/k3s/config.yaml";
    for path in data.iter().chain([&theirs, &"/var/lib/rancher/k3s/agent/images/mine.tar"]) {
        root.write(path, "x\n");
    }
    let refused = root.run(&["k3s-uninstall.sh"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("add --yes"), "{}", said(&refused));
    assert!(data.iter().all(|path| root.has(path)));

    let done = told(root.run(&["k3s-uninstall.sh", "--yes"]));
    assert!(done.contains(&format!("kept: {theirs}")), "{done}");
    let left: Vec<String> = root.listing().difference(&fresh).cloned().collect();
    assert_eq!(left, [theirs[1..].to_owned()]);
    assert_eq!(root.changed(), [""; 0]);

    told(root.run(&["k3s-uninstall.sh", "--yes", "--purge"]));
    assert_eq!(root.listing(), fresh);
}

/// What k3s leaves in its data directory: the folder it unpacks itself into, and the rest.
fn write_moved_data(root: &Root, folder: &str) {
    let unpacked = "data/a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1/bin/k3s";
    for path in [unpacked, "server/db/state.db", "agent/images/mine.tar", "storage/pvc-1/volume"] {
        root.write(&format!("{folder}/{path}"), "x\n");
    }
}

#[test]
fn a_data_folder_that_cannot_be_k3s_is_not_emptied() {
    if !can_install("what k3s-uninstall.sh refuses") {
        return;
    }
    let root = installed();
    root.write("/srv/theirs/data/photo", "theirs\n");
    root.write("/var/lib/kubelet/x", "");
    let folders = ["/", "/usr", "/var/lib", "/etc/../etc", "relative", "/with blank", "/srv", "/srv/theirs"];
    for folder in folders {
        let variable = format!("K3S_DATA_DIR={folder}");
        let output = root.run(&["env", &variable, "k3s-uninstall.sh", "--yes"]);
        assert_eq!(output.status.code(), Some(1), "{folder}: {}", said(&output));
        assert_eq!(root.changed(), [""; 0], "{folder}");
        assert!(root.has("/var/lib/kubelet/x"), "{folder}");
    }
    root.write("/etc/rancher/k3s/config.yaml", "data-dir: /srv/theirs\n");
    let output = root.run(&["k3s-uninstall.sh", "--yes"]);
    assert!(said(&output).contains("no k3s has kept its data in /srv/theirs"), "{}", said(&output));
    assert!(root.has("/srv/theirs/data/photo") && root.has("/var/lib/kubelet/x"));
}

#[test]
fn of_a_moved_data_folder_only_what_k3s_has_made_is_deleted() {
    if !can_install("a data directory shared with its user") {
        return;
    }
    let root = installed();
    let before = root.listing();
    let config = "/etc/rancher/k3s/config.yaml";
    root.write(config, "data-dir: /mnt/ssd\n");
    write_moved_data(&root, "/mnt/ssd");
    root.write("/mnt/ssd/photos/one", "theirs\n");
    let done = told(root.run(&["k3s-uninstall.sh", "--yes"]));
    assert!(done.contains("kept: /mnt/ssd/photos (not of k3s)"), "{done}");
    let left = root.listing();
    let left: Vec<&str> = left.difference(&before).map(String::as_str).collect();
    assert_eq!(
        left,
        ["etc/rancher/k3s/config.yaml", "mnt", "mnt/ssd", "mnt/ssd/photos", "mnt/ssd/photos/one"]
    );

    // With nothing of k3s left in it, the rest can still be deleted.
    told(root.run(&["k3s-uninstall.sh", "--yes", "--purge"]));
    assert!(!root.has(config) && root.has("/mnt/ssd/photos/one"));

    root.write(config, "data-dir: /mnt/other\n");
    write_moved_data(&root, "/mnt/other");
    told(root.run(&["k3s-uninstall.sh", "--yes"]));
    assert!(!root.has("/mnt/other") && root.has("/mnt"), "a directory of k3s's alone goes with it");
}

#[test]
fn the_data_folder_is_found_wherever_k3s_is_told_of_it() {
    if !can_install("where k3s-uninstall.sh looks for the data directory") {
        return;
    }
    let root = installed();
    let config = ("/etc/rancher/k3s/config.yaml", "data-dir: /mnt/low");
    let agent = "/etc/default/k3s-agent";
    let unit = "/etc/systemd/system/k3s.service";
    let cases: &[&[(&str, &str)]] = &[
        &[(SETTINGS, r#"OPTIONS="--disable=traefik --data-dir=/mnt/x --debug""#), config],
        &[(SETTINGS, r#"OPTIONS="-d /mnt/x""#), config],
        &[(SETTINGS, r#"OPTIONS="-d=/mnt/low --data-dir \"/mnt/x\"""#)],
        &[("/etc/default/k3s", "OPTIONS=--data-dir=/mnt/x"), config],
        &[("/etc/default/k3s", "OPTIONS=--data-dir=/mnt/low"), (SETTINGS, "OPTIONS=--data-dir=/mnt/x")],
        &[(agent, "OPTIONS=--data-dir=/mnt/x\\\n --debug"), config],
        &[("/etc/systemd/system/k3s.service.env", "K3S_DATA_DIR='/mnt/x'")],
        &[
            (unit, "ExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--data-dir' \\\n\t'/mnt/x' \\\n"),
            config,
        ],
        &[(
            "/etc/systemd/system/k3s.service.d/moved.conf",
            "[Service]\nEnvironment=\"A=b\" \"K3S_DATA_DIR=/mnt/x\"",
        )],
        &[(config.0, "debug: true\n\"data-dir\": '/mnt/x/' # the ssd")],
        &[config, ("/etc/rancher/k3s/config.yaml.d/b.yml", "data-dir: /mnt/x")],
        &[config, (SETTINGS, "K3S_CONFIG_FILE=/etc/k3s.yaml"), ("/etc/k3s.yaml", "data-dir: /mnt/x")],
        &[config, (SETTINGS, "OPTIONS=\"-c /etc/k3s.yaml\""), ("/etc/k3s.yaml", "data-dir: /mnt/x")],
        &[config, (SETTINGS, "# OPTIONS=--data-dir=/mnt/none"), (agent, "OPTIONS=-d /mnt/x")],
    ];
    for files in cases {
        let settings = root.read(SETTINGS);
        for (path, text) in *files {
            // No end of the last line: each is read by itself.
            root.write(path, text);
        }
        write_moved_data(&root, "/mnt/x");
        write_moved_data(&root, "/mnt/low");
        let done = told(root.run(&["k3s-uninstall.sh", "--yes"]));
        assert!(!root.has("/mnt/x") && root.has("/mnt/low/server"), "{files:?}: {done}");
        for (path, _) in *files {
            fs::remove_file(root.path(path)).unwrap();
        }
        root.write(SETTINGS, &settings);
    }
}

#[test]
fn where_it_cannot_be_told_which_folder_k3s_has_used_nothing_is_deleted() {
    if !can_install("data directories that disagree") {
        return;
    }
    let root = installed();
    let settings = root.read(SETTINGS);
    let config = "/etc/rancher/k3s/config.yaml";
    write_moved_data(&root, "/mnt/x");
    write_moved_data(&root, "/mnt/y");
    let refused = |text: &str, yaml: &str, reason: &str| {
        root.write(SETTINGS, text);
        root.write(config, yaml);
        let output = root.run(&["k3s-uninstall.sh", "--yes"]);
        assert_eq!(output.status.code(), Some(1), "{text}{yaml}: {}", said(&output));
        assert!(said(&output).contains(reason), "{text}{yaml}: {}", said(&output));
        for path in ["/mnt/x/server", "/mnt/y/server", "/mnt/x/data", "/mnt/y/data"] {
            assert!(root.has(path), "{text}{yaml}: {path}");
        }
    };
    // k3s unpacks itself where the variable says, and keeps its data where the rest says.
    refused("K3S_DATA_DIR=/mnt/x\nOPTIONS=-d /mnt/y\n", "", "/mnt/x\n/mnt/y");
    refused("K3S_DATA_DIR=/mnt/x\n", "data-dir: /mnt/y\n", "/mnt/x\n/mnt/y");
    refused("", "data-dir+: /mnt/x\n", "in place of: data-dir+: /mnt/x");
    refused("", "{data-dir: /mnt/x}\n", "in place of: {data-dir: /mnt/x}");
    refused("", "d: /mnt/x\n", "in place of: d: /mnt/x");
    refused("K3S_CONFIG_FILE=https://config.example/k3s\n", "", "which cannot be read");
    // A server and an agent, neither of which is in use.
    root.write("/etc/sysconfig/k3s-agent", "OPTIONS=-d /mnt/x\n");
    refused("OPTIONS=-d /mnt/y\n", "", "/mnt/x\n/mnt/y");

    fs::create_dir_all(root.path(WANTED).parent().unwrap()).unwrap();
    symlink("/usr/lib/systemd/system/k3s.service", root.path(WANTED)).unwrap();
    told(root.run(&["k3s-uninstall.sh", "--yes"]));
    assert!(root.has("/mnt/x/server") && !root.has("/mnt/y"), "the server is the one in use");
    root.write(SETTINGS, &settings);
    told(root.run(&["env", "K3S_DATA_DIR=/mnt/x", "k3s-uninstall.sh", "--yes"]));
    assert!(!root.has("/mnt/x"), "what is said to the script itself settles it");
}

#[test]
fn nothing_is_deleted_where_k3s_could_not_be_ended() {
    if !can_install("an uninstall that killall refuses") {
        return;
    }
    let root = installed();
    root.write("/var/lib/kubelet/pods/u/v", "");
    root.program("/usr/bin/k3s-killall.sh", "#!/bin/sh\nexit 2\n");
    let output = root.run(&["k3s-uninstall.sh", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("nothing deleted"), "{}", said(&output));
    assert!(root.has("/var/lib/kubelet/pods/u/v"));
}

/// What the scripts below share: a root that is the whole machine for those in it, with programs that sleep. A
/// program is called by a link, since busybox acts by the name it is called by, and runs from where that leads.
const SLEEPERS: &str = r#"
mount -t proc proc /proc
data=/var/lib/rancher/k3s/data/$(printf 'a1%.0s' $(seq 32))/bin
ours=/run/k3s/containerd/containerd.sock
mkdir -p $data /run/k3s/x /var/lib/kubelet/pods/u /mnt
cp /bin/busybox $data/busybox
# What a shim waits for does not come, so that it outlives its container.
mkfifo /never
# shim PROGRAM NUMBER SOCKET [ARGUMENT...]: with a container that sleeps.
shim() {
    program=$1 number=$2 socket=$3
    shift 3
    mkdir -p "${program%/*}" "/calls/$number"
    [ -e "$program" ] || cp /bin/busybox "$program"
    ln -s "$program" "/calls/$number/sh"
    setsid "/calls/$number/sh" -c "/bin/busybox sleep 100$number & read x" shim -namespace k8s.io \
        -address "$socket" -id one "$@" <>/never &
}
# The bracket keeps grep from finding itself.
runs() { grep -qs "[1]00$1" /proc/[0-9]*/cmdline; }
# What sleeps, which a shim starts last: until then it may still be setsid.
sleeps() { grep -qszx "[1]00$1" /proc/[0-9]*/cmdline; }
all_run() {
    for number; do
        for _ in $(seq 100); do sleeps $number && break; sleep 0.1; done
        sleeps $number || echo "did not start: $number"
    done
}
what_is_left() {
    for number in 1 2 3 4 5 6; do if runs $number; then echo "runs $number"; fi; done
    sed 's/^[^ ]* \([^ ]*\) .*/mounted \1/' /proc/mounts | grep -E 'k3s|kubelet|mnt' || :
}
"#;

/// Starts a k3s, ends it, and tells what is left.
const END_ALL: &str = r#"
moved=/moved/data/$(printf 'b2%.0s' $(seq 32))/bin
$data/busybox sleep 1001 &
shim $data/containerd-shim-runc-v2 2 $ours
# The shim of another runtime, with the search path of the containerd that has started it.
PATH=$data:$PATH shim /usr/bin/containerd-shim-kata-v2 3 $ours
shim /usr/bin/containerd-shim-runc-v2 4 /run/other.sock -unlike $ours
sleep 1005 &
shim $moved/containerd-shim-runc-v2 6 $ours
all_run 1 2 3 4 5 6
# An upgrade replaces the programs, and k3s deletes the old ones.
rm -r /moved
mv /var/lib/kubelet '/srv/the kubelet' && ln -s '/srv/the kubelet' /var/lib/kubelet
mount -t tmpfs t /run/k3s/x && mount -t tmpfs t /run/k3s/x && mount -t tmpfs t /var/lib/kubelet/pods/u
mkdir /var/lib/kubelet/pods/u/deep && mount -t tmpfs t /var/lib/kubelet/pods/u/deep
mount -t tmpfs t /mnt
k3s-killall.sh
echo "status $?"
what_is_left
"#;

/// Runs a script of [`SLEEPERS`] and returns what it says.
#[track_caller]
fn among_sleepers(root: &Root, script: &str) -> String {
    for applet in ["mkfifo", "seq", "setsid"] {
        let link = root.path("/bin").join(applet);
        if !link.exists() {
            symlink("busybox", link).unwrap();
        }
    }
    fs::create_dir_all(root.path("/srv")).unwrap();
    root.write("/script.sh", &format!("{SLEEPERS}{script}"));
    told(alone(root, &["sh", "/script.sh"]).output().unwrap())
}

/// The lines that are not killall's own.
fn facts(said: &str) -> Vec<&str> {
    let facts =
        |line: &&str| ["status ", "runs ", "mounted ", "did "].iter().any(|word| line.starts_with(word));
    said.lines().filter(facts).collect()
}

#[test]
fn killall_ends_k3s_with_its_pods_and_mounts_and_nobody_elses() {
    if !can_install("k3s-killall.sh") {
        return;
    }
    let root = installed();
    let said = among_sleepers(&root, END_ALL);
    assert_eq!(facts(&said), ["status 0", "runs 4", "runs 5", "mounted /mnt"], "{said}");
    assert!(root.read("/var/log/systemctl").contains("stop k3s.service k3s-*.service\n"));
}

#[test]
fn killall_touches_nothing_while_another_kubernetes_runs() {
    if !can_install("k3s-killall.sh beside another Kubernetes") {
        return;
    }
    for (start, program) in [
        (
            "mkdir /calls; cp /bin/busybox /usr/bin/kubelet; ln -s /usr/bin/kubelet /calls/sleep; /calls/sleep 1002 &",
            "/usr/bin/kubelet",
        ),
        (
            "shim $rke2 2 $ours",
            "/var/lib/rancher/rke2/data/v1.33.1-rke2r1-0a1b2c3d4e5f/bin/containerd-shim-runc-v2",
        ),
        (
            "shim $rke2 2 /run/other.sock",
            "/var/lib/rancher/rke2/data/v1.33.1-rke2r1-0a1b2c3d4e5f/bin/containerd-shim-runc-v2",
        ),
        ("shim $rke2 2 $ours", "/moved/data/v1.33.1-rke2r1-0a1b2c3d4e5f/bin/containerd-shim-runc-v2"),
    ] {
        let root = installed();
        root.program("/usr/sbin/iptables-save", "#!/bin/sh\necho :KUBE-A - [0:0]\n");
        root.program("/usr/sbin/iptables-restore", "#!/bin/sh\ncat >/restored\n");
        let script = format!(
            "rke2={program}\n$data/busybox sleep 1001 &\n{start}\nall_run 1 2\n\
             mount -t tmpfs t /var/lib/kubelet/pods/u\nk3s-killall.sh 2>&1\necho \"status $?\"\nwhat_is_left\n"
        );
        fs::write(root.path("/var/log/systemctl"), "").unwrap();
        let said = among_sleepers(&root, &script);
        let kept = ["status 2", "runs 1", "runs 2", "mounted /var/lib/kubelet/pods/u"];
        assert_eq!(facts(&said), kept, "{said}");
        assert!(said.contains("another Kubernetes runs here") && said.contains(program), "{said}");
        assert_eq!(root.read("/var/log/systemctl"), "");
        assert!(!root.has("/restored"));
    }
}

#[test]
fn an_erase_ends_k3s_where_it_runs_and_leaves_a_machine_alone_where_it_does_not() {
    if !can_install("what the removal ends") {
        return;
    }
    let preun = &found::read(&former().k3s).unwrap().scriptlets["preun"];
    let erased = |unit: bool, start: &str| {
        let root = installed();
        root.write("/preun.sh", preun);
        if unit {
            root.write("/run/active-k3s.service", "");
        }
        fs::write(root.path("/var/log/systemctl"), "").unwrap();
        let script = format!(
            "{start}\nmount -t tmpfs t /var/lib/kubelet/pods/u\nsh /preun.sh 0 2>&1\necho \"status $?\"\nwhat_is_left\n"
        );
        let said = among_sleepers(&root, &script);
        (said, root.read("/var/log/systemctl"))
    };
    let kubelet = "mkdir /calls; cp /bin/busybox /usr/bin/kubelet; ln -s /usr/bin/kubelet /calls/sleep; /calls/sleep 1002 & all_run 2";
    let k3s = "shim $data/containerd-shim-runc-v2 1 $ours; all_run 1";

    let (said, systemctl) = erased(false, kubelet);
    assert_eq!(facts(&said), ["status 0", "runs 2", "mounted /var/lib/kubelet/pods/u"], "{said}");
    assert!(!said.contains("k3s-killall") && !systemctl.contains("stop"), "{said}{systemctl}");

    let (said, systemctl) = erased(false, k3s);
    assert_eq!(facts(&said), ["status 0"], "{said}");
    assert!(systemctl.contains("stop k3s.service"), "{systemctl}");

    let (said, systemctl) = erased(true, "");
    assert_eq!(facts(&said), ["status 0"], "{said}");
    assert!(systemctl.contains("stop k3s.service"), "{systemctl}");

    let (said, systemctl) = erased(true, kubelet);
    assert_eq!(facts(&said), ["status 0", "runs 2", "mounted /var/lib/kubelet/pods/u"], "{said}");
    assert!(said.contains("another Kubernetes runs here"), "{said}");
    assert!(systemctl.contains("disable k3s.service"), "the erase goes on: {systemctl}");
}

/// A program that is process 1 of a machine that consists of the root alone.
fn alone(root: &Root, words: &[&str]) -> Command {
    let mut command = Root::apart();
    command.arg("--root").arg(root.path("/"));
    command.args(words).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    command
}

#[test]
fn packet_filter_rules_are_written_back_only_where_nothing_is_lost() {
    if !can_install("the packet filter's part of k3s-killall.sh") {
        return;
    }
    let root = installed();
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
        let said = told(
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

    // A host whose iptables-save drops what newer tools have written.
    let (said, restored) = killall("*nat\n:KUBE-A - [0:0]\n-A CNI-HOSTPORT-MASQ -j MASQUERADE\nCOMMIT\n");
    assert_eq!(restored, "");
    assert!(said.contains("stay as they are until a reboot"), "{said}");

    root.write("/refuse", "");
    let (said, restored) = killall(ours);
    assert_eq!(restored, format!("--counters --test\n{kept}"), "{said}");
}
