//! Tests of the shells' completions, in the shells themselves, with a k3s that records its calls: TAB executes
//! nothing.

use crate::needs;
use crate::packages::ours;
use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tempfile::TempDir;

/// `k3s` that records its arguments, and prints what the test has prepared.
const RECORDER: &str = r#"#!/bin/sh
printf '%s|' "$@" >>"$RECORD"
echo >>"$RECORD"
printf '%s' "$PRINTED"
"#;

/// Calls the function as readline does, with the cursor at `^`, else at the end: `COMP_WORDS` is split at `=` and `:`
/// as well, unlike `COMP_LINE`.
const BASH: &str = r#"
compopt() { echo "compopt $*"; }
complete() { :; }
. rpm/k3s.bash
before=${1%%^*} COMP_LINE=${1/^/} COMP_POINT=${#before}
mapfile -t COMP_WORDS < <(printf '%s' "$COMP_LINE" | sed 's/[=:]/ & /g' | tr -s ' ' '\n')
[[ $1 != *[\ :=] ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
eval "$SETTINGS"
_k3s
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
"#;

const ZSH: &str = r#"
_describe() { print -rl -- ${(P)2}; }
_files() { print files; }
compset() { print -r -- "compset $*"; }
words=("${(@s: :)1}")
CURRENT=$#words
. rpm/_k3s
"#;

#[derive(Clone, Copy)]
enum Shell {
    Bash,
    Zsh,
}
use Shell::{Bash, Zsh};

/// The calls of k3s, a line each, and the output of the completion, for a line with the cursor at its end.
fn complete(shell: Shell, line: &str, printed: &str) -> (String, String) {
    complete_where("", shell, line, printed)
}

/// The same in a shell with these settings, if it is bash.
fn complete_where(settings: &str, shell: Shell, line: &str, printed: &str) -> (String, String) {
    let directory = TempDir::new().unwrap();
    let k3s = directory.path().join("k3s");
    fs::write(&k3s, RECORDER).unwrap();
    fs::set_permissions(&k3s, PermissionsExt::from_mode(0o755)).unwrap();
    let record = directory.path().join("record");
    let (program, script) = match shell {
        Bash => ("bash", BASH),
        Zsh => ("zsh", ZSH),
    };
    let mut command = Command::new(program);
    command.current_dir(ours(""));
    command.args(match shell {
        Bash => ["--norc", "-c"],
        Zsh => ["-f", "-c"],
    });
    command.args([script, "completion", line]);
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
    command.env("PATH", path).env("RECORD", &record).env("PRINTED", printed);
    command.env("SETTINGS", settings);
    let output = command.output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "", "{program} at {line:?}");
    let calls = if record.exists() { fs::read_to_string(record).unwrap() } else { String::new() };
    (calls, String::from_utf8(output.stdout).unwrap())
}

fn shells() -> Vec<Shell> {
    let zsh = needs::programs("completion in zsh", &[("zsh", "zsh")]);
    [Bash].into_iter().chain(zsh.then_some(Zsh)).collect()
}

#[test]
fn tab_executes_nothing_after_two_dashes() {
    for shell in shells() {
        for line in [
            "k3s kubectl exec web -- sh /cleanup.sh ",
            "k3s kubectl exec web -- ",
            "k3s kubectl exec web -- rm -",
            "k3s server -- ",
            "k3s -- server --d",
            "k3s crictl exec web -- rm x",
        ] {
            let (calls, offered) = complete(shell, line, "anything\n:4\n");
            assert_eq!(calls, "", "{line}");
            assert!(matches!(offered.as_str(), "" | "files\n"), "{line}: {offered}");
        }
    }
}

#[test]
fn two_dashes_alone_are_not_handed_to_k3s() {
    for shell in shells() {
        let (calls, _) = complete(shell, "k3s server --", "--debug\n");
        assert_eq!(calls, "server|-|--generate-bash-completion|\n");
        let (calls, _) = complete(shell, "k3s kubectl exec web --", "--as\n:4\n");
        assert_eq!(calls, "kubectl|__complete|exec|web|-|\n");
    }
}

#[test]
fn k3s_completes_its_commands_and_options() {
    for shell in shells() {
        let (calls, offered) = complete(shell, "k3s ser", "server\n");
        assert_eq!((calls.as_str(), offered.as_str()), ("--generate-bash-completion|\n", "server\n"));
        let (calls, offered) = complete(shell, "k3s server --de", "--debug\n");
        assert_eq!(calls, "server|--de|--generate-bash-completion|\n");
        assert_eq!(offered, "--debug\n");
    }
    let (_, offered) = complete(Bash, "k3s server --", "--debug\n-v\nother\n");
    assert_eq!(offered, "--debug\n", "what the shell would refuse is not offered");
}

#[test]
fn kubectl_completes_its_own_words() {
    let printed = "pods\tthe pods\npodtemplates\n:4\n";
    for shell in shells() {
        let (calls, offered) = complete(shell, "k3s kubectl get po", printed);
        assert_eq!(calls, "kubectl|__complete|get|po|\n");
        let (calls, _) = complete(shell, "k3s kubectl ", printed);
        assert_eq!(calls, "kubectl|__complete||\n");
        match shell {
            Bash => assert_eq!(offered, "compopt +o bashdefault +o default\npods\npodtemplates\n"),
            Zsh => assert_eq!(offered, "pods:the pods\npodtemplates\n"),
        }
    }
}

#[test]
fn kubectl_asks_for_file_names() {
    for shell in shells() {
        let (_, offered) = complete(shell, "k3s kubectl apply -f ", "json\nyaml\n:8\n");
        assert_eq!(offered, if matches!(shell, Bash) { "" } else { "files\n" });
        let (_, offered) = complete(shell, "k3s kubectl get nothing ", ":4\n");
        assert!(!offered.contains("files"), "{offered}");
        let (_, offered) = complete(shell, "k3s kubectl get ", "half an error\n:1\n");
        assert!(!offered.contains("half"), "{offered}");
    }
}

#[test]
fn values_of_options_are_completed() {
    let printed = "json\njsonpath\n:6\n";
    for (line, offered) in [
        ("k3s kubectl get --output=js", "json\njsonpath\n"),
        ("k3s kubectl get --output=", "json\njsonpath\n"),
        ("k3s kubectl get -o js", "json\njsonpath\n"),
    ] {
        let (calls, given) = complete(Bash, line, printed);
        let last = line.rsplit(' ').next().unwrap();
        assert!(calls.ends_with(&format!("|{last}|\n")), "{calls}");
        assert_eq!(
            given,
            format!("compopt -o nospace\ncompopt +o bashdefault +o default\n{offered}"),
            "{line}"
        );
    }
    let (_, given) = complete(Bash, "k3s kubectl get --raw=a:b", "a:bc\n:0\n");
    assert_eq!(given, "bc\n", "readline replaces what follows the colon");
    for shell in shells().into_iter().skip(1) {
        let (_, given) = complete(shell, "k3s kubectl get --output=js", printed);
        assert_eq!(given, "compset -P *=\njson\njsonpath\n");
    }
}

#[test]
fn only_what_is_before_the_cursor_is_completed() {
    let (_, offered) = complete(Bash, "k3s ser^ver", "server\n");
    assert_eq!(offered, "server\n", "readline replaces what is before the cursor");
}

#[test]
fn settings_of_the_shell_change_no_completion() {
    for settings in ["set -u", "IFS=,", r"IFS=$'\n'"] {
        let (calls, offered) = complete_where(settings, Bash, "k3s kubectl get po", "pods\n:0\n");
        assert_eq!(
            (calls.as_str(), offered.as_str()),
            ("kubectl|__complete|get|po|\n", "pods\n"),
            "{settings}"
        );
        let (_, offered) = complete_where(settings, Bash, "k3s kubectl get po", "");
        assert_eq!(offered, "", "{settings}");
        let (calls, _) = complete_where(settings, Bash, "k3s kubectl exec web -- sh a,b ", "");
        assert_eq!(calls, "", "{settings}");
    }
    let whole = "COMP_WORDBREAKS=${COMP_WORDBREAKS//:}";
    let (_, offered) = complete_where(whole, Bash, "k3s kubectl --context a:b", "a:bc\n:0\n");
    assert_eq!(offered, "a:bc\n", "readline replaces the whole word where : separates none");
}

#[test]
fn crictl_and_ctr_are_not_asked() {
    for shell in shells() {
        for line in ["k3s crictl ", "k3s crictl rm ", "k3s ctr -", "k3s ctr image rm x"] {
            let (calls, _) = complete(shell, line, "help\nh\n");
            assert_eq!(calls, "", "{line}");
        }
    }
}

#[test]
fn names_in_a_cluster_are_not_expanded() {
    let directory = TempDir::new().unwrap();
    let trap = directory.path().join("trap");
    for shell in shells() {
        let name = format!("$(touch${{IFS}}{0})\n`touch {0}`\n:4\n", trap.display());
        let (_, offered) = complete(shell, "k3s kubectl get pods ", &name);
        assert!(offered.contains("$(touch${IFS}"), "{offered}");
        assert!(!trap.exists(), "the completion executed the name of a pod");
        // A kubectl that ends early prints no directive.
        complete(shell, "k3s kubectl get pods ", &format!("web\npsvar[$(touch {})]", trap.display()));
        assert!(!trap.exists(), "the completion executed what it took for a directive");
        complete(shell, "k3s kubectl get pods ", "");
    }
}
