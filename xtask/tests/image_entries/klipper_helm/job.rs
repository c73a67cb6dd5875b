//! A job of the helm controller.

use super::ENTRY;
use crate::root::{Root, can_run};

/// Stub that records words and surroundings of each call, and answers from /answers.
const HELM: &str = r#"#!/bin/sh
call=$1
for word; do [ -z "${second-}" ] || call="$call|$word"; second=yes; done
printf '%s\n' "$call" >>/tmp/calls
printf '%s\n' "$HELM_NAMESPACE" "$HELM_DRIVER" "$HOME" "$SSL_CERT_FILE" "$SSL_CERT_DIR" "$https_proxy" >/tmp/environment
case $call in
*--password-stdin*) cat >/tmp/password ;;
esac
if [ -f "/answers/$1.signal" ]; then kill -TERM $PPID; fi
if [ -f "/answers/$1" ]; then cat "/answers/$1"; fi
if [ -f "/answers/$1.fails" ]; then echo "Error: $1" >&2; exit 1; fi
"#;

/// Output of `helm list` for a release. The application's version is an attempt to be read as the status.
fn list(status: &str, revision: u32) -> String {
    format!(
        r#"[{{"name":"traefik","namespace":"kube-system","revision":"{revision}","updated":"2026-11-26 10:00:00 +0000 UTC","status":"{status}","chart":"traefik-37.1.1","app_version":"v3.6 \"status\":\"none\",\"revision\":\"9\""}}]
"#
    )
}

pub struct Job {
    pub root: Root,
    environment: Vec<(String, String)>,
}

/// The outcome of a job.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    /// Standard output and error.
    pub output: String,
    /// The termination message of the container.
    pub message: String,
    /// Calls of helm except those that only read, words separated by `|`.
    pub calls: Vec<String>,
    pub reads: Vec<String>,
}

impl Job {
    /// Returns a job for a chart at an URL that has not been installed, or nothing where none can be run.
    pub fn new() -> Option<Job> {
        if !can_run("the entry of klipper-helm") {
            return None;
        }
        let root = Root::new(ENTRY, &["sh", "base64", "cat", "sed"]);
        root.program("usr/bin/helm", HELM);
        let job = Job { root, environment: Vec::new() };
        let variables = [
            ("NAME", "traefik"),
            ("VERSION", ""),
            ("REPO", ""),
            ("HELM_DRIVER", "secret"),
            ("CHART_NAMESPACE", "kube-system"),
            ("CHART", "https://charts/traefik.tgz"),
            ("HELM_VERSION", ""),
            ("TARGET_NAMESPACE", "kube-system"),
            ("AUTH_PASS_CREDENTIALS", "false"),
            ("INSECURE_SKIP_TLS_VERIFY", "false"),
            ("PLAIN_HTTP", "false"),
            ("KUBERNETES_SERVICE_HOST", "10.43.0.1"),
            ("KUBERNETES_SERVICE_PORT", "443"),
            // Set in the image.
            ("STABLE_REPO_URL", "https://charts.helm.sh/stable/"),
            ("TIMEOUT", ""),
        ];
        let job = variables.iter().fold(job, |job, (name, value)| job.env(name, value));
        Some(job.answer("version", "v3.19.5+g4073493\n").answer("list", "[]\n"))
    }

    /// Returns a job whose release exists.
    pub fn with_release(status: &str) -> Option<Job> {
        Some(Job::new()?.answer("list", &list(status, 3)))
    }

    pub fn env(mut self, name: &str, value: &str) -> Job {
        self.environment.retain(|(existing, _)| existing != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn file(self, path: &str, text: &str) -> Job {
        self.root.write(path, text);
        self
    }

    /// Sets what helm prints for a subcommand.
    pub fn answer(self, subcommand: &str, text: &str) -> Job {
        self.file(&format!("answers/{subcommand}"), text)
    }

    pub fn fails(self, subcommand: &str) -> Job {
        self.file(&format!("answers/{subcommand}.fails"), "")
    }

    pub fn helm4(self) -> Job {
        self.answer("version", "v4.1.4+g05fa379\n")
    }

    pub fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.root.run(arguments, &self.environment);
        let text = [output.stdout, output.stderr].concat();
        let calls = self.root.read("tmp/calls");
        let (reads, calls) = calls.lines().map(str::to_owned).partition(|call| {
            ["version|", "list|", "get|"].iter().any(|subcommand| call.starts_with(subcommand))
        });
        Outcome {
            code: output.status.code(),
            output: String::from_utf8(text).unwrap(),
            message: self.root.read("dev/termination-log"),
            calls,
            reads,
        }
    }

    /// Returns the calls of an installation that must succeed.
    #[track_caller]
    pub fn install(&self) -> Vec<String> {
        let outcome = self.run(&["install"]);
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
        outcome.calls
    }

    /// Returns the last call of an installation that must succeed: the one that installs.
    #[track_caller]
    pub fn installed(&self) -> String {
        self.install().pop().expect("a call of helm")
    }
}
