//! Tests of `k3s-start-check.sh`: which starts it refuses, and how the transaction warns of it.

use super::{said, where_installed};
use crate::packages::{expect_success, former, latter};
use crate::root::{Root, can_install};
use fs_err as fs;

const CHECK: &str = "/usr/libexec/k3s/k3s-start-check.sh";
const RECORD: &str = "/var/lib/rancher/k3s/rpm-version";

#[test]
pub fn a_version_on_unsuitable_data_is_not_started() {
    let Some(root) = where_installed("the check before a start") else { return };
    let check = |last: &str, version: &str| {
        root.program(
            "/usr/bin/k3s",
            &format!("#!/bin/sh\necho 'k3s version {version} (0123456)'\necho 'go version'\n"),
        );
        root.write(RECORD, last);
        let output = root.run(&[CHECK, "k3s"]);
        (output.status.code(), said(&output))
    };
    for (last, version) in [
        ("v1.34.2+k3s1\n", "v1.35.1+k3s1"),
        ("v1.35.1+k3s1\n", "v1.35.0+k3s1"),
        ("v1.35.1+k3s1\n", "v1.35.1+k3s1"),
        ("", "v1.35.1+k3s1"),
        ("nonsense", "v1.35.1+k3s1"),
        ("v1.33.1+k3s1", "nonsense"),
    ] {
        assert_eq!(check(last, version), (Some(0), String::new()), "{last} {version}");
    }
    let (status, message) = check("v1.33.1+k3s1\n", "v1.35.1+k3s1");
    assert_eq!(status, Some(1));
    assert!(
        message.contains("v1.33.1+k3s1 ran last, but no minor may be skipped. Install v1.34 first"),
        "{message}"
    );
    assert!(
        message.contains("dnf install 'k3s-1.34.*'") && message.contains(&format!("rm {RECORD}")),
        "{message}"
    );
    let (status, message) = check("v1.35.1+k3s1\n", "v1.34.2+k3s1");
    assert_eq!(status, Some(1));
    assert!(message.contains("Restore a backup") && message.contains(&format!("rm {RECORD}")), "{message}");

    fs::remove_file(root.path(RECORD)).unwrap();
    expect_success(root.run(&[CHECK, "k3s"]));
    expect_success(root.run(&[CHECK, "--started"]));
    assert_eq!(root.read(RECORD), "v1.34.2+k3s1\n");
    root.program("/usr/bin/k3s", "#!/bin/sh\nexit 1\n");
    assert!(!root.run(&[CHECK, "--started"]).status.success());
    assert_eq!(root.read(RECORD), "v1.34.2+k3s1\n", "without a record the next start would be allowed");
}

#[test]
pub fn an_agent_without_a_server_is_not_started() {
    let Some(root) = where_installed("the check of an agent") else { return };
    let refused = root.run(&[CHECK, "k3s-agent"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("set K3S_URL and K3S_TOKEN in /etc/sysconfig/k3s-agent"),
        "{}",
        said(&refused)
    );
    for variable in [
        "K3S_URL=https://s:6443",
        "OPTIONS=--debug --server https://s:6443",
        "OPTIONS=--server=https://s:6443",
        "OPTIONS=-s https://s:6443",
        "OPTIONS=--debug\n-server https://s:6443",
        "OPTIONS=\"--server=https://s:6443\"",
        "OPTIONS=--config /etc/k3s.yaml",
    ] {
        expect_success(root.run(&["env", variable, CHECK, "k3s-agent"]));
    }
    let nothing = root.run(&["env", "OPTIONS=--node-label=server=y", CHECK, "k3s-agent"]);
    assert_eq!(nothing.status.code(), Some(1));
    let config = "/etc/rancher/k3s/config.yaml";
    let unit = "/etc/systemd/system/k3s-agent.service";
    for (file, text, status) in [
        (config, "debug: true\n# server: https://s:6443\n", 1),
        (config, "server: https://s:6443\n", 0),
        (config, "{\"server\": \"https://s:6443\"}\n", 0),
        ("/etc/rancher/k3s/config.yaml.d/server.yaml", "server: https://s:6443\n", 0),
        (&format!("{unit}.d/override.conf"), "[Service]\nEnvironment=K3S_URL=https://s:6443\n", 0),
        (
            &format!("{unit}.d/limits.conf"),
            "[Service]\n# Environment=K3S_URL=https://s:6443\nCPUQuota=1\n",
            1,
        ),
        (unit, "[Service]\nExecStart=/usr/bin/k3s agent --server https://s:6443\n", 0),
    ] {
        root.write(file, text);
        assert_eq!(root.run(&[CHECK, "k3s-agent"]).status.code(), Some(status), "{text}");
        fs::remove_file(root.path(file)).unwrap();
    }
}

#[test]
pub fn a_transaction_warns_of_a_skipped_minor() {
    if !can_install("the warning of a transaction") {
        return;
    }
    let root = Root::new();
    let done = root.install(&[&former().k3s]);
    assert!(!done.output.contains("not started"), "{}", done.output);
    root.write(RECORD, "v1.32.1+k3s1\n");
    let done = root.upgrade(&[&latter().k3s]);
    assert!(done.output.contains("Install v1.33 first"), "{}", done.output);
    root.write(RECORD, "v1.34.2+k3s1\n");
    let done = root.downgrade(&[&former().k3s]);
    assert!(done.output.contains("v1.33.0+k3s1 is installed and v1.34.2+k3s1 ran last"), "{}", done.output);
}
