//! The openEuler release that packages are built for.

use anyhow::{Context as _, Error, Result};
use std::fmt;
use std::str::FromStr;

/// A release of openEuler. It is written as its packages have it in their Release (`%{dist}`): `oe2403sp1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dist {
    year: u8,
    month: u8,
    service_pack: Option<u8>,
}

impl Dist {
    /// Returns the distribution's own name for it, such as `openEuler 24.03 LTS SP1`.
    pub fn title(self) -> String {
        let Dist { year, month, service_pack } = self;
        // One release in two years has long-term support, that of March in an even year.
        let lts = if year % 2 == 0 && month == 3 { " LTS" } else { "" };
        let service_pack = service_pack.map(|number| format!(" SP{number}")).unwrap_or_default();
        format!("openEuler {year:02}.{month:02}{lts}{service_pack}")
    }
}

impl fmt::Display for Dist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oe{:02}{:02}", self.year, self.month)?;
        self.service_pack.map_or(Ok(()), |number| write!(f, "sp{number}"))
    }
}

impl FromStr for Dist {
    type Err = Error;

    fn from_str(text: &str) -> Result<Dist> {
        let parse = || {
            let release = text.strip_prefix("oe")?;
            let (date, service_pack) = match release.split_once("sp") {
                Some((date, number)) => (date, Some(number.parse().ok()?)),
                None => (release, None),
            };
            let (year, month) = date.split_at_checked(2)?;
            Some(Dist { year: year.parse().ok()?, month: month.parse().ok()?, service_pack })
        };
        let is_canonical = |dist: &Dist| dist.to_string() == text;
        parse().filter(is_canonical).with_context(|| {
            format!("{text:?} is no release of openEuler; write it like oe2403 (24.03 LTS) or oe2403sp1")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_any_release_of_openeuler() {
        for (text, title) in [
            ("oe2403", "openEuler 24.03 LTS"),
            ("oe2403sp1", "openEuler 24.03 LTS SP1"),
            ("oe2303", "openEuler 23.03"),
            ("oe2409", "openEuler 24.09"),
        ] {
            let dist: Dist = text.parse().unwrap();
            assert_eq!((dist.to_string().as_str(), dist.title().as_str()), (text, title));
        }
    }

    #[test]
    fn rejects_other_distributions() {
        for text in ["el9", "oe", "oe24", "oe24031", "oe2403sp", "oe2403sp+1", "oe+403", "oe2403 ", "oeé403"]
        {
            let error = text.parse::<Dist>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("oe2403sp1"), "{error}");
        }
    }
}
