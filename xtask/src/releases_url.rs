//! The URL of published releases, from which `install.sh` downloads.

use crate::prose::text_in_json;
use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A URL such as `https://github.com/OWNER/REPOSITORY/releases`, which a shell script can contain as it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleasesUrl(String);

text_in_json!(ReleasesUrl);

impl FromStr for ReleasesUrl {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<ReleasesUrl> {
        let path = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_plain = |path: &str| path.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/%".contains(c));
        ensure!(
            path.is_some_and(|path| is_plain(path) && !path.is_empty() && !path.ends_with('/')),
            "{text:?} is no URL such as https://github.com/OWNER/REPOSITORY/releases, without credentials, query \
             and final slash"
        );
        Ok(ReleasesUrl(text.to_owned()))
    }
}

impl ReleasesUrl {
    /// Returns `OWNER/REPOSITORY`, if the releases are those of a repository on GitHub.
    pub fn github_repository(&self) -> Option<&str> {
        self.0.strip_prefix("https://github.com/")?.strip_suffix("/releases")
    }
}

impl fmt::Display for ReleasesUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_what_a_shell_would_interpret() {
        for text in ["https://github.com/me/k3s/releases", "http://127.0.0.1:8080/k3s%20riscv64"] {
            assert_eq!(text.parse::<ReleasesUrl>().unwrap().to_string(), text);
        }
        for text in [
            "github.com/me/k3s/releases",
            "https://",
            "https://github.com/me/k3s/releases/",
            "https://me:secret@host.example/k3s",
            "https://host.example/k3s?token=secret",
            "https://host.example/$(id)",
            "https://host.example/}\nid",
        ] {
            assert!(text.parse::<ReleasesUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_the_repository_on_github() {
        for (text, repository) in [
            ("https://github.com/me/k3s/releases", Some("me/k3s")),
            ("https://host.example/me/k3s/releases", None),
            ("https://github.com/me/k3s", None),
        ] {
            assert_eq!(text.parse::<ReleasesUrl>().unwrap().github_repository(), repository, "{text}");
        }
    }
}
