//! The command line of the script, its output, and its end by a signal.

use crate::host::{Host, Report, Shell, can_check, entries};
use crate::needs;
use fs_err as fs;
use std::process::Command;

fn text(host: &Host, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output =
        host.command_in(Shell::Root).args(arguments).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn language_is_that_of_the_locale() {
    if !can_check("the language") {
        return;
    }
    let chinese = [
        &[("LC_ALL", "zh_CN.UTF-8"), ("LANG", "C")][..],
        &[("LC_MESSAGES", "zh_TW.UTF-8"), ("LANG", "en_US.UTF-8")],
        &[("LANG", "zh_CN")],
        &[("LC_ALL", ""), ("LC_MESSAGES", ""), ("LANG", "zh_CN.UTF-8")],
    ];
    let english =
        [&[("LC_ALL", "C"), ("LANG", "zh_CN")][..], &[("LC_MESSAGES", "de_DE"), ("LANG", "zh_CN")], &[]];
    for (locales, help, line) in
        [(&chinese[..], "用法：k3s-check", "未来"), (&english[..], "usage: k3s-check", "nothing was found")]
    {
        let line =
            if help.starts_with("usage") { line } else { "没有发现妨碍 k3s 在本机工作的问题" };
        for variables in locales {
            let host = Host::new();
            let (status, message, errors) = text(&host, &["--help"], variables);
            assert!(
                status == Some(0) && message.starts_with(help) && errors.is_empty(),
                "{variables:?}: {message}"
            );
            let (status, message, errors) = text(&host, &[], variables);
            assert!(status == Some(0) && errors.is_empty(), "{message}{errors}");
            assert!(message.lines().last().unwrap().starts_with(line), "{variables:?}: {message}");
        }
    }
}

#[test]
fn text_names_findings_and_remedies() {
    if !can_check("the text") {
        return;
    }
    let host = Host::new();
    host.set("today", "1970-01-01");
    host.write("proc/net/route", "");
    host.write("proc/meminfo", "MemTotal:        1000000 kB\n");
    let (status, message, _) = text(&host, &[], &[]);
    assert_eq!(status, Some(1));
    assert!(message.contains("\nFAILS  clock: the clock says 1970-01-01"), "{message}");
    assert!(message.contains("\n       why: k3s issues its certificates now"), "{message}");
    assert!(message.contains("\n       do:  set the clock first"), "{message}");
    assert!(
        message.contains("\nok     vxlan: works\n") && message.contains("modules loaded, and kept: "),
        "{message}"
    );
    assert!(
        message.ends_with("\nk3s will not work here: clock default-route; limits: memory\n"),
        "{message}"
    );
    let (_, message, _) = text(&host, &[], &[("LANG", "zh_CN.UTF-8")]);
    assert!(message.contains("\n失败  clock: 时钟显示 1970-01-01"), "{message}");
    assert!(
        message.ends_with("\nk3s 无法在本机工作： clock default-route；另有限制： memory\n"),
        "{message}"
    );
}

#[test]
fn users_read_what_was_not_tried() {
    if !can_check("users") || !needs::namespaces("users") {
        return;
    }
    let output = Host::new().command_in(Shell::Dash).output().unwrap();
    let message = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]), "{message}");
    for line in [
        "?      veth: CONFIG_VETH=y, but: needs root\n",
        "?      vxlan: the module vxlan is installed, but: needs root\n",
        "?      fsync: needs root\n",
        "?      images: needs root\n",
        "ok     cgroup-memory: enabled\n",
    ] {
        assert!(message.contains(line), "{line}: {message}");
    }
    assert!(message.contains("\nnot tried: ") && !message.contains("modules loaded"), "{message}");
}

#[test]
fn unknown_configuration_is_reported() {
    if !can_check("an unknown configuration") || !needs::namespaces("an unknown configuration") {
        return;
    }
    let host = Host::new();
    host.remove("boot/config-6.12.0-test");
    let report = host.check_in(Shell::Dash, "C");
    let not_run = report.checks("not_run");
    assert!(not_run.contains(&"vxlan") && not_run.contains(&"cpu.max"), "{}", report.json);
    assert_eq!(report.findings, [].into());
    // Features that are tried are known all the same.
    assert_eq!(host.check().checks("not_run"), ["cgroup-bpf"]);
}

