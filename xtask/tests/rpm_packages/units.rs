//! Tests of the packaged units and their preset: what each line is for, and that none is lost.

use crate::packages::ours;
use fs_err as fs;

/// Lines of both units, each behind its section, with `ROLE` for `server` or `agent`, and what a node is missing without
/// it.
const SHARED: &[(&str, &str)] = &[
    (
        "[Unit] Documentation=https://docs.k3s.io file:///usr/share/doc/k3s/README.md file:///usr/bin/k3s-check",
        "help",
    ),
    ("[Unit] Wants=network-online.target", "an address when k3s looks for one"),
    ("[Unit] After=network-online.target", "the same"),
    ("[Unit] After=time-sync.target", "certificates of the right date"),
    ("[Service] Type=notify", "systemctl start that waits until k3s is ready"),
    ("[Service] User=root", "HOME, for kubectl and Helm"),
    ("[Service] Environment=OPTIONS=", "a start without a file that sets it"),
    ("[Service] EnvironmentFile=-/etc/default/%N", "settings of upstream's installer"),
    ("[Service] EnvironmentFile=-/etc/systemd/system/%N.service.env", "the token that it has written"),
    ("[Service] EnvironmentFile=-/etc/sysconfig/%N", "settings of k3s-install.sh, over the others"),
    ("[Service] ExecStartPre=-/sbin/modprobe br_netfilter", "rules for packets between pods"),
    ("[Service] ExecStartPre=-/sbin/modprobe overlay", "containerd's snapshots"),
    (
        "[Service] ExecStart=/usr/bin/k3s ROLE $OPTIONS",
        "the right half of k3s, with the administrator's options",
    ),
    ("[Service] KillMode=process", "pods that outlive a restart of k3s"),
    ("[Service] Delegate=yes", "cgroups of pods that systemd leaves alone"),
    ("[Service] LimitNOFILE=1048576", "files for many pods"),
    ("[Service] LimitNPROC=infinity", "processes of many pods"),
    ("[Service] LimitCORE=infinity", "core dumps of pods"),
    ("[Service] TasksMax=infinity", "threads of many pods"),
    ("[Service] TimeoutStartSec=0", "the minutes of a first start on a slow board"),
    ("[Service] Restart=always", "a node that comes back"),
    ("[Service] RestartSec=5s", "a pause in which the cause may go away"),
    ("[Install] WantedBy=multi-user.target", "a start with the machine, once it is enabled"),
];

/// A file, the role that it starts k3s in, and its further lines.
type Unit = (&'static str, Option<&'static str>, &'static [(&'static str, &'static str)]);

const UNITS: [Unit; 4] = [
    (
        "k3s.service",
        Some("server"),
        &[
            ("[Unit] Description=Lightweight Kubernetes: server", "a name in systemctl status"),
            ("[Unit] Conflicts=k3s-agent.service", "the end of an agent with the same data and ports"),
            (
                "[Unit] Requires=k3s-start-check@k3s.service",
                "one attempt, not many, of a start that cannot succeed",
            ),
            ("[Unit] After=k3s-start-check@k3s.service", "the result of this check"),
            (
                "[Service] ExecStartPost=-/usr/libexec/k3s/k3s-start-check.sh --started",
                "the version that the next start is compared with",
            ),
        ],
    ),
    (
        "k3s-agent.service",
        Some("agent"),
        &[
            ("[Unit] Description=Lightweight Kubernetes: agent", "a name in systemctl status"),
            ("[Unit] Conflicts=k3s.service", "the end of a server with the same data and ports"),
            ("[Unit] After=k3s.service", "a start after that end"),
            (
                "[Unit] Requires=k3s-start-check@k3s-agent.service",
                "one attempt, not many, of a start that cannot succeed",
            ),
            ("[Unit] After=k3s-start-check@k3s-agent.service", "the result of this check"),
        ],
    ),
    (
        "k3s-start-check@.service",
        None,
        &[
            ("[Unit] Description=Check before the start of %i", "a name in the journal"),
            ("[Unit] Documentation=file:///usr/share/doc/k3s/UPGRADE.md", "help"),
            ("[Service] Type=oneshot", "a result before k3s starts"),
            ("[Service] EnvironmentFile=-/etc/default/%i", "the settings that k3s will have"),
            ("[Service] EnvironmentFile=-/etc/systemd/system/%i.service.env", "the same"),
            ("[Service] EnvironmentFile=-/etc/sysconfig/%i", "the same"),
            ("[Service] ExecStart=/usr/libexec/k3s/k3s-start-check.sh %i", "the check"),
        ],
    ),
    (
        "80-k3s.preset",
        None,
        &[
            (" disable k3s.service", "a role that its owner has chosen"),
            (" disable k3s-agent.service", "the same"),
        ],
    ),
];

/// Returns the lines of a unit without comments, each behind its section.
fn lines(text: &str) -> Vec<String> {
    let mut section = "";
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.starts_with('[') {
            true => section = line,
            false => lines.push(format!("{section} {line}")),
        }
    }
    lines
}

/// Returns what is wrong with the text of a unit.
fn problem((name, role, own): Unit, text: &str) -> Option<String> {
    let shared = SHARED.iter().filter_map(|(line, without)| Some((line.replace("ROLE", role?), without)));
    let shared: Vec<_> = shared.collect();
    let own: Vec<_> = own.iter().map(|(line, without)| ((*line).to_owned(), without)).collect();
    let found = lines(text);
    let missing = shared.iter().chain(&own).find(|(line, _)| !found.contains(line));
    if let Some((line, without)) = missing {
        return Some(format!("{name} has no {line}, without which a node is missing {without}"));
    }
    let (in_both, rest): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|line| shared.iter().any(|(wanted, _)| wanted == line));
    if in_both.iter().ne(shared.iter().map(|(line, _)| line)) {
        return Some(format!("{name}: a later file of settings wins: {in_both:#?}"));
    }
    let expected = own.iter().map(|(line, _)| line);
    rest.iter().ne(expected).then(|| format!("{name} has lines without a reason here: {rest:#?}"))
}

#[test]
fn units_have_every_line_that_a_node_needs() {
    for unit in UNITS {
        let text = fs::read_to_string(ours("rpm").join(unit.0)).unwrap();
        assert_eq!(problem(unit, &text), None);
        let all: Vec<&str> = text.lines().collect();
        for (number, line) in
            all.iter().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        {
            let mutant = [&all[..number], &all[number + 1..]].concat().join("\n");
            assert!(problem(unit, &mutant).is_some(), "{}: nothing notices that {line} is missing", unit.0);
        }
    }
}
