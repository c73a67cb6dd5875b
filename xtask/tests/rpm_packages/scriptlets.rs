//! Tests of each scriptlet by itself, on many machines: all that it prints, does and calls. rpm runs them in the tests of
//! [`crate::transactions`] and [`crate::migration`].

use crate::mutants::{self, Lines};
use crate::packages::{expect_success, former};
use crate::root::{Root, alone, can_install};
use crate::scripts::installed;
use xtask::rpm::read;

/// A run of a scriptlet.
struct Case {
    name: &'static str,
    /// rpm's argument: the number of versions that are installed afterwards.
    left: &'static str,
    /// Shell script that brings the machine into its state.
    given: &'static str,
    /// All that is printed, the state of `/usr/local/bin/k3s`, and the calls of systemctl that change something.
    expected: &'static [&'static str],
}

const fn case(
    name: &'static str,
    left: &'static str,
    given: &'static str,
    expected: &'static [&'static str],
) -> Case {
    Case { name, left, given, expected }
}

/// Shell script before each run. What a run writes below these directories ends with it.
const BEGIN: &str = r#"
for directory in /etc /run /usr/local /var; do mount -t tmpfs t $directory; done
mkdir -p /etc/sysconfig /etc/systemd/system /run/systemd/system /usr/local/bin /var/log
export PATH=/usr/local/bin:/usr/bin:/bin
# program PATH TEXT: an executable, also in the place of another one.
program() {
    printf '#!/bin/sh\n%s\n' "$2" >"/var/${1##*/}"
    chmod 755 "/var/${1##*/}"
    [ -e "$1" ] || touch "$1"
    mount -o bind "/var/${1##*/}" "$1"
}
program /usr/bin/k3s-killall.sh 'echo "killall $*"; exit 1'
program /usr/libexec/k3s/k3s-start-check.sh 'echo "check $*"; exit 1'
unit() { echo "ExecStart=$1 server" >>/etc/systemd/system/k3s.service; }
link() { ln -s "$1" /usr/local/bin/k3s; }
# restart VALUE VALUE: settings of two units that run.
restart() {
    echo "K3S_RPM_RESTART=$1" >/etc/sysconfig/k3s
    echo "K3S_RPM_RESTART=$2" >/etc/sysconfig/k3s-agent
    touch /run/active-k3s.service /run/active-k3s-agent.service
}
"#;

const END: &str = r#"
echo "status $?"
[ ! -L /usr/local/bin/k3s ] || readlink /usr/local/bin/k3s
[ ! -e /var/log/systemctl ] || sed -n '/is-active/!s/^/systemctl /p' /var/log/systemctl
"#;

const SYSTEMCTL_FAILS: &str = "program /usr/bin/systemctl 'exit 1'";
const NO_SYSTEMCTL: &str = "PATH=/bin";
const NO_SYSTEMD: &str = "rmdir /run/systemd/system";
const RELOAD: &str = "systemctl daemon-reload";

const POST: &[Case] = &[
    case(
        "first install",
        "1",
        "",
        &[
            "status 0",
            "systemctl --no-reload preset k3s.service",
            "systemctl --no-reload preset k3s-agent.service",
        ],
    ),
    case("upgrade", "2", "", &["status 0"]),
    case(
        "unit in /etc",
        "1",
        "unit /usr/local/bin/k3s",
        &["status 0", "systemctl --no-reload preset k3s-agent.service"],
    ),
    case("systemctl fails", "1", SYSTEMCTL_FAILS, &["status 0"]),
];

const PREUN: &[Case] = &[
    case(
        "removal",
        "0",
        "",
        &[
            "killall --if-running",
            "status 0",
            "systemctl --no-reload disable k3s.service",
            "systemctl --no-reload disable k3s-agent.service",
        ],
    ),
    case("upgrade", "1", "", &["status 0"]),
    case(
        "units of another k3s",
        "0",
        "unit /usr/local/bin/k3s; cp /etc/systemd/system/k3s.service /etc/systemd/system/k3s-agent.service",
        &[
            "k3s: what runs is left alone, since these units in /etc/systemd/system start another k3s: \
             k3s.service k3s-agent.service",
            "status 0",
        ],
    ),
    case(
        "unit of our k3s",
        "0",
        "unit /usr/local/bin/k3s; unit @/usr/bin/k3s; export own=x",
        &["killall --if-running", "status 0", "systemctl --no-reload disable k3s-agent.service"],
    ),
    case("systemctl fails", "0", SYSTEMCTL_FAILS, &["killall --if-running", "status 0"]),
];

const POSTUN: &[Case] = &[
    case("removal", "0", "link ../../bin/k3s", &["status 0", RELOAD]),
    case("upgrade", "1", "link ../../bin/k3s", &["status 0", "../../bin/k3s", RELOAD]),
    case("another k3s", "0", "link /opt/k3s", &["status 0", "/opt/k3s", RELOAD]),
    case("systemctl fails", "0", SYSTEMCTL_FAILS, &["status 0"]),
    case("no systemctl", "0", NO_SYSTEMCTL, &["status 0"]),
    case("no systemd", "0", NO_SYSTEMD, &["status 0"]),
];

