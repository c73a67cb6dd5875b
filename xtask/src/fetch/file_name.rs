//! Names of downloads, which become parts of paths.

use anyhow::{Result, anyhow, ensure};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A name that means one file in the directory it is joined to, and nothing outside of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

impl FileName {
    /// Returns the name at the end of a URL.
    pub fn of_url(url: &str) -> Result<FileName> {
        let path = url.split(['?', '#']).next().unwrap_or(url);
        let name = path.rsplit('/').next().unwrap_or(path);
        name.parse().map_err(|error| anyhow!("{url}: {error}"))
    }
}

impl std::str::FromStr for FileName {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<FileName> {
        let plain = !name.contains(['/', '\\']) && !name.contains(|c: char| c.is_control());
        ensure!(plain && !["", ".", ".."].contains(&name), "{name:?} is not the name of a file");
        Ok(FileName(name.to_owned()))
    }
}

crate::prose::text_in_json!(FileName);

impl AsRef<Path> for FileName {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", "a\nb"] {
            assert!(name.parse::<FileName>().is_err(), "{name:?}");
        }
        assert!(serde_json::from_str::<FileName>("\"../x\"").is_err());
    }

    #[test]
    fn a_url_gives_its_last_name() {
        let name = |url| FileName::of_url(url).map(|name| name.to_string());
        assert_eq!(name("https://h.example/a/b+c.tgz?token=x").unwrap(), "b+c.tgz");
        assert!(name("https://h.example/a/").is_err());
        assert!(name("https://h.example/a/..").is_err());
    }
}
