//! Tests of installing, upgrading, downgrading and removing the packages.

use crate::needs;
use crate::packages::{expect_success, former, latter};
use crate::root::{Root, Transaction, can_install};
use fs_err as fs;

/// Files that an administrator and k3s have written, which no transaction may change.
const DATA: [(&str, &str); 5] = [
    ("/var/lib/rancher/k3s/server/db/state.db", "the cluster\n"),
    ("/var/lib/rancher/k3s/agent/images/mine.tar", "an image\n"),
    ("/var/lib/kubelet/pods/u1/volumes/v", "a pod's\n"),
    ("/etc/rancher/k3s/config.yaml", "disable: traefik\n"),
    ("/etc/rancher/k3s/registries.yaml", "mirrors: {}\n"),
];

const ALL: [&str; 4] = ["k3s", "k3s-cli", "k3s-cri-tools", "k3s-pause-image"];

pub fn write_data(root: &Root) {
    for (path, text) in DATA {
        root.write(path, text);
    }
}

#[track_caller]
pub fn data_is_kept(root: &Root) {
    for (path, text) in DATA {
        assert_eq!(root.read(path), text, "{path}");
    }
}

/// Checks that nothing is enabled, started or restarted without a request.
#[track_caller]
pub fn nothing_is_started(root: &Root, done: &Transaction) {
    let verbs = ["start", "restart", "try-restart", "reload-or-restart", "enable", "reenable", "stop"];
    let called = |line: &&str| line.split(' ').any(|word| verbs.contains(&word));
    assert_eq!(done.systemctl.lines().find(called), None, "{}", done.systemctl);
    let wants = fs::read_dir(root.path("etc/systemd/system/multi-user.target.wants"));
    assert_eq!(wants.map_or(0, Iterator::count), 0);
}

#[test]
fn a_fresh_install_is_clean_and_starts_nothing() {
    if !can_install("a fresh install") {
        return;
    }
    let root = Root::new();
    let done = root.install(&former().all());
    assert_eq!(root.changed(), [""; 0]);
    assert_eq!(root.query("k3s"), "k3s-1.33.0+k3s1-1.oe2403.riscv64");
    assert_eq!(root.query("k3s-cli"), "k3s-cli-1.33.0+k3s1-1.oe2403.noarch");
    assert_eq!(root.query("k3s-pause-image"), "k3s-pause-image-1.33.0+k3s1-1.oe2403.riscv64");
    nothing_is_started(&root, &done);
    for unit in ["k3s.service", "k3s-agent.service"] {
        assert!(done.systemctl.contains(&format!("--no-reload preset {unit}\n")), "{}", done.systemctl);
    }
    assert!(!root.has("/usr/local/bin/k3s"), "the link is for those who come from openEuler's k3s only");
    assert_eq!(root.mode("/etc/sysconfig/k3s"), 0o600);
    assert_eq!(root.mode("/etc/sysconfig/k3s-agent"), 0o600);
    let image = root.link("/var/lib/rancher/k3s/agent/images/k3s-pause-image.tar");
    assert!(root.path(&image).is_file(), "{image}");
    for command in ["kubectl", "crictl", "ctr"] {
        assert!(root.path("/usr/bin").join(command).is_file(), "{command}");
    }
}

#[test]
fn a_reinstall_changes_nothing() {
    if !can_install("a reinstall") {
        return;
    }
    let root = Root::new();
    root.install(&former().all());
    write_data(&root);
    let before = root.listing();
    let done = root.reinstall(&former().all());
    assert_eq!(root.changed(), [""; 0]);
    assert_eq!(root.listing(), before);
    nothing_is_started(&root, &done);
    data_is_kept(&root);
}

#[test]
fn upgrade_keeps_edited_settings() {
    if !can_install("an upgrade with edited settings") {
        return;
    }
    let root = Root::new();
    root.install(&former().all());
    write_data(&root);
    let edited = root.read("/etc/sysconfig/k3s") + "K3S_TOKEN=\"secret\"\n";
    fs::write(root.path("/etc/sysconfig/k3s"), &edited).unwrap();
    let done = root.upgrade(&latter().all());
    assert_eq!(root.query("k3s"), "k3s-1.34.2+k3s1-1.oe2403.riscv64");
    assert_eq!(root.read("/etc/sysconfig/k3s"), edited);
    assert_eq!(root.mode("/etc/sysconfig/k3s"), 0o600);
    assert!(root.read("/etc/sysconfig/k3s.rpmnew").ends_with("# A new default.\n"));
    assert_eq!(root.mode("/etc/sysconfig/k3s.rpmnew"), 0o600);
    assert!(!root.has("/etc/sysconfig/k3s-agent.rpmnew"), "an unedited file is replaced");
    assert!(root.read("/etc/sysconfig/k3s-agent").ends_with("# A new default.\n"));
    let changed = root.changed();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(changed[0].ends_with(" c /etc/sysconfig/k3s"), "{changed:?}");
    nothing_is_started(&root, &done);
    data_is_kept(&root);
}

