//! A container of a load balancer's pod.

use super::ENTRY;
use crate::root::{Root, can_run};
use std::process::Command;

/// Stub that keeps the rules of a table in /tmp/rules, and fails for the calls that /answers/fails describes.
const IPTABLES: &str = r#"#!/bin/sh
program=${0##*/}
printf '%s\n' "$program $*" >>/tmp/calls
printf '%s\n' "$XTABLES_LOCKFILE" >/tmp/lock-file
if [ "$1 $2" != '-w -t' ]; then echo "$program: no table: $*" >&2; exit 2; fi
table=$3 action=$4 chain=$5
shift 5
if printf '%s\n' "$program -t $table $action $chain $*" | grep -q -f /answers/fails; then
    echo "$program: No chain/target/match by that name" >&2
    exit 1
fi
rule="$program $table $chain $*"
case $action in
-A) printf '%s\n' "$rule" >>/tmp/rules ;;
-I)
    rules=$(cat /tmp/rules)
    printf '%s\n' "$rule" "$rules" >/tmp/rules
    ;;
-C) grep -q -x -F -e "$rule" /tmp/rules || { echo "$program: Bad rule" >&2; exit 1; } ;;
-D)
    grep -q -x -F -e "$rule" /tmp/rules || exit 1
    rules=$(grep -v -x -F -e "$rule" /tmp/rules)
    printf '%s\n' "$rules" >/tmp/rules
    ;;
*) exit 2 ;;
esac
"#;

pub struct Container {
    pub root: Root,
    environment: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    /// Standard output and error.
    pub output: String,
    /// Rules in the order of each chain, without the name of a backend that is `nft`.
    pub rules: Vec<String>,
    pub calls: Vec<String>,
}

impl Container {
    /// Returns a container that forwards TCP port 80 to an IPv4 service, or nothing where none can be run.
    pub fn new() -> Option<Container> {
        if !can_run("the entry of klipper-lb") {
            return None;
        }
        let root = Root::new(ENTRY, &["sh", "cat", "grep", "sed"]);
        for program in ["iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"] {
            root.program(&format!("usr/bin/{program}"), IPTABLES);
        }
        root.program("usr/bin/sleep", "#!/bin/sh\necho \"sleep $*\"\n");
        let container = Container { root, environment: Vec::new() }
            .fails("")
            .file("tmp/rules", "")
            .sysctl("net/ipv4/ip_forward", "1")
            .sysctl("net/ipv6/conf/all/forwarding", "1");
        let variables = [
            ("SRC_PORT", "80"),
            ("SRC_RANGES", "0.0.0.0/0"),
            ("DEST_PROTO", "TCP"),
            ("DEST_PORT", "80"),
            ("DEST_IPS", "10.43.0.10"),
        ];
        Some(variables.iter().fold(container, |container, (name, value)| container.env(name, value)))
    }

    pub fn env(self, name: &str, value: &str) -> Container {
        let mut container = self.without(name);
        container.environment.push((name.to_owned(), value.to_owned()));
        container
    }

    pub fn without(mut self, name: &str) -> Container {
        self.environment.retain(|(existing, _)| existing != name);
        self
    }

    pub fn file(self, path: &str, text: &str) -> Container {
        self.root.write(path, text);
        self
    }

    pub fn sysctl(self, path: &str, value: &str) -> Container {
        self.file(&format!("proc/sys/{path}"), &format!("{value}\n"))
    }

    /// Sets which calls fail, as patterns of grep.
    pub fn fails(self, patterns: &str) -> Container {
        self.file("answers/fails", patterns)
    }

    pub fn command(&self) -> Command {
        self.root.command(&[], &self.environment)
    }

    /// Runs the entry until it sleeps.
    pub fn run(&self) -> Outcome {
        let output = self.root.run(&[], &self.environment);
        let text = [output.stdout, output.stderr].concat();
        let lines = |path: &str| self.root.read(path).lines().map(str::to_owned).collect::<Vec<_>>();
        let mut rules = lines("tmp/rules");
        rules.retain(|rule| !rule.is_empty());
        Outcome {
            code: output.status.code(),
            output: String::from_utf8(text).unwrap(),
            rules: rules.iter().map(|rule| rule.replace("tables-nft", "tables")).collect(),
            calls: lines("tmp/calls"),
        }
    }
}

impl Outcome {
    /// Returns the rules of a table's chain.
    #[track_caller]
    pub fn chain(&self, chain: &str) -> Vec<&str> {
        assert_eq!(self.code, Some(0), "{self:#?}");
        assert!(self.output.ends_with("sleep infinity\n"), "{self:#?}");
        self.rules.iter().map(String::as_str).filter(|rule| rule.contains(&format!(" {chain} "))).collect()
    }
}
