//! The Go modules that a program was compiled from, as the program itself tells: Go's linker writes them
//! down in it (pkg.go.dev/debug/buildinfo), `-trimpath` and stripping notwithstanding.

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A module inside a program, written as go.mod writes it: `path version`, and behind `=>` what took its
/// place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Compiled {
    /// The path that programs import it by.
    pub path: String,
    pub version: String,
    /// The path and version of the module that was compiled in its place.
    pub replacement: Option<(String, String)>,
}

impl Compiled {
    /// The module whose files were compiled, and its version.
    pub fn origin(&self) -> (&str, &str) {
        match &self.replacement {
            Some((path, version)) => (path, version),
            None => (&self.path, &self.version),
        }
    }
}

impl FromStr for Compiled {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Compiled> {
        let words: Vec<&str> = text.split(' ').collect();
        let (path, version, replacement) = match words[..] {
            [path, version] => (path, version, None),
            [path, version, "=>", new, newer] => (path, version, Some((new.to_owned(), newer.to_owned()))),
            _ => {
                return Err(anyhow!("{text:?} is not a module of the form `path version [=> path version]`"));
            }
        };
        Ok(Compiled { path: path.to_owned(), version: version.to_owned(), replacement })
    }
}

impl fmt::Display for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.version)?;
        match &self.replacement {
            Some((path, version)) => write!(f, " => {path} {version}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for Compiled {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Compiled> {
        text.parse()
    }
}

impl From<Compiled> for String {
    fn from(module: Compiled) -> String {
        module.to_string()
    }
}

/// Reads what `go version -m PROGRAM` prints. The program's own module is left out: it is a tree, whose
/// commit or version the manifest names elsewhere.
pub fn of_build_info(text: &str) -> BTreeSet<Compiled> {
    let mut found: Vec<Compiled> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["dep", path, version, ..] => {
                found.push(Compiled { path: path.to_owned(), version: version.to_owned(), replacement: None })
            }
            ["=>", path, version, ..] => {
                if let Some(module) = found.last_mut() {
                    module.replacement = Some((path.to_owned(), version.to_owned()));
                }
            }
            _ => {}
        }
    }
    found.into_iter().collect()
}

/// Reads a `vendor/modules.txt`, for programs that are compiled without modules and tell none
/// (go.dev/ref/mod#vendoring).
pub fn of_vendor_list(text: &str) -> BTreeSet<Compiled> {
    let headings = text.lines().filter_map(|line| line.strip_prefix("# "));
    // The list ends with replacements that apply to any version: `# path => path version`.
    headings
        .filter(|heading| heading.split(' ').nth(1) != Some("=>"))
        .filter_map(|text| text.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_their_replacements_are_read_from_build_info() {
        let text = "/a/k3s: go1.25.5\n\tpath\tgithub.com/k3s-io/k3s/cmd/server\n\tmod\tgithub.com/k3s-io/k3s\t(devel)\t\n\tdep\tk8s.io/api\tv0.35.0\n\t=>\tgithub.com/k3s-io/kubernetes/staging/src/k8s.io/api\tv1.35.0-k3s1\th1:iq=\n\t\n\tdep\tgithub.com/a/b\tv1.0.0\th1:B5=\n\tbuild\t-tags=x\n";
        let found: Vec<String> = of_build_info(text).iter().map(Compiled::to_string).collect();
        let api = "k8s.io/api v0.35.0 => github.com/k3s-io/kubernetes/staging/src/k8s.io/api v1.35.0-k3s1";
        assert_eq!(found, ["github.com/a/b v1.0.0", api]);
        assert_eq!(of_build_info(text).last().unwrap().origin().1, "v1.35.0-k3s1");
    }

    #[test]
    fn a_vendor_list_tells_modules_and_not_packages() {
        let text = "# github.com/a/b v1.2.3\n## explicit; go 1.20\ngithub.com/a/b/c\n# github.com/d v0.1.0 => github.com/e v0.2.0\n# github.com/d => github.com/e v0.2.0\n";
        let found: Vec<String> = of_vendor_list(text).iter().map(Compiled::to_string).collect();
        assert_eq!(found, ["github.com/a/b v1.2.3", "github.com/d v0.1.0 => github.com/e v0.2.0"]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["a v1.0.0", "a v1.0.0 => b v2.0.0-k3s1"] {
            assert_eq!(text.parse::<Compiled>().unwrap().to_string(), text);
        }
        assert!("a".parse::<Compiled>().is_err());
    }
}
