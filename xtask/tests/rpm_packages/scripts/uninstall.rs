//! Tests of `k3s-uninstall.sh`: what it deletes, and what it keeps.

use super::{SETTINGS, WANTED, installed, said, where_installed};
use crate::packages::{expect_success, former};
use crate::root::{Root, alone, can_install};
use fs_err as fs;
use std::os::unix::fs::symlink;

#[test]
pub fn uninstall_asks_and_keeps_packaged_files() {
    if !can_install("k3s-uninstall.sh") {
        return;
    }
    let root = installed();
    root.install(&[&former().pause_image]);
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

    let done = expect_success(root.run(&["k3s-uninstall.sh", "--yes"]));
    assert!(done.contains(&format!("kept: {theirs}")), "{done}");
    let left: Vec<String> = root.listing().difference(&fresh).cloned().collect();
    assert_eq!(left, [theirs[1..].to_owned()]);
    assert_eq!(root.changed(), [""; 0]);

    expect_success(root.run(&["k3s-uninstall.sh", "--yes", "--purge"]));
    assert_eq!(root.listing(), fresh);
}

/// Writes what k3s leaves in its data directory: the directory it unpacks itself into, and the rest.
fn write_moved_data(root: &Root, directory: &str) {
    let unpacked = "data/a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1/bin/k3s";
    for path in [unpacked, "server/db/state.db", "agent/images/mine.tar", "storage/pvc-1/volume"] {
        root.write(&format!("{directory}/{path}"), "x\n");
    }
}

#[test]
pub fn a_data_directory_that_cannot_be_k3s_is_not_emptied() {
    let Some(root) = where_installed("what k3s-uninstall.sh refuses") else { return };
    root.write("/srv/theirs/data/photo", "theirs\n");
    root.write("/var/lib/kubelet/x", "");
    let (path, content) = ("an absolute path without spaces", "not a data directory of k3s");
    for (directory, reason) in [
        ("/", path),
        ("/usr", content),
        ("/var/lib", content),
        ("/etc/../etc", path),
        ("relative", path),
        ("/with blank", path),
        ("/srv", content),
        ("/srv/theirs", content),
    ] {
        let variable = format!("K3S_DATA_DIR={directory}");
        let output = root.run(&["env", &variable, "k3s-uninstall.sh", "--yes"]);
        assert_eq!(output.status.code(), Some(1), "{directory}: {}", said(&output));
        assert!(said(&output).contains(reason), "{directory}: {}", said(&output));
        assert_eq!(root.changed(), [""; 0], "{directory}");
        assert!(root.has("/var/lib/kubelet/x"), "{directory}");
    }
    root.write("/etc/rancher/k3s/config.yaml", "data-dir: /srv/theirs\n");
    let output = root.run(&["k3s-uninstall.sh", "--yes"]);
    assert!(said(&output).contains("/srv/theirs is not a data directory of k3s"), "{}", said(&output));
    assert!(root.has("/srv/theirs/data/photo") && root.has("/var/lib/kubelet/x"));
}

#[test]
pub fn uninstall_deletes_only_data_of_k3s() {
    let Some(root) = where_installed("a data directory shared with its user") else { return };
    let before = root.listing();
    let config = "/etc/rancher/k3s/config.yaml";
    root.write(config, "data-dir: /mnt/ssd\n");
    write_moved_data(&root, "/mnt/ssd");
    root.write("/mnt/ssd/photos/one", "theirs\n");
    let done = expect_success(root.run(&["k3s-uninstall.sh", "--yes"]));
    assert!(done.contains("kept: /mnt/ssd/photos (not of k3s)"), "{done}");
    let left = root.listing();
    let left: Vec<&str> = left.difference(&before).map(String::as_str).collect();
    assert_eq!(
        left,
        ["etc/rancher/k3s/config.yaml", "mnt", "mnt/ssd", "mnt/ssd/photos", "mnt/ssd/photos/one"]
    );

    // With nothing of k3s left in it, the rest can still be deleted.
    expect_success(root.run(&["k3s-uninstall.sh", "--yes", "--purge"]));
    assert!(!root.has(config) && root.has("/mnt/ssd/photos/one"));

    root.write(config, "data-dir: /mnt/other\n");
    write_moved_data(&root, "/mnt/other");
    expect_success(root.run(&["k3s-uninstall.sh", "--yes"]));
    assert!(!root.has("/mnt/other") && root.has("/mnt"), "a directory of k3s's alone goes with it");
}

#[test]
pub fn uninstall_finds_a_configured_data_directory() {
    let Some(root) = where_installed("where k3s-uninstall.sh looks for the data directory") else { return };
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
            // The last line has no line end: each file is read by itself.
            root.write(path, text);
        }
        write_moved_data(&root, "/mnt/x");
        write_moved_data(&root, "/mnt/low");
        let done = expect_success(root.run(&["k3s-uninstall.sh", "--yes"]));
        assert!(!root.has("/mnt/x") && root.has("/mnt/low/server"), "{files:?}: {done}");
        for (path, _) in *files {
            fs::remove_file(root.path(path)).unwrap();
        }
        root.write(SETTINGS, &settings);
    }
}

#[test]
pub fn uninstall_rejects_ambiguous_data_directories() {
    let Some(root) = where_installed("data directories that disagree") else { return };
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
    // k3s unpacks itself into the variable's directory, and keeps its data in the option's.
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
    expect_success(root.run(&["k3s-uninstall.sh", "--yes"]));
    assert!(root.has("/mnt/x/server") && !root.has("/mnt/y"), "the server is the one in use");
    assert!(!root.has(WANTED), "it does not start again");
    root.write(SETTINGS, &settings);
    expect_success(root.run(&["env", "K3S_DATA_DIR=/mnt/x", "k3s-uninstall.sh", "--yes"]));
    assert!(!root.has("/mnt/x"), "what is said to the script itself settles it");
}