const CHECK: &str = "check k3s v1.33.0+k3s1";
const K3S_RUNS: &str = "k3s: k3s.service still runs the old version; to change that: systemctl restart k3s";
const AGENT_RUNS: &str =
    "k3s: k3s-agent.service still runs the old version; to change that: systemctl restart k3s-agent";
const RESTARTED: &[&str] =
    &[CHECK, AGENT_RUNS, "status 0", RELOAD, "systemctl --no-block try-restart k3s.service"];

const POSTTRANS: &[Case] = &[
    case("install", "1", "", &[CHECK, "status 0", RELOAD]),
    case(
        "unit of 1.24.2",
        "1",
        "unit /usr/local/bin/k3s; rmdir /usr/local/bin",
        &[
            "k3s: linked /usr/local/bin/k3s, which a unit in /etc still names; see /usr/share/doc/k3s/UPGRADE.md",
            CHECK,
            "status 0",
            "../../bin/k3s",
            RELOAD,
        ],
    ),
    case(
        "another k3s",
        "1",
        "unit /usr/local/bin/k3s; echo >/usr/local/bin/k3s",
        &[CHECK, "status 0", RELOAD],
    ),
    case("unit of another program", "1", "unit /usr/local/bin/k3s-backup", &[CHECK, "status 0", RELOAD]),
    case(
        "link to nowhere",
        "1",
        "unit /usr/local/bin/k3s; link /opt/k3s",
        &[CHECK, "status 0", "/opt/k3s", RELOAD],
    ),
    case(
        "upstream's scripts",
        "1",
        "for name in killall uninstall agent-uninstall; do echo K3S >/usr/local/bin/k3s-$name.sh; done",
        &[
            "k3s: /usr/local/bin/k3s-killall.sh was written by upstream's installer; see /usr/share/doc/k3s/UPGRADE.md",
            "k3s: /usr/local/bin/k3s-uninstall.sh was written by upstream's installer; see /usr/share/doc/k3s/UPGRADE.md",
            "k3s: /usr/local/bin/k3s-agent-uninstall.sh was written by upstream's installer; \
             see /usr/share/doc/k3s/UPGRADE.md",
            CHECK,
            "status 0",
            RELOAD,
        ],
    ),
    case(
        "SELinux",
        "1",
        "program /usr/local/bin/restorecon 'echo \"restorecon $*\"; exit 1'",
        &[
            "restorecon -i /usr/bin/k3s /usr/lib/systemd/system/k3s.service /usr/lib/systemd/system/k3s-agent.service",
            CHECK,
            "status 0",
            RELOAD,
        ],
    ),
    case("both units run", "1", "restart '' ''", &[CHECK, K3S_RUNS, AGENT_RUNS, "status 0", RELOAD]),
    case("closed output", "1", "restart '' ''; sh() { command sh \"$@\" >&- 2>&-; }", &["status 0", RELOAD]),
    case("restart yes", "1", "restart \"no\nK3S_RPM_RESTART = 'yes' \" no", RESTARTED),
    case("restart true", "1", "restart true false", RESTARTED),
    case("restart on", "1", "restart on off", RESTARTED),
    case("restart 1", "1", "restart 1 0", RESTARTED),
    case(
        "restart always",
        "1",
        "restart no always",
        &[
            CHECK,
            K3S_RUNS,
            "k3s: K3S_RPM_RESTART=always in /etc/sysconfig/k3s-agent is neither yes nor no, and was taken for no",
            AGENT_RUNS,
            "status 0",
            RELOAD,
        ],
    ),
    case("systemctl fails", "1", SYSTEMCTL_FAILS, &[CHECK, "status 0"]),
    case("no systemctl", "1", NO_SYSTEMCTL, &["status 0"]),
    case("no systemd", "1", NO_SYSTEMD, &["status 0"]),
];

/// Returns the output of a scriptlet in one case.
fn run(root: &Root, case: &Case, scriptlet: &str) -> String {
    root.write("/scriptlet", scriptlet);
    let script = format!("exec 2>&1\n{BEGIN}{}\nsh /scriptlet {}{END}", case.given, case.left);
    expect_success(alone(root, &["sh", "-c", &script]).output().unwrap())
}

/// Checks all cases of a scriptlet, and that each of its lines is needed for one.
fn check(name: &str, cases: &[Case]) {
    if !can_install(&format!("the scriptlet {name}")) {
        return;
    }
    let root = installed();
    let scriptlet = &read::read(&former().k3s).unwrap().properties[&format!("scriptlet {name}")];
    for case in cases {
        let printed = run(&root, case, scriptlet);
        assert_eq!(printed.lines().collect::<Vec<_>>(), case.expected, "%{name}, {}", case.name);
    }
    let names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    mutants::are_noticed(&format!("%{name}"), scriptlet, Lines::All, &names, |wanted, mutant| {
        let case =
            cases.iter().find(|case| case.name == wanted).unwrap_or_else(|| panic!("no case {wanted}"));
        run(&root, case, mutant).lines().ne(case.expected.iter().copied())
    });
}

#[test]
fn post_needs_each_of_its_lines() {
    check("post", POST);
}

#[test]
fn preun_needs_each_of_its_lines() {
    check("preun", PREUN);
}

#[test]
fn postun_needs_each_of_its_lines() {
    check("postun", POSTUN);
}

#[test]
fn posttrans_needs_each_of_its_lines() {
    check("posttrans", POSTTRANS);
}
