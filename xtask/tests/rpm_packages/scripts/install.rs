//! Tests of `k3s-install.sh`: the variables and arguments of upstream's installer, for a packaged k3s.

use super::{SETTINGS, UPSTREAMS_UNINSTALL, WANTED, said, where_installed};
use crate::packages::{expect_success, ours};
use crate::root::Root;
use fs_err as fs;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::{Command, Output};

/// Runs `k3s-install.sh` with these variables and arguments.
pub fn install(root: &Root, words: &[&str]) -> Output {
    fs::write(root.path("/var/log/systemctl"), "").unwrap();
    let output = root.run(&[&["env", "INSTALL_K3S_SKIP_DOWNLOAD=true"], words].concat());
    assert!(!root.has("/var/log/forbidden"), "{}", root.read("/var/log/forbidden"));
    output
}

#[test]
pub fn install_script_enables_the_unit_offline() {
    let Some(root) = where_installed("k3s-install.sh") else { return };
    let before = root.read(SETTINGS);
    expect_success(install(&root, &["k3s-install.sh"]));
    assert_eq!(root.read(SETTINGS), before, "there were no options to write");
    assert_eq!(root.link(WANTED), "/usr/lib/systemd/system/k3s.service");
    assert!(root.read("/var/log/systemctl").ends_with("daemon-reload\nrestart k3s.service\n"));
    assert!(!root.has("/etc/systemd/system/k3s.service"), "a unit of its own would hide the packaged one");

    root.write("/run/active-k3s.service", "");
    let again = expect_success(install(&root, &["k3s-install.sh"]));
    assert!(again.contains("no change"), "{again}");
    assert!(!root.read("/var/log/systemctl").contains("restart"));
    for words in [&["INSTALL_K3S_FORCE_RESTART=true", "k3s-install.sh"][..], &["k3s-install.sh", "--debug"]] {
        expect_success(install(&root, words));
        assert!(root.read("/var/log/systemctl").contains("restart k3s.service\n"), "{words:?}");
    }
}

#[test]
pub fn install_script_neither_enables_nor_starts() {
    let Some(root) = where_installed("what k3s-install.sh is not to do") else { return };
    expect_success(install(&root, &["INSTALL_K3S_SKIP_ENABLE=true", "k3s-install.sh", "--debug"]));
    assert!(root.read(SETTINGS).contains("OPTIONS=\"--debug\"") && !root.has(WANTED));
    expect_success(install(&root, &["INSTALL_K3S_SKIP_START=true", "k3s-install.sh"]));
    assert!(root.has(WANTED) && !root.read("/var/log/systemctl").contains("restart"));
}

