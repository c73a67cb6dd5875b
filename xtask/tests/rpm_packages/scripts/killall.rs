//! Tests of `k3s-killall.sh`, in a root with processes, mounts and rules of its own.

use super::{installed, where_installed};
use crate::needs;
use crate::packages::{expect_success, former};
use crate::root::{Root, alone, can_install};
use fs_err as fs;
use std::os::unix::fs::symlink;
use xtask::rpm::read;

/// Shell functions of the scripts below, for a root that is the complete machine to its processes, with programs
/// that sleep. A program is called by a link, since busybox acts by the name it is called by, and runs from the
/// link's target.
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
        until sleeps $number; do sleep 0.1; done
    done
}
what_is_left() {
    for number in 1 2 3 4 5 6; do if runs $number; then echo "runs $number"; fi; done
    sed 's/^[^ ]* \([^ ]*\) .*/mounted \1/' /proc/mounts | grep -E 'k3s|kubelet|mnt' || :
}
"#;

/// Script that starts a k3s, ends it, and prints what is left.
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

/// Runs a script with [`SLEEPERS`] and returns its output.
#[track_caller]
fn among_sleepers(root: &Root, script: &str) -> String {
    for applet in ["chroot", "mkfifo", "nsenter", "seq", "setsid", "unshare"] {
        let link = root.path("/bin").join(applet);
        if !link.exists() {
            symlink("busybox", link).unwrap();
        }
    }
    fs::create_dir_all(root.path("/srv")).unwrap();
    root.write("/script.sh", &format!("{SLEEPERS}{script}"));
    expect_success(alone(root, &["sh", "/script.sh"]).output().unwrap())
}

/// Returns the lines that killall did not print.
fn facts(said: &str) -> Vec<&str> {
    let facts =
        |line: &&str| ["status ", "runs ", "mounted ", "did "].iter().any(|word| line.starts_with(word));
    said.lines().filter(facts).collect()
}

#[test]
pub fn killall_ends_only_k3s_its_pods_and_mounts() {
    let Some(root) = where_installed("k3s-killall.sh") else { return };
    let said = among_sleepers(&root, END_ALL);
    assert_eq!(facts(&said), ["status 0", "runs 4", "runs 5", "mounted /mnt"], "{said}");
    assert!(root.read("/var/log/systemctl").contains("stop k3s.service k3s-*.service\n"));
}

/// Script that ends a k3s from other namespaces than those of process 1, as a scriptlet of rpm 4.20 does.
const UNSHARED: &str = r#"
shim $data/containerd-shim-runc-v2 1 $ours
all_run 1
mount -t tmpfs t /run/k3s/x
printf '#!/bin/sh\nreadlink /proc/self/ns/net >/network\n' >/bin/iptables-save
cp /bin/iptables-save /bin/iptables-restore
chmod 755 /bin/iptables-save /bin/iptables-restore
# unshare(1) needs a root that is a mount point.
mkdir /again && mount --bind / /again && mount -t proc proc /again/proc
chroot /again unshare -m -n k3s-killall.sh
echo "status $?"
[ "$(cat /network)" != "$(readlink /proc/1/ns/net)" ] || echo 'did filter in the network of the host'
what_is_left
"#;

#[test]
pub fn killall_acts_in_the_namespaces_of_the_host() {
    let Some(root) = where_installed("k3s-killall.sh in other namespaces") else { return };
    let said = among_sleepers(&root, UNSHARED);
    assert_eq!(facts(&said), ["status 0", "did filter in the network of the host"], "{said}");
}

#[test]
pub fn a_program_cannot_pass_for_other_processes() {
    let Some(root) = where_installed("a program whose name has lines") else { return };
    let script = r#"
/bin/busybox sleep 1001 &
victim=$!
directory="/srv/x
lrwxrwxrwx 1 0 0 0 Jan 1 00:00 /proc/$victim/exe -> $data"
mkdir -p "$directory" /calls
cp /bin/busybox "$directory/busybox"
ln -s "$directory/busybox" /calls/sleep
/calls/sleep 1002 &
all_run 1 2
k3s-killall.sh
echo "status $?"
what_is_left
"#;
    let said = among_sleepers(&root, script);
    assert_eq!(facts(&said), ["status 0", "runs 1", "runs 2"], "{said}");
}