#[test]
fn reads_a_compressed_configuration() {
    if !can_check("a compressed configuration") || !needs::namespaces("a compressed configuration") {
        return;
    }
    let host = Host::new();
    host.unset(&["VXLAN"]);
    let text = host.read("boot/config-6.12.0-test");
    host.remove("boot/config-6.12.0-test");
    host.write("proc/config", &text);
    let mut gzip = Command::new("gzip");
    assert!(gzip.arg(host.path("root/proc/config")).status().unwrap().success());
    for shell in [Shell::Dash, Shell::Busybox] {
        assert_eq!(host.check_in(shell, "C").findings, [("vxlan".to_owned(), "limit".to_owned())].into());
    }
}

#[test]
fn json_is_valid_whatever_commands_print() {
    if !can_check("JSON") {
        return;
    }
    let host = Host::new();
    host.set("iptables", "v1.8.9 \"quoted\" back\\slash\ttab\nline");
    host.write("proc/sys/kernel/osrelease", "6.1\"\\\n");
    let report = host.check();
    assert_eq!(report.json["kernel"], "6.1\"\\");
    let passed = report.json["passed"].as_array().unwrap();
    assert!(
        passed.iter().any(|entry| entry["what"] == "v1.8.9 \"quoted\" back\\slash tab line"),
        "{}",
        report.json
    );
}

#[test]
fn rejects_wrong_usage() {
    if !can_check("usage") {
        return;
    }
    let host = Host::new();
    for arguments in [&["--jsn"][..], &["--data-dir"], &["--data-dir", "relative"], &["here"]] {
        let (status, message, errors) = text(&host, arguments, &[]);
        assert!(
            status == Some(3) && message.is_empty() && errors.starts_with("usage: "),
            "{arguments:?}: {errors}"
        );
    }
    assert_eq!(host.calls(), "");
}

#[test]
fn data_directory_can_be_another() {
    if !can_check("the data directory") {
        return;
    }
    let host = Host::new();
    for arguments in [&["--data-dir=/srv/k3s"][..], &["--data-dir", "/srv/k3s"]] {
        let output = host.command_in(Shell::Root).arg("--json").args(arguments).output().unwrap();
        let report = Report::of(&output);
        assert!(report.text("images").starts_with("/srv/k3s/agent/images has no"), "{}", report.json);
    }
    assert_eq!(entries(&host.path("root")), ["boot", "lib", "proc", "sys", "var"]);
}

#[test]
fn signals_leave_nothing_behind() {
    if !can_check("signals") {
        return;
    }
    for (signal, status) in [("TERM", 143), ("INT", 130), ("PIPE", 141)] {
        let host = Host::new();
        host.write("sys/fs/cgroup/cgroup.subtree_control", "memory pids\n");
        // In the middle: in the probe of a rule, which is a child of the script's child.
        host.stub(
            "iptables",
            &format!("#!/bin/sh\n[ \"$1\" = --version ] || kill -{signal} \"$(cat \"$HOST/pid\")\"\n"),
        );
        let command = host.command_in(Shell::Root);
        let script = host.path("k3s-check");
        let words = ["sh", "-c", "echo $$ >\"$HOST/pid\" && exec dash \"$1\"", "sh"];
        // Tests in the background ignore some signals, and a shell cannot change that.
        let mut started = Command::new("env");
        started.arg("--default-signal=INT,PIPE").args(words).arg(script);
        started.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = started.output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(entries(&host.path("root/var/lib/rancher/k3s")), ["agent"], "{signal}");
        assert!(!entries(&host.path("root/sys/fs/cgroup")).iter().any(|name| name.starts_with("k3s-check")));
        assert_eq!(host.read("sys/fs/cgroup/cgroup.subtree_control"), "-cpu\n", "{signal}");
        let holder = fs::read_to_string(host.path("holder")).unwrap();
        assert!(!std::path::Path::new("/proc").join(holder.trim()).exists(), "{signal}: {holder}");
    }
}