#[test]
fn upgrade_restarts_only_if_configured() {
    if !can_install("a restart that is asked for") {
        return;
    }
    let root = Root::new();
    root.install(&[&former().k3s]);
    for unit in ["k3s.service", "k3s-agent.service"] {
        root.write(&format!("/run/active-{unit}"), "");
    }
    let settings = root.read("/etc/sysconfig/k3s");
    for (line, restarts) in [
        ("K3S_RPM_RESTART=yes\n", true),
        ("K3S_RPM_RESTART='yes'", true),
        (" K3S_RPM_RESTART = \"true\" \r\n", true),
        ("K3S_RPM_RESTART=no\nK3S_RPM_RESTART= yes\n", true),
        ("K3S_RPM_RESTART=yes\nK3S_RPM_RESTART=no\n", false),
        ("#K3S_RPM_RESTART=yes\n", false),
    ] {
        root.write("/etc/sysconfig/k3s", &(settings.clone() + line));
        let done = root.reinstall(&[&former().k3s]);
        assert_eq!(done.systemctl.contains("--no-block try-restart k3s.service\n"), restarts, "{line}");
        assert_eq!(done.output.contains("systemctl restart k3s\n"), !restarts, "{line}: {}", done.output);
        assert!(!done.systemctl.contains("restart k3s-agent.service"), "{}", done.systemctl);
        assert!(done.output.contains("systemctl restart k3s-agent"), "the other is named: {}", done.output);
        assert!(!done.output.contains("neither yes nor no"), "{}", done.output);
    }
    root.write("/etc/sysconfig/k3s", &(settings + "K3S_RPM_RESTART=always\n"));
    let done = root.upgrade(&[&latter().k3s]);
    assert!(!done.systemctl.contains("try-restart"), "{}", done.systemctl);
    let message = "K3S_RPM_RESTART=always in /etc/sysconfig/k3s is neither yes nor no";
    assert!(done.output.contains(message), "{}", done.output);
}

#[test]
fn a_downgrade_keeps_settings_and_data() {
    if !can_install("a downgrade") {
        return;
    }
    let root = Root::new();
    root.install(&latter().all());
    write_data(&root);
    let edited = root.read("/etc/sysconfig/k3s") + "K3S_TOKEN=\"secret\"\n";
    fs::write(root.path("/etc/sysconfig/k3s"), &edited).unwrap();
    let done = root.downgrade(&former().all());
    assert_eq!(root.query("k3s"), "k3s-1.33.0+k3s1-1.oe2403.riscv64");
    assert_eq!(root.read("/etc/sysconfig/k3s"), edited);
    let changed = root.changed();
    assert!(changed.len() == 1 && changed[0].ends_with(" c /etc/sysconfig/k3s"), "{changed:?}");
    nothing_is_started(&root, &done);
    data_is_kept(&root);
}

#[test]
fn erase_leaves_data_and_edited_settings() {
    if !can_install("an erase") {
        return;
    }
    let root = Root::new();
    let before = root.listing();
    root.install(&former().all());
    write_data(&root);
    let edited = root.read("/etc/sysconfig/k3s") + "K3S_TOKEN=\"secret\"\n";
    fs::write(root.path("/etc/sysconfig/k3s"), &edited).unwrap();
    let done = root.erase(&ALL);
    data_is_kept(&root);
    assert_eq!(root.read("/etc/sysconfig/k3s.rpmsave"), edited);
    assert!(done.systemctl.contains("--no-reload disable k3s.service\n"), "{}", done.systemctl);
    let after = root.listing();
    let left: Vec<&String> = after.difference(&before).collect();
    let of_data = |path: &str| DATA.iter().any(|(data, _)| data[1..].starts_with(path));
    let stray: Vec<_> = left.iter().filter(|path| !of_data(path)).collect();
    assert_eq!(stray, [&&"etc/sysconfig/k3s.rpmsave".to_owned()]);
    assert_eq!(root.changed(), [""; 0]);
}

