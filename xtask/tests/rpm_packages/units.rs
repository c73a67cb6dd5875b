//! Tests of the packaged units: what each directive is for, and that none is lost.

use crate::packages::ours;
use fs_err as fs;

/// Directives of both units, with `ROLE` for `server` or `agent`, each with what a node is missing without it.
const DIRECTIVES: &[(&str, &str)] = &[
    ("Wants=network-online.target", "an address when k3s looks for one"),
    ("After=network-online.target", "the same"),
    ("After=time-sync.target", "certificates of the right date"),
    ("Type=notify", "systemctl start that waits until k3s is ready"),
    ("User=root", "HOME, for kubectl and Helm"),
    ("Environment=OPTIONS=", "a start without a file that sets it"),
    ("EnvironmentFile=-/etc/default/%N", "settings of upstream's installer"),
    ("EnvironmentFile=-/etc/systemd/system/%N.service.env", "the token that it has written"),
    ("EnvironmentFile=-/etc/sysconfig/%N", "settings of k3s-install.sh, over the others"),
    ("ExecStartPre=-/sbin/modprobe br_netfilter", "rules for packets between pods"),
    ("ExecStartPre=-/sbin/modprobe overlay", "containerd's snapshots"),
    ("ExecStart=/usr/bin/k3s ROLE $OPTIONS", "the right half of k3s, with the administrator's options"),
    ("KillMode=process", "pods that outlive a restart of k3s"),
    ("Delegate=yes", "cgroups of pods that systemd leaves alone"),
    ("LimitNOFILE=1048576", "files for many pods"),
    ("LimitNPROC=infinity", "processes of many pods"),
    ("LimitCORE=infinity", "core dumps of pods"),
    ("TasksMax=infinity", "threads of many pods"),
    ("TimeoutStartSec=0", "the minutes of a first start on a slow board"),
    ("Restart=always", "a node that comes back"),
    ("RestartSec=5s", "a pause in which the cause may go away"),
    ("WantedBy=multi-user.target", "a start with the machine, once it is enabled"),
];

/// Returns the directives of a unit but for what it says about itself.
fn directives(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
    lines.filter(|line| !line.starts_with("Description=") && !line.starts_with("Documentation=")).collect()
}

#[test]
fn units_have_every_directive_that_a_node_needs() {
    // Only one of the two can run, and the agent starts after a server that it ends has ended. Of a start that cannot
    // succeed there is one attempt.
    let own: [(&str, &[&str]); 2] = [
        (
            "server",
            &[
                "Conflicts=k3s-agent.service",
                "Requires=k3s-start-check@k3s.service",
                "After=k3s-start-check@k3s.service",
                "ExecStartPost=-/usr/libexec/k3s/k3s-start-check.sh --started",
            ],
        ),
        (
            "agent",
            &[
                "Conflicts=k3s.service",
                "After=k3s.service",
                "Requires=k3s-start-check@k3s-agent.service",
                "After=k3s-start-check@k3s-agent.service",
            ],
        ),
    ];
    for (role, own) in own {
        let name = if role == "server" { "k3s.service" } else { "k3s-agent.service" };
        let text = fs::read_to_string(ours("rpm").join(name)).unwrap();
        let expected: Vec<String> =
            DIRECTIVES.iter().map(|(directive, _)| directive.replace("ROLE", role)).collect();
        let (shared, rest): (Vec<&str>, Vec<&str>) =
            directives(&text).into_iter().partition(|line| expected.iter().any(|wanted| wanted == line));
        for (directive, (_, without)) in expected.iter().zip(DIRECTIVES) {
            assert!(
                shared.contains(&directive.as_str()),
                "{name} has no {directive}, without which a node is missing {without}"
            );
        }
        assert_eq!(shared, expected, "{name}: a later file of settings wins");
        assert_eq!(rest, own, "{name} has directives without a reason here");
    }
}