#[test]
pub fn killall_considers_only_processes_of_root() {
    let what = "processes of a user beside k3s-killall.sh";
    if !nix::unistd::geteuid().is_root() {
        return needs::skip(what, "root, to start them");
    }
    let Some(root) = where_installed(what) else { return };
    root.write("/etc/passwd", "root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n");
    symlink("busybox", root.path("/bin/su")).unwrap();
    let script = r#"
shim $data/containerd-shim-runc-v2 1 $ours
mkdir -p /home /calls/2 /calls/3
for name in kubelet shim; do cp /bin/busybox /home/$name; done
ln -s /home/kubelet /calls/2/sleep
ln -s /home/shim /calls/3/sh
chmod 755 / /bin /bin/busybox /home /home/shim /calls /calls/*
# What may not be read may not be examined, and its files in /proc are root's.
chmod 711 /home/kubelet
chmod 666 /never
su user -c "exec /calls/2/sleep 1002" &
su user -c "PATH=$data exec /calls/3/sh -c '/bin/busybox sleep 1003 & read x' shim -address $ours <>/never" &
all_run 1 2 3
k3s-killall.sh
echo "status $?"
what_is_left
"#;
    let said = among_sleepers(&root, script);
    assert_eq!(facts(&said), ["status 0", "runs 2", "runs 3"], "{said}");
}

#[test]
pub fn killall_takes_the_networks_of_k3s_alone() {
    let Some(root) = where_installed("the networks of other engines") else { return };
    let script = r#"
shim $data/containerd-shim-runc-v2 1 $ours
all_run 1
mkdir -p /run/netns /var/lib/cni/results
for name in running ended podman; do : >/run/netns/cni-$name; done
mount -o bind /proc/self/ns/net /run/netns/cni-running
for name in ended podman; do mount -o bind /bin/busybox /run/netns/cni-$name; done
# A pod chooses its annotations.
echo '{"networkName":"cbr0","netns":"/run/netns/cni-ended","capabilityArgs":{"io.kubernetes.cri.pod-annotations":'\
'{"netns":"/run/netns/cni-podman"}}}' >/var/lib/cni/results/cbr0-1-eth0
echo '{"networkName":"podman","netns":"/run/netns/cni-podman"}' >/var/lib/cni/results/podman-1-eth0
k3s-killall.sh
echo "status $?"
for name in running ended podman; do [ ! -e /run/netns/cni-$name ] || echo "did keep $name"; done
"#;
    let said = among_sleepers(&root, script);
    assert_eq!(facts(&said), ["status 0", "did keep podman"], "{said}");
}

#[test]
pub fn killall_takes_bandwidth_interfaces_of_k3s_alone() {
    let Some(root) = where_installed("interfaces of the bandwidth plugin") else { return };
    // bwp, and the beginning of the SHA-512 of cbr01, the network and the pod sandbox. What is no interface stays.
    let script = "mount -t proc proc /proc
mkdir -p /sys/class/net/bwp1d7ef4f32705 /sys/class/net/bwp0123456789ab /var/lib/cni/results
echo '{\"name\":\"bwp0123456789ab\"}' >/var/lib/cni/results/cbr0-1-eth0
k3s-killall.sh 2>&1
echo \"status $?\"";
    let said = expect_success(alone(&root, &["sh", "-c", script]).output().unwrap());
    assert!(said.ends_with("(process ids, mounts, interfaces):\nbwp1d7ef4f32705\nstatus 1\n"), "{said}");
}

#[test]
pub fn killall_finds_volumes_of_a_moved_kubelet() {
    let Some(root) = where_installed("a kubelet with another directory") else { return };
    let script = r#"
shim $data/containerd-shim-runc-v2 1 $ours
all_run 1
for volume in /mnt/k/pods/u/volumes/kubernetes.io~projected/token /mnt/k/pods/u/volume-subpaths/a/b/0 \
    /mnt/k/plugins/kubernetes.io/csi/x/globalmount /mnt/pods/mine; do
    mkdir -p "$volume"
    mount -t tmpfs t "$volume"
done
k3s-killall.sh
echo "status $?"
what_is_left
"#;
    let said = among_sleepers(&root, script);
    assert_eq!(facts(&said), ["status 0", "mounted /mnt/pods/mine"], "{said}");
}

#[test]
pub fn killall_leaves_mounts_of_users() {
    let Some(root) = where_installed("FUSE mounts of users") else { return };
    let script = root.read("/usr/bin/k3s-killall.sh");
    root.program("/usr/bin/k3s-killall.sh", &script.replace("/proc/self/mounts", "/mounts"));
    let volume = "volumes/kubernetes.io~csi/v/mount fuse.x rw,nosuid";
    let lines = [
        format!("x /home/user/pods/u/{volume},user_id=1000,group_id=1000 0 0"),
        format!("x /mnt/pods/u/{volume},user_id=0,group_id=0 0 0"),
        format!("x /var/lib/kubelet/pods/u/{volume},user_id=1000,group_id=1000 0 0"),
    ];
    root.write("/mounts", &(lines.join("\n") + "\n"));
    // No such mounts exist, so those that it tries are reported.
    let script = "mount -t proc proc /proc; k3s-killall.sh 2>&1; echo \"status $?\"";
    let said = expect_success(alone(&root, &["sh", "-c", script]).output().unwrap());
    let tried = "/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/v/mount\n\
        /mnt/pods/u/volumes/kubernetes.io~csi/v/mount\nstatus 1\n";
    assert!(said.ends_with(&format!("interfaces):\n{tried}")), "{said}");
}

#[test]
pub fn killall_changes_nothing_beside_another_kubernetes() {
    if !can_install("k3s-killall.sh beside another Kubernetes") {
        return;
    }
    for (start, program) in [
        (
            "mkdir /calls; cp /bin/busybox /usr/bin/kubelet; ln -s /usr/bin/kubelet /calls/sleep; /calls/sleep 1002 &",
            "/usr/bin/kubelet",
        ),
        (
            "mkdir -p /calls /snap/m/bin; cp /bin/busybox /snap/m/bin/kubelite; ln -s /snap/m/bin/kubelite /calls/sleep; \
             /calls/sleep 1002 &",
            "/snap/m/bin/kubelite",
        ),
        (
            "mkdir /calls; cp /bin/busybox /usr/bin/microshift; ln -s /usr/bin/microshift /calls/sleep; /calls/sleep 1002 &",
            "/usr/bin/microshift",
        ),
        (
            "mkdir /calls; cp /bin/busybox /usr/bin/edgecore; ln -s /usr/bin/edgecore /calls/sleep; /calls/sleep 1002 &",
            "/usr/bin/edgecore",
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
pub fn erase_ends_a_running_k3s_only() {
    if !can_install("what the removal ends") {
        return;
    }
    let preun = &read::read(&former().k3s).unwrap().properties["scriptlet preun"];
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

    // A k3s of the administrator's own; then one that is the package's, by the link for openEuler's 1.24.2.
    let unit = |program: &str| {
        format!(
            "printf '[Service]\\nExecStart={program} \\\\\\n    server\\n' >/etc/systemd/system/k3s.service"
        )
    };
    let (said, systemctl) = erased(true, &format!("{k3s}; {}", unit("/usr/local/bin/k3s")));
    assert_eq!(facts(&said), ["status 0", "runs 1", "mounted /var/lib/kubelet/pods/u"], "{said}");
    assert!(said.contains("start another k3s: k3s.service"), "{said}");
    assert!(!systemctl.contains("stop") && !systemctl.contains("k3s.service"), "{systemctl}");
    let link = "ln -s ../../bin/k3s /usr/local/bin/k3s";
    let (said, systemctl) = erased(true, &format!("{k3s}; {link}; {}", unit("/usr/local/bin/k3s")));
    assert_eq!(facts(&said), ["status 0"], "{said}");
    assert!(systemctl.contains("stop k3s.service"), "{systemctl}");

    let (said, systemctl) = erased(true, kubelet);
    assert_eq!(facts(&said), ["status 0", "runs 2", "mounted /var/lib/kubelet/pods/u"], "{said}");
    assert!(said.contains("another Kubernetes runs here"), "{said}");
    assert!(systemctl.contains("disable k3s.service"), "the erase goes on: {systemctl}");
}

#[test]
pub fn killall_ends_nothing_from_a_chroot() {
    let Some(root) = where_installed("k3s-killall.sh in an image that is being made") else { return };
    fs::write(root.path("/var/log/systemctl"), "").unwrap();
    let said = expect_success(root.run(&["k3s-killall.sh"]));
    assert!(said.contains("not the root file system of a running machine"), "{said}");
    assert_eq!(root.read("/var/log/systemctl"), "");
}
