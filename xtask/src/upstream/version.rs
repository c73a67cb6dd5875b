//! Versions of k3s releases: `v1.33.0+k3s1`, `v1.33.0-rc1+k3s1`.

use anyhow::{Result, bail};
use serde::Deserialize;
use std::{cmp::Ordering, fmt, str::FromStr};

/// A k3s version, ordered as upstream releases follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Kubernetes' major, minor and patch number.
    pub kubernetes: (u32, u32, u32),
    /// `rc1`, where it is a release candidate.
    pub candidate: Option<String>,
    /// Text after `+`: `k3s1`, or `k3s-dc03cb4b` for a commit without a tag.
    pub build: String,
}

impl Version {
    /// Returns the version that upstream gives a commit without a tag (k3s, scripts/version.sh).
    pub fn of_commit(kubernetes: (u32, u32, u32), commit: &str) -> Version {
        let short = commit.get(..8).unwrap_or(commit);
        Version { kubernetes, candidate: None, build: format!("k3s-{short}") }
    }

    /// Returns the version of a k3s that is partly compiled from directories of its tree: `v1.33.0+k3s1.local`. A version
    /// that upstream does not use is not changed.
    pub fn local(self) -> Version {
        match self.k3s_number() {
            Some(_) => Version { build: format!("{}.local", self.build), ..self },
            None => self,
        }
    }

    pub fn line(&self) -> Line {
        let (major, minor, _) = self.kubernetes;
        Line { major, minor }
    }

    /// `k3s1` as 1; a build of another form has none.
    pub fn k3s_number(&self) -> Option<u32> {
        self.build.strip_prefix("k3s")?.parse().ok()
    }

    /// Checks whether this is a release, not a candidate and not a commit between releases.
    pub fn is_release(&self) -> bool {
        self.candidate.is_none() && self.k3s_number().is_some()
    }
}

/// A release line, all patch releases of one minor version: `v1.35`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Line {
    major: u32,
    minor: u32,
}

impl TryFrom<String> for Line {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Line> {
        text.parse()
    }
}

impl FromStr for Line {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Line> {
        let numbers = text.strip_prefix('v').and_then(|rest| rest.split_once('.'));
        let numbers = numbers.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let Some((major, minor)) = numbers else { bail!("{text:?} is not a line of the form v1.35") };
        Ok(Line { major, minor })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}", self.major, self.minor)
    }
}

/// Kubernetes' three numbers in `v1.33.0` or `v1.31.1-k3s3`.
pub fn kubernetes_numbers(text: &str) -> Result<(u32, u32, u32)> {
    let numbers = text.strip_prefix('v').map(|rest| rest.split(['-', '+']).next().unwrap_or(rest).split('.'));
    let parsed: Option<Vec<u32>> = numbers.and_then(|parts| parts.map(|part| part.parse().ok()).collect());
    match parsed.as_deref() {
        Some([major, minor, patch]) => Ok((*major, *minor, *patch)),
        _ => bail!("{text:?} is not a version of the form v1.33.0"),
    }
}

impl FromStr for Version {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Version> {
        let form =
            || anyhow::anyhow!("{text:?} is not a k3s version of the form v1.33.0+k3s1 or v1.33.0-rc1+k3s1");
        let (left, build) = text.split_once('+').ok_or_else(form)?;
        let plain =
            |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        let candidate = match left.split_once('-') {
            Some((_, candidate)) if plain(candidate) => Some(candidate.to_owned()),
            Some(_) => return Err(form()),
            None => None,
        };
        if !build.starts_with("k3s") || !plain(build) {
            return Err(form());
        }
        let kubernetes = kubernetes_numbers(left).map_err(|_| form())?;
        Ok(Version { kubernetes, candidate, build: build.to_owned() })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.kubernetes;
        write!(f, "v{major}.{minor}.{patch}")?;
        if let Some(candidate) = &self.candidate {
            write!(f, "-{candidate}")?;
        }
        write!(f, "+{}", self.build)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        // A candidate comes before its release, and rc2 before rc10.
        let candidate = |v: &Version| match &v.candidate {
            None => (1, 0, String::new()),
            Some(text) => (0, text.trim_start_matches("rc").parse().unwrap_or(0_u32), text.clone()),
        };
        (self.kubernetes, candidate(self), self.k3s_number(), &self.build).cmp(&(
            other.kubernetes,
            candidate(other),
            other.k3s_number(),
            &other.build,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_print_as_read() {
        for text in ["v1.33.0+k3s1", "v1.33.0-rc1+k3s1", "v1.31.1+k3s-7d66fa7f"] {
            assert_eq!(version(text).to_string(), text);
        }
    }

    #[test]
    fn lines_are_in_the_order_of_their_numbers() {
        let line = |text: &str| text.parse::<Line>();
        assert!(line("v1.9").unwrap() < version("v1.35.2+k3s1").line());
        assert_eq!(line("v1.35").unwrap().to_string(), "v1.35");
        for text in ["1.35", "v1", "v1.35.2", "v1.x", "stable"] {
            assert!(line(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rejects_malformed_versions() {
        for text in
            ["1.33.0+k3s1", "v1.33+k3s1", "v1.33.0", "v1.33.0+rke2", "v1.33.0+k3s1; rm", "v1.33.0-+k3s1"]
        {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn marks_versions_with_compiled_directories() {
        for (text, marked) in [
            ("v1.33.0+k3s1", "v1.33.0+k3s1.local"),
            ("v1.33.0-rc1+k3s2", "v1.33.0-rc1+k3s2.local"),
            ("v1.33.0+k3s1.local", "v1.33.0+k3s1.local"),
            ("v1.31.1+k3s-7d66fa7f", "v1.31.1+k3s-7d66fa7f"),
        ] {
            assert_eq!(version(text).local().to_string(), marked);
            assert!(!version(marked).is_release());
        }
    }

    #[test]
    fn orders_versions_by_release() {
        let order = [
            "v1.9.3+k3s1",
            "v1.33.0-rc2+k3s1",
            "v1.33.0-rc10+k3s1",
            "v1.33.0+k3s1",
            "v1.33.0+k3s10",
            "v1.33.1+k3s1",
        ];
        assert!(order.windows(2).all(|pair| version(pair[0]) < version(pair[1])));
    }
}
