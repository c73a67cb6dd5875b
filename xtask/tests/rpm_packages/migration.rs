//! Tests of the migration from openEuler's own k3s 1.24.2, and of the fix for users who keep it.

use crate::needs;
use crate::packages::{expect_success, former, openeuler};
use crate::root::{Root, can_install};
use crate::scripts::{UPSTREAMS_KILLALL, UPSTREAMS_UNINSTALL};
use crate::transactions::{data_is_kept, write_data};
use fs_err as fs;
use std::os::unix::fs::symlink;
use std::process::Command;

const QEMU: (&str, &str) = ("qemu-riscv64-static", "qemu-user-static");
const UNIT: &str = "[Service]\nType=notify\nExecStart=/usr/local/bin/k3s \\\n    server \\\n";
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/k3s.service";

/// Returns a machine with 1.24.2 after `k3s-install.sh`, which wrote a unit, scripts and links that no package
/// owns; k3s is running.
fn with_1_24_2(root: Root) -> Root {
    root.install(&[openeuler()]);
    root.write("/etc/systemd/system/k3s.service", UNIT);
    root.write("/etc/systemd/system/k3s.service.env", "K3S_TOKEN=t\n");
    root.write("/run/active-k3s.service", "");
    fs::create_dir_all(root.path("/etc/systemd/system/multi-user.target.wants")).unwrap();
    symlink("/etc/systemd/system/k3s.service", root.path(WANTED)).unwrap();
    for command in ["kubectl", "crictl", "ctr"] {
        symlink("k3s", root.path("/usr/local/bin").join(command)).unwrap();
    }
    root.program("/usr/local/bin/k3s-killall.sh", UPSTREAMS_KILLALL);
    root.program("/usr/local/bin/k3s-uninstall.sh", UPSTREAMS_UNINSTALL);
    write_data(&root);
    root
}

/// Starts the executable at a path and returns the version that it was built for.
#[track_caller]
fn started(root: &Root, path: &str) -> &'static str {
    let program = fs::canonicalize(root.path(path)).unwrap();
    assert!(Command::new(QEMU.0).arg(&program).arg("-v").output().unwrap().status.success());
    let bytes = fs::read(program).unwrap();
    let names = |version: &str| bytes.ends_with(version.as_bytes());
    ["v1.33.0+k3s1", "v1.24.2-rc1+k3s2"].into_iter().find(|version| names(version)).expect("a fake k3s")
}

#[test]
fn upgrade_from_1_24_2_keeps_unit_and_links_working() {
    if !can_install("an upgrade from 1.24.2") || !needs::programs("whether the old unit starts", &[QEMU]) {
        return;
    }
    let root = with_1_24_2(Root::new());
    let done = root.upgrade(&[&former().k3s]);
    assert_eq!(root.query("k3s"), "k3s-1.33.0+k3s1-1.oe2403.riscv64");
    assert_eq!(root.changed(), [""; 0]);
    data_is_kept(&root);
    assert_eq!(root.link("/usr/local/bin/k3s"), "../../bin/k3s");
    assert_eq!(started(&root, "/usr/local/bin/k3s"), "v1.33.0+k3s1");
    assert_eq!(started(&root, "/usr/local/bin/kubectl"), "v1.33.0+k3s1");
    assert_eq!(root.read("/etc/systemd/system/k3s.service"), UNIT, "an administrator's unit is not touched");
    assert_eq!(root.link(WANTED), "/etc/systemd/system/k3s.service");
    assert!(!done.systemctl.contains("restart"), "{}", done.systemctl);
    assert!(!done.systemctl.contains("preset k3s.service"), "{}", done.systemctl);
    assert!(done.output.contains("UPGRADE.md"), "{}", done.output);
    for script in ["k3s-killall.sh", "k3s-uninstall.sh"] {
        assert!(
            done.output.contains(&format!("/usr/local/bin/{script} was written by upstream's")),
            "{}",
            done.output
        );
        assert!(root.has(&format!("/usr/local/bin/{script}")), "an administrator's script is not touched");
    }

    // Asked to take over, k3s-install.sh sets them aside, and the names mean the package's scripts.
    expect_success(root.run(&["k3s-install.sh"]));
    let path = "PATH=/usr/local/bin:/usr/bin:/bin";
    let found = expect_success(root.run(&[
        "env",
        path,
        "sh",
        "-c",
        "command -v k3s-killall.sh; command -v k3s-uninstall.sh",
    ]));
    assert_eq!(found, "/usr/bin/k3s-killall.sh\n/usr/bin/k3s-uninstall.sh\n");
    data_is_kept(&root);
}