#[test]
pub fn uninstall_leaves_nothing_of_the_kubelet() {
    let Some(root) = where_installed("what k3s's kubelet leaves behind") else { return };
    let fresh = root.listing();
    let others = ["/var/lib/cni/results/cni-loopback-2-lo", "/var/lib/cni/results/podman-1-eth0"];
    let ours = [
        "/etc/rancher/node/password",
        "/run/flannel/subnet.env",
        "/run/k3s/containerd/state",
        "/var/lib/cni/flannel/1",
        "/var/lib/cni/networks/cbr0/10.42.0.2",
        "/var/lib/cni/results/cbr0-1-eth0",
        "/var/lib/cni/results/cni-loopback-1-lo",
        "/var/lib/kubelet/cpu_manager_state",
        "/var/log/containers/web.log",
        "/var/log/pods/default_web/0.log",
    ];
    for path in ours.iter().chain(&others) {
        root.write(path, "x\n");
    }
    expect_success(root.run(&["k3s-agent-uninstall.sh", "--yes"]));
    let left = root.listing();
    let left: Vec<&str> = left.difference(&fresh).map(String::as_str).collect();
    let directories = ["var/lib/cni", "var/lib/cni/networks", "var/lib/cni/results"];
    assert_eq!(left, [&directories[..], &others.map(|path| &path[1..])].concat());
    assert!(!root.has("/var/log/containers") && !root.has("/var/log/pods"));
}

#[test]
pub fn uninstall_keeps_data_of_another_kubernetes() {
    let Some(root) = where_installed("a node of kubeadm") else { return };
    let theirs = [
        "/etc/rancher/node/password",
        "/var/lib/cni/networks/cbr0/10.244.0.2",
        "/var/lib/kubelet/pods/u/volume",
        "/var/log/pods/default_web/0.log",
    ];
    for sign in [
        "/etc/kubernetes/kubelet.conf",
        "/var/lib/kubelet/config.yaml",
        "/var/lib/kubelet/pki/kubelet.crt",
        "/etc/kubeedge/config/edgecore.yaml",
        "/var/lib/rancher/rke2/server/token",
    ] {
        for path in theirs.iter().chain([&sign, &"/var/lib/rancher/k3s/server/token", &"/run/k3s/x"]) {
            root.write(path, "x\n");
        }
        let done = expect_success(root.run(&["k3s-uninstall.sh", "--yes"]));
        for path in theirs.iter().chain([&sign]) {
            assert!(root.has(path), "{sign}: {path}");
        }
        assert!(!root.has("/var/lib/rancher/k3s/server") && !root.has("/run/k3s"), "{sign}");
        assert!(done.contains("kept: /var/lib/kubelet (perhaps of another Kubernetes"), "{sign}: {done}");
        fs::remove_file(root.path(sign)).unwrap();
        for directory in ["/var/lib/kubelet/pki", "/var/lib/rancher/rke2"] {
            if root.has(directory) {
                fs::remove_dir_all(root.path(directory)).unwrap();
            }
        }
    }
}

#[test]
pub fn uninstall_names_data_behind_links() {
    let Some(root) = where_installed("data of k3s behind links") else { return };
    root.write("/mnt/ssd/volumes/pvc-1/data", "x\n");
    root.write("/var/lib/rancher/k3s/server/token", "x\n");
    let storage = "/var/lib/rancher/k3s/storage";
    symlink("/mnt/ssd/volumes", root.path(storage)).unwrap();
    let done = expect_success(root.run(&["k3s-uninstall.sh", "--yes"]));
    assert!(root.has("/mnt/ssd/volumes/pvc-1/data") && root.has(storage));
    assert!(
        done.contains(&format!("kept: {storage}, a link, and what it leads to: /mnt/ssd/volumes\n")),
        "{done}"
    );
    assert_eq!(done.matches(storage).count(), 2, "asked for, and kept: {done}");
    fs::remove_file(root.path(storage)).unwrap();

    write_moved_data(&root, "/mnt/disk/k3s");
    symlink("/mnt/disk/k3s", root.path("/data")).unwrap();
    expect_success(root.run(&["env", "K3S_DATA_DIR=/data", "k3s-uninstall.sh", "--yes"]));
    assert!(!root.has("/mnt/disk/k3s") && !root.has("/data"), "the link has nothing to lead to any more");
}

#[test]
pub fn uninstall_deletes_nothing_through_a_mount() {
    let Some(root) = where_installed("a mount in the data directory") else { return };
    for (directory, option) in
        [("/var/lib/rancher/k3s/storage/disk", "--yes"), ("/etc/rancher/k3s/keys", "--purge")]
    {
        let script = format!(
            "mount -t proc proc /proc; mkdir -p {directory}; mount -t tmpfs t {directory}; echo theirs >{directory}/file
            k3s-uninstall.sh --yes {option} 2>&1; echo \"status $?\"; cat {directory}/file"
        );
        let said = expect_success(alone(&root, &["sh", "-c", &script]).output().unwrap());
        assert!(said.ends_with(&format!("still mounted: {directory}\nstatus 1\ntheirs\n")), "{said}");
    }
}

#[test]
pub fn nothing_is_deleted_where_k3s_could_not_be_ended() {
    let Some(root) = where_installed("an uninstall that killall refuses") else { return };
    root.write("/var/lib/kubelet/pods/u/v", "");
    root.program("/usr/bin/k3s-killall.sh", "#!/bin/sh\nexit 2\n");
    let output = root.run(&["k3s-uninstall.sh", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("nothing deleted"), "{}", said(&output));
    assert!(root.has("/var/lib/kubelet/pods/u/v"));
}
