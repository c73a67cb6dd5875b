//! Tests of packages, units and scripts with the linters for them.

use crate::images;
use crate::needs;
use crate::packages::{expect_success, former, latter, ours};
use crate::root::{Root, can_install};
use fs_err as fs;
use std::process::Command;
use xtask::rpm::read;

#[test]
fn rpmlint_finds_nothing() {
    if !crate::packages::can_build("what rpmlint says")
        || !needs::programs("what rpmlint says", &[("rpmlint", "rpmlint")])
    {
        return;
    }
    let mut command = Command::new("rpmlint");
    command.arg("--config").arg(ours("rpm/rpmlint.toml")).args(former().all()).args(images::packages());
    command.args(["rpm/k3s.spec", "rpm/k3s-airgap-images.spec"].map(ours));
    let said = expect_success(command.output().unwrap());
    assert!(said.contains("6 packages and 2 specfiles checked; 0 errors, 0 warnings"), "{said}");
}

#[test]
fn rpmlint_finds_unfiltered_problems() {
    if !crate::packages::can_build("whether rpmlint looks")
        || !needs::programs("whether rpmlint looks", &[("rpmlint", "rpmlint")])
    {
        return;
    }
    // openEuler's own package has files in /usr/local, which our filters do not allow.
    let mut command = Command::new("rpmlint");
    command.arg("--config").arg(ours("rpm/rpmlint.toml")).arg(crate::packages::openeuler());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("dir-or-file-in-usr-local"), "{said}");
}

#[test]
fn systemd_analyze_accepts_installed_units() {
    let systemd = [("systemd-analyze", "systemd")];
    if !can_install("the units") || !needs::programs("what systemd says of the units", &systemd) {
        return;
    }
    let root = Root::new();
    root.install(&[&former().k3s]);
    fs::create_dir_all(root.path("/sbin")).unwrap();
    std::os::unix::fs::symlink("../bin/busybox", root.path("/sbin/modprobe")).unwrap();
    let check = "/usr/libexec/k3s/k3s-start-check.sh";
    for unit in ["k3s.service", "k3s-agent.service"] {
        let path = format!("/usr/lib/systemd/system/{unit}");
        // systemd's own units are present beside ours, as on a real machine.
        let text = root.read(&path).replace("/usr/bin/k3s ", "/bin/true ").replace(check, "/bin/true");
        let directory = tempfile::tempdir().unwrap();
        let template =
            root.read("/usr/lib/systemd/system/k3s-start-check@.service").replace(check, "/bin/true");
        fs::write(directory.path().join("k3s-start-check@.service"), template).unwrap();
        let file = directory.path().join(unit);
        fs::write(&file, &text).unwrap();
        let verify = |file: &std::path::Path| {
            let mut command = Command::new("systemd-analyze");
            command.args(["verify", "--man=no", "--recursive-errors=one"]).arg(file);
            command.output().unwrap()
        };
        assert_eq!(expect_success(verify(&file)), "");
        fs::write(&file, text.replace("KillMode=process", "KillMode=proces")).unwrap();
        let said = String::from_utf8(verify(&file).stderr).unwrap();
        assert!(said.contains("kill mode"), "what is wrong would not be noticed: {said}");
    }
}

#[test]
fn units_give_k3s_a_home_and_wait_for_each_other() {
    let lines = |unit: &str| -> Vec<String> {
        let text = fs::read_to_string(ours("rpm").join(unit)).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    for unit in ["k3s.service", "k3s-agent.service"] {
        // systemd sets HOME for no other system unit.
        assert!(lines(unit).contains(&"User=root".to_owned()), "{unit}");
        for target in ["network-online", "time-sync"] {
            assert!(lines(unit).contains(&format!("After={target}.target")), "{unit}");
        }
        // A node without a time server would never start.
        assert!(
            !lines(unit).iter().any(|line| line.starts_with("Wants=") && line.contains("time")),
            "{unit}"
        );
    }
    // An order on one side is enough for both; on both sides it would be a cycle.
    assert!(lines("k3s-agent.service").contains(&"After=k3s.service".to_owned()));
}

#[test]
fn shellcheck_finds_nothing_in_scripts_and_scriptlets() {
    if !crate::packages::can_build("the scriptlets")
        || !needs::programs("what shellcheck says", &[("shellcheck", "shellcheck")])
    {
        return;
    }
    let scripts = ["k3s-install.sh", "k3s-killall.sh", "k3s-start-check.sh", "k3s-uninstall.sh"];
    let mut command = Command::new("shellcheck");
    command.args(["--shell=sh"]).args(scripts.map(|name| ours("rpm").join(name)));
    assert_eq!(expect_success(command.output().unwrap()), "");
    let mut command = Command::new("shellcheck");
    assert_eq!(expect_success(command.arg("--shell=bash").arg(ours("rpm/k3s.bash")).output().unwrap()), "");
    let directory = tempfile::tempdir().unwrap();
    let properties = read::read(&latter().k3s).unwrap().properties;
    let scriptlets =
        properties.iter().filter_map(|(name, text)| Some((name.strip_prefix("scriptlet ")?, text)));
    assert_eq!(scriptlets.clone().count(), 4);
    for (name, text) in scriptlets {
        let file = directory.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        assert_eq!(expect_success(Command::new("shellcheck").arg(&file).output().unwrap()), "", "{name}");
    }
}