#[test]
pub fn systemd_and_sh_read_the_same_settings() {
    let Some(root) = where_installed("the settings that k3s-install.sh writes") else { return };
    let before = root.read(SETTINGS);
    let words = [
        "INSTALL_K3S_EXEC=server --disable=traefik --node-label 'a=b c'",
        "K3S_TOKEN=se\"c$r`e\\t 'x",
        "HTTP_PROXY=http://p:3128",
        "SOMETHING=else",
        "k3s-install.sh",
        "--x=q\"u\\o$te",
    ];
    expect_success(install(&root, &words));
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
    let read = expect_success(root.run(&[
        "sh",
        "-c",
        ". /etc/sysconfig/k3s; printf '%s\\n' \"$K3S_TOKEN\" \"$OPTIONS\"",
    ]));
    assert_eq!(
        read.lines().collect::<Vec<_>>(),
        ["se\"c$r`e\\t 'x", r#"--disable=traefik --node-label "a=b c" "--x=q\"u\\o$te""#]
    );

    expect_success(install(&root, &["k3s-install.sh"]));
    assert_eq!(root.read(SETTINGS), before, "the next run rewrites its own part");
}

/// The functions alone, with the host's sed and grep, which know locales.
#[test]
pub fn values_are_utf8_in_every_locale() {
    let script = "export LC_ALL=C.UTF-8\neval \"$(sed '/^newline=/,$d' rpm/k3s-install.sh)\"\nnewline='\n'\n\
        options=$(printf '%s\\n' \"$1\" | as_words)\nsettings\n";
    let run = |value: &[u8]| {
        let mut sh = Command::new("sh");
        sh.current_dir(ours("")).env_clear().env("PATH", std::env::var("PATH").unwrap());
        sh.args(["-c", script, "k3s-install.sh"]).arg(OsStr::from_bytes(value)).output().unwrap()
    };
    for value in ["节点", "é", "\u{1f600}", ""] {
        let output = run(format!("a {value}\"b").as_bytes());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let settings = format!("OPTIONS=\"\\\"a {value}\\\\\\\"b\\\"\"\n");
        assert_eq!(String::from_utf8_lossy(&output.stdout), settings);
    }
    for value in [&b"a\xff"[..], b"\xc3", b"\xc0\x80", b"x\x80", b"\xe0\x80\x80", b"\xf5\x80\x80\x80"] {
        let refused = run(value);
        assert_eq!(refused.status.code(), Some(1), "{value:?}");
        assert!(said(&refused).contains("OPTIONS is not UTF-8"), "{value:?}: {}", said(&refused));
    }
}

#[test]
pub fn install_exec_keeps_its_backslashes() {
    let Some(root) = where_installed("the words of INSTALL_K3S_EXEC") else { return };
    let exec = r#"INSTALL_K3S_EXEC=server --a=C:\dir\n '--b=it"s \x'  --c=d" e'f"--g"#;
    expect_success(install(&root, &[exec, "k3s-install.sh"]));
    let options = expect_success(root.run(&["sh", "-c", ". /etc/sysconfig/k3s; printf '%s' \"$OPTIONS\""]));
    assert_eq!(options, r#""--a=C:\\dir\\n" "--b=it\"s \\x" "--c=d e'f--g""#);
}

#[test]
pub fn empty_arguments_are_kept() {
    let Some(root) = where_installed("empty arguments") else { return };
    let exec = "INSTALL_K3S_EXEC=server --a ''";
    for (words, options) in [
        (&[exec, "k3s-install.sh", "--b", "", "--c"][..], r#"--a \"\" --b \"\" --c"#),
        (&["k3s-install.sh", "", "--debug"], "--debug"),
    ] {
        expect_success(install(&root, words));
        assert!(
            root.read(SETTINGS).contains(&format!("\nOPTIONS=\"{options}\"\n")),
            "{}",
            root.read(SETTINGS)
        );
    }
}

#[test]
pub fn help_is_printed_and_changes_nothing() {
    let Some(root) = where_installed("the help of k3s-install.sh") else { return };
    let before = root.read(SETTINGS);
    for option in ["-h", "--help"] {
        let printed = expect_success(install(&root, &["k3s-install.sh", option]));
        assert!(
            printed.contains("usage: [NAME=VALUE...] k3s-install.sh [server|agent] [OPTION...]\n"),
            "{printed}"
        );
        assert_eq!(root.read(SETTINGS), before);
        assert_eq!(root.read("/var/log/systemctl"), "");
    }
}

#[test]
pub fn a_node_is_either_server_or_agent() {
    let Some(root) = where_installed("k3s-install.sh for an agent") else { return };
    let agent = ["K3S_URL=https://s:6443", "K3S_TOKEN=t", "k3s-install.sh", "--node-label=a=b"];
    expect_success(install(&root, &["k3s-install.sh"]));
    let refused = install(&root, &agent);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("systemctl disable --now k3s.service"), "{}", said(&refused));
    fs::remove_file(root.path(WANTED)).unwrap();
    expect_success(install(&root, &agent));
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
pub fn rejects_unsupported_install_variables() {
    let Some(root) = where_installed("what k3s-install.sh refuses") else { return };
    let before = root.read(SETTINGS);
    for (words, reason) in [
        (&["INSTALL_K3S_VERSION=v1", "k3s-install.sh"][..], "the package is the version"),
        (&["INSTALL_K3S_CHANNEL_URL=https://h/?c=", "k3s-install.sh"], "the package is the version"),
        (&["INSTALL_K3S_SKIP_DOWNLOAD=false", "k3s-install.sh"], "nothing is ever downloaded"),
        (&["INSTALL_K3S_BIN_DIR=/opt/bin", "k3s-install.sh"], "one place and name"),
        (&["K3S_URL=https://s", "k3s-install.sh"], "needs K3S_TOKEN"),
        (&["K3S_URL=http://s", "K3S_TOKEN=t", "k3s-install.sh"], "must begin with https://"),
        (&["k3s-install.sh", "etcd-snapshot"], "neither server, agent nor an option"),
        (&["INSTALL_K3S_EXEC=server 'x", "k3s-install.sh"], "a quote without its second half"),
        (
            &["INSTALL_K3S_SKIP_START=yes", "k3s-install.sh"],
            "INSTALL_K3S_SKIP_START=yes: must be true or false",
        ),
        (&["INSTALL_K3S_ARTIFACT_URL=http://a", "k3s-install.sh"], "nothing is ever downloaded"),
        (
            &["INSTALL_K3S_SYMLINK=force", "k3s-install.sh"],
            "the package k3s-cli, crictl and ctr in the package k3s-cri-tools",
        ),
        (&["INSTALL_K3S_SKIP_SELINUX_RPM=false", "k3s-install.sh"], "dnf install k3s-selinux"),
        (&["INSTALL_K3S_NONSENSE=1", "k3s-install.sh"], "INSTALL_K3S_NONSENSE is unknown here"),
        (&["K3S_TOKEN=a\nb", "k3s-install.sh", "server"], "K3S_TOKEN contains a newline"),
        (&["sh", "-c", "K3S_TOKEN=$(printf 'a\\377') k3s-install.sh"], "K3S_TOKEN is not UTF-8"),
        (&["k3s-install.sh", "--x=a\nb"], "an argument contains a newline"),
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
pub fn install_script_replaces_the_unit_of_1_24_2() {
    let Some(root) = where_installed("the takeover of an old unit") else { return };
    root.write(
        "/etc/systemd/system/k3s.service",
        "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n",
    );
    fs::create_dir_all(root.path(WANTED).parent().unwrap()).unwrap();
    symlink("/etc/systemd/system/k3s.service", root.path(WANTED)).unwrap();
    root.write("/run/active-k3s.service", "");
    expect_success(install(&root, &["k3s-install.sh"]));
    assert!(root.read("/var/log/systemctl").contains("restart k3s.service\n"), "the old one runs");
    assert!(
        root.has("/etc/systemd/system/k3s.service.saved") && !root.has("/etc/systemd/system/k3s.service")
    );
    assert_eq!(root.link(WANTED), "/usr/lib/systemd/system/k3s.service");

    let (unit, another) = ("/etc/systemd/system/k3s.service", "[Service]\nExecStart=/opt/k3s server\n");
    root.write(unit, another);
    let refused = install(&root, &["k3s-install.sh"]);
    assert_eq!((refused.status.code(), root.read(unit).as_str()), (Some(1), another));
    assert!(said(&refused).contains("k3s.service.saved is there already"), "{}", said(&refused));
    root.write(unit, "[Service]\nExecStart=/usr/bin/other\n");
    let refused = install(&root, &["k3s-install.sh"]);
    assert!(said(&refused).contains("not of k3s's installer: move it first"), "{}", said(&refused));
    assert!(root.has(WANTED), "the unit stays enabled");
    assert!(root.read(&format!("{unit}.saved")).contains("/usr/local/bin/k3s"));
}

#[test]
pub fn install_script_replaces_only_upstreams_scripts() {
    let Some(root) = where_installed("the takeover of old scripts") else { return };
    let (killall, uninstall) = ("/usr/local/bin/k3s-killall.sh", "/usr/local/bin/k3s-uninstall.sh");
    root.program(uninstall, UPSTREAMS_UNINSTALL);
    root.program(killall, "#!/bin/sh\necho a script of the administrator\n");
    let done = expect_success(install(&root, &["k3s-install.sh"]));
    assert!(done.contains(&format!("{uninstall}.saved")) && !done.contains(killall), "{done}");
    assert_eq!(root.read(&format!("{uninstall}.saved")), UPSTREAMS_UNINSTALL);
    assert!(!root.has(uninstall) && root.has(killall));
}