#[test]
fn erase_of_an_unused_k3s_leaves_nothing() {
    if !can_install("an erase without data") {
        return;
    }
    let root = Root::new();
    let before = root.listing();
    root.install(&former().all());
    root.erase(&ALL);
    assert_eq!(root.listing(), before);
}

#[test]
fn installs_without_a_running_systemd() {
    if !can_install("an install into a file system image") {
        return;
    }
    let root = Root::new();
    fs::remove_dir(root.path("/run/systemd/system")).unwrap();
    let done = root.install(&[&former().k3s]);
    assert!(!done.systemctl.contains("daemon-reload"), "{}", done.systemctl);
    root.upgrade(&[&latter().k3s]);
    root.erase(&["k3s"]);

    let root = Root::new();
    fs::remove_file(root.path("/usr/bin/systemctl")).unwrap();
    root.install(&[&former().k3s]);
    root.upgrade(&[&latter().k3s]);
    root.erase(&["k3s"]);
}

#[test]
fn real_systemctl_enables_nothing() {
    let systemctl = [("systemctl", "systemd"), ("ldd", "libc-bin")];
    if !can_install("transactions with systemd's own systemctl")
        || !needs::programs("the real systemctl", &systemctl)
    {
        return;
    }
    let root = Root::new();
    fs::remove_dir(root.path("/run/systemd/system")).unwrap();
    root.copy_program("systemctl");
    // A preset that a distribution may have for all units.
    root.write("/usr/lib/systemd/system-preset/90-default.preset", "enable *\n");
    let asked =
        |words: &[&str]| String::from_utf8(root.run(&[&["systemctl"], words].concat()).stdout).unwrap();
    root.install(&[&former().k3s]);
    assert_eq!(asked(&["is-enabled", "k3s", "k3s-agent"]), "disabled\ndisabled\n");
    expect_success(root.run(&["systemctl", "--quiet", "enable", "k3s.service"]));
    root.upgrade(&[&latter().k3s]);
    assert_eq!(asked(&["is-enabled", "k3s", "k3s-agent"]), "enabled\ndisabled\n");
    root.erase(&["k3s"]);
    assert!(!root.has("/etc/systemd/system/multi-user.target.wants/k3s.service"));
}

#[test]
fn scriptlets_ignore_failing_commands() {
    if !can_install("transactions where programs fail") {
        return;
    }
    let root = Root::new();
    for program in ["usr/bin/systemctl", "usr/bin/restorecon"] {
        root.program(program, "#!/bin/sh\nexit 1\n");
    }
    // A file is in the place of the link's directory, so that the link cannot be created.
    fs::remove_dir(root.path("/usr/local/bin")).unwrap();
    root.write("/usr/local/bin", "");
    root.write("/etc/systemd/system/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s server\n");
    root.install(&former().all());
    root.upgrade(&latter().all());
    root.erase(&ALL);
}

#[test]
fn rejects_an_unmet_dependency() {
    if !can_install("a missing dependency") {
        return;
    }
    let root = Root::bare();
    let said = root.refuses(&[&former().k3s]);
    for name in ["diffutils", "iptables", "kmod", "systemd", "util-linux", "/bin/sh"] {
        assert!(said.contains(&format!("{name} is needed by k3s-1.33.0")), "{name}: {said}");
    }
}

#[test]
fn commands_require_the_same_k3s_build() {
    if !can_install("the version that k3s-cli requires") {
        return;
    }
    let root = Root::new();
    let said = root.refuses(&[&former().k3s, &latter().cli, &latter().cri_tools]);
    for name in ["k3s-cli", "k3s-cri-tools"] {
        assert!(said.contains(&format!("k3s = 1.34.2+k3s1-1.oe2403 is needed by {name}")), "{said}");
    }
}

#[test]
fn kubectl_installs_beside_another_containerd() {
    if !can_install("k3s-cli beside Docker") {
        return;
    }
    for (other, refused) in
        [("containerd", "k3s-cri-tools"), ("containerd.io", "k3s-cri-tools"), ("kubectl", "k3s-cli")]
    {
        let root = Root::beside(other);
        root.install(&[&former().k3s]);
        let packages = [("k3s-cli", &former().cli), ("k3s-cri-tools", &former().cri_tools)];
        for (name, package) in packages {
            if name == refused {
                let said = root.refuses(&[package]);
                assert!(said.contains(&format!("{other} conflicts with {name}-1.33.0")), "{said}");
            } else {
                root.install(&[package]);
            }
        }
    }
}
