//! Credential helpers: executables that keep credentials elsewhere, for docker, podman and crane
//! (docker/docker-credential-helpers, README.md, "Development").

use super::credentials::Secret;
use crate::context::Context;
use crate::process::{self, cmd, quoted};
use crate::url::without_credentials;
use anyhow::{Result, bail};
use serde::Deserialize;
use std::ffi::OsString;

/// The output of a helper that has no credential (credentials/error.go there).
const NOT_FOUND: &str = "credentials not found in native keychain";

/// The user of a secret that is an identity token.
const TOKEN_USER: &str = "<token>";

/// Lines of a failed helper's output that are shown.
const LINES: usize = 10;

/// Ends of the names of variables whose values are secrets: `AWS_SECRET_ACCESS_KEY`, `GITHUB_TOKEN`.
const SECRETS: [&str; 4] = ["KEY", "TOKEN", "SECRET", "PASSWORD"];

/// Bytes of the shortest value that is taken for a secret; shorter ones are part of other words.
const SHORTEST_SECRET: usize = 6;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Answer {
    username: String,
    secret: String,
}

/// Asks a helper for the credential that it keeps under a name. The store is the file that names the helper.
///
/// It gets the complete environment of the user: each helper has variables of its own for its keyring or cloud.
pub fn ask(context: &Context, helper: &str, server: &str, store: &str) -> Result<Option<Secret>> {
    let executable = format!("docker-credential-{helper}");
    if process::find(&executable).is_none() {
        bail!(
            "cannot find {executable}, which {store} names for {server}\n  \
             install it, add its directory to PATH, or remove it from {store}"
        );
    }
    let script = "printf %s \"$1\" | exec \"$0\" get";
    let command = cmd!(context, "sh -c {script} {executable} {server}").inherit("", &[]);
    let (status, stdout, stderr) = command.capture()?;
    let answer = serde_json::from_slice::<Answer>(&stdout);
    let stdout = String::from_utf8_lossy(&stdout);
    let problem = match answer {
        Ok(answer) if status.success() => return Ok(answer.into_secret()),
        Err(_) if status.success() => "its output is no credential".to_owned(),
        _ if stdout.trim() == NOT_FOUND => return Ok(None),
        answer => {
            let mut secrets: Vec<String> = std::env::vars_os().filter_map(secret_variable).collect();
            secrets.extend(answer.map(|answer| answer.secret));
            let printed = printed(&stdout, &String::from_utf8_lossy(&stderr), &secrets);
            format!("{status}, it printed:\n    {}", printed.join("\n    "))
        }
    };
    bail!(
        "{executable} failed, which {store} names for {server}: {problem}\n  \
         repair it until this prints a credential, or remove it from {store}:\n    printf %s {} | {executable} get",
        quoted(server)
    )
}

impl Answer {
    /// Returns the credential; some helpers answer without one for a registry that they do not know.
    fn into_secret(self) -> Option<Secret> {
        let Answer { username, secret } = self;
        if secret.is_empty() {
            None
        } else if username == TOKEN_USER {
            Some(Secret { identity_token: secret, ..Secret::default() })
        } else {
            Some(Secret { username, password: secret, ..Secret::default() })
        }
    }
}

/// Returns the value of an environment variable whose name says that it is a secret.
fn secret_variable((name, value): (OsString, OsString)) -> Option<String> {
    let name = name.to_string_lossy().to_uppercase();
    SECRETS.iter().any(|end| name.ends_with(end)).then(|| value.to_string_lossy().into_owned())
}

/// Returns the last lines that a failed helper printed, without secrets. An output in the form of a credential is left
/// out completely.
fn printed(stdout: &str, stderr: &str, secrets: &[String]) -> Vec<String> {
    let stdout = if stdout.contains("\"Secret\"") { "" } else { stdout };
    let mut text = without_credentials(&format!("{stdout}\n{stderr}"));
    for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET) {
        text = text.replace(secret.as_str(), "…");
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_user_has_an_identity_token() {
        let secret = |answer: &str| serde_json::from_str::<Answer>(answer).unwrap().into_secret();
        let token = secret(r#"{"ServerURL": "r.example", "Username": "<token>", "Secret": "abc"}"#).unwrap();
        assert_eq!((&*token.identity_token, &*token.password), ("abc", ""));
        let password = secret(r#"{"Username": "me", "Secret": "abc"}"#).unwrap();
        assert_eq!((&*password.username, &*password.password), ("me", "abc"));
        assert!(secret(r#"{"Username": "", "Secret": ""}"#).is_none(), "gcloud, for another registry");
    }

    #[test]
    fn output_is_shown_without_secrets() {
        let variable = |name: &str, value: &str| secret_variable((name.into(), value.into()));
        assert_eq!(variable("AWS_SECRET_ACCESS_KEY", "wJalrX"), Some("wJalrX".to_owned()));
        assert_eq!(variable("my_token", "t"), Some("t".to_owned()));
        assert_eq!(variable("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/token"), None, "a path");

        let stderr = "no key wJalrX\n\nat https://me:pw@r.example/?token=abc\nuser a\n";
        let shown = printed("access denied", stderr, &["wJalrX".to_owned(), "a".to_owned()]);
        assert_eq!(shown, ["access denied", "no key …", "at https://r.example/?…", "user a"]);
        assert_eq!(printed(r#"{"Secret": "hidden"#, "broken pipe", &[]), ["broken pipe"]);
        let long: String = (0..20).map(|line| format!("{line}\n")).collect();
        assert_eq!(printed("", &long, &[]).first().unwrap(), "10");
    }
}