#[test]
fn downgrade_to_1_24_2_works() {
    if !can_install("a downgrade to 1.24.2") || !needs::programs("whether 1.24.2 starts again", &[QEMU]) {
        return;
    }
    let root = with_1_24_2(Root::new());
    let before = root.listing();
    root.upgrade(&[&former().k3s]);
    root.downgrade(&[openeuler()]);
    assert_eq!(started(&root, "/usr/local/bin/k3s"), "v1.24.2-rc1+k3s2");
    assert_eq!(root.changed(), [""; 0]);
    assert_eq!(root.listing(), before);
    data_is_kept(&root);
}

#[test]
fn erase_removes_our_link_and_keeps_the_users_unit() {
    if !can_install("an erase after an upgrade from 1.24.2") {
        return;
    }
    let root = with_1_24_2(Root::new());
    root.upgrade(&[&former().k3s]);
    root.erase(&["k3s"]);
    assert!(!root.has("/usr/local/bin/k3s"));
    assert_eq!(root.link(WANTED), "/etc/systemd/system/k3s.service");
    data_is_kept(&root);

    // The unit now hides the packaged one: a fresh install does not change it either.
    let done = root.install(&[&former().k3s]);
    assert_eq!(root.link(WANTED), "/etc/systemd/system/k3s.service");
    assert!(!done.systemctl.contains("preset k3s.service"), "{}", done.systemctl);
    assert!(done.systemctl.contains("preset k3s-agent.service"), "{}", done.systemctl);
}

#[test]
fn keeps_a_k3s_of_the_user_in_usr_local() {
    if !can_install("a k3s of the administrator's own") {
        return;
    }
    let root = Root::new();
    root.write("/etc/systemd/system/k3s.service", UNIT);
    root.program("/usr/local/bin/k3s", "#!/bin/sh\n");
    root.install(&[&former().k3s]);
    assert_eq!(root.read("/usr/local/bin/k3s"), "#!/bin/sh\n");
    root.erase(&["k3s"]);
    assert_eq!(root.read("/usr/local/bin/k3s"), "#!/bin/sh\n");
}

#[test]
fn pause_image_installs_beside_1_24_2() {
    if !can_install("the pause image beside 1.24.2") {
        return;
    }
    let root = with_1_24_2(Root::bare().providing(&["/bin/sh"]));
    let before = root.listing();
    let package = &former().pause_image;
    let done = root.install(&[package]);
    assert_eq!(done.systemctl, "", "the user decides when to restart k3s");
    assert_eq!(root.changed(), [""; 0]);
    let image = root.link("/var/lib/rancher/k3s/agent/images/k3s-pause-image.tar");
    let mut archive = tar::Archive::new(fs::File::open(root.path(&image)).unwrap());
    let names = archive.entries().unwrap().find_map(|entry| {
        let mut entry = entry.unwrap();
        (entry.path().unwrap().to_str() == Some("manifest.json"))
            .then(|| std::io::read_to_string(&mut entry).unwrap())
    });
    let names = names.expect("a docker archive has a manifest");
    for name in ["docker.io/rancher/mirrored-pause:3.6", "docker.io/rancher/mirrored-pause:3.10.2"] {
        assert!(names.contains(&format!("\"{name}\"")), "{names}");
    }
    root.erase(&["k3s-pause-image"]);
    assert_eq!(root.listing(), before);
    data_is_kept(&root);
}
