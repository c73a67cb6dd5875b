//! Tags of releases: the k3s version, and the number of the build where it is not the first.

use crate::rpm::nevra::Nevra;
use crate::upstream::version::Version;
use anyhow::{Context as _, Result, bail};
use std::{fmt, str::FromStr};

/// The tag of a release: `v1.35.1+k3s1`, and `v1.35.1+k3s1-2` for the second build of the same k3s.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    pub k3s: Version,
    /// The number of the build, RPM's Release, from 1.
    pub release: u32,
}

impl Tag {
    /// Returns the tag of the release that a package is of.
    pub fn of(nevra: &Nevra) -> Result<Tag> {
        // See [`crate::rpm::nevra::rpm_version`].
        let k3s = format!("v{}", nevra.version.replace('~', "-"));
        Ok(Tag { k3s: k3s.parse()?, release: number(nevra)? })
    }
}

/// Returns the number of the build that a package is of. Its version may have no tag: that of a commit between two.
pub fn number(nevra: &Nevra) -> Result<u32> {
    let number = nevra.release.split('.').next().and_then(|number| number.parse().ok());
    number.with_context(|| format!("the Release of {nevra} begins with no number"))
}

impl FromStr for Tag {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Tag> {
        // A dash before the `+` belongs to the version: v1.35.1-rc1+k3s1.
        let numbered = text
            .rsplit_once('-')
            .filter(|(version, number)| version.contains('+') && number.chars().all(|c| c.is_ascii_digit()));
        let Some((version, number)) = numbered else { return Ok(Tag { k3s: text.parse()?, release: 1 }) };
        let release: u32 = number.parse().unwrap_or(0);
        if release < 2 || release.to_string() != number {
            bail!("{text:?} is no tag of a release: the second build of {version} is {version}-2");
        }
        Ok(Tag { k3s: version.parse()?, release })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.release {
            1 => self.k3s.fmt(f),
            release => write!(f, "{}-{release}", self.k3s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_tags_to_version_and_release() {
        for (text, k3s, release) in [
            ("v1.35.1+k3s1", "v1.35.1+k3s1", 1),
            ("v1.35.1+k3s1-2", "v1.35.1+k3s1", 2),
            ("v1.35.1+k3s2-10", "v1.35.1+k3s2", 10),
            ("v1.35.1-rc1+k3s1", "v1.35.1-rc1+k3s1", 1),
            ("v1.35.1-rc1+k3s1-3", "v1.35.1-rc1+k3s1", 3),
        ] {
            let tag: Tag = text.parse().unwrap();
            assert_eq!((tag.k3s.to_string().as_str(), tag.release), (k3s, release), "{text}");
            assert_eq!(tag.to_string(), text);
        }
        for text in
            ["v1.35.1+k3s1-1", "v1.35.1+k3s1-02", "v1.35.1+k3s1-", "v1.35.1-2", "v1.35.1+k3s1-4294967296"]
        {
            assert!(text.parse::<Tag>().is_err(), "{text}");
        }
    }
}
