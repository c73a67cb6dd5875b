//! Names of packages: from a k3s version to a NEVRA (name, epoch, version, release, architecture).

use crate::clock;
use crate::target::Target;
use crate::upstream::version::Version;
use anyhow::{Result, bail};
use std::fmt;

/// One of our packages. The epoch is none, and stays none as long as versions only grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nevra {
    pub name: String,
    pub version: String,
    pub release: String,
    /// RPM's name of the architecture, or `noarch`.
    pub arch: String,
}

/// Suffix of a source package's file name.
pub const SOURCE_PACKAGE: &str = ".src.rpm";

/// Returns whether a file is a package that a machine of this architecture installs.
pub fn is_installable(name: &str, target: &Target) -> bool {
    let ends = |arch: &str| name.ends_with(&format!(".{arch}.rpm"));
    !name.ends_with(SOURCE_PACKAGE) && (ends(target.rpm) || ends("noarch"))
}

impl Nevra {
    pub fn file_name(&self) -> String {
        format!("{self}.rpm")
    }
}

impl fmt::Display for Nevra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Nevra { name, version, release, arch } = self;
        write!(f, "{name}-{version}-{release}.{arch}")
    }
}

/// Returns RPM's form of a k3s version: the same, except where rpm has its own separators.
///
/// - `v1.33.0-rc1+k3s1` is `1.33.0~rc1+k3s1`: `~` orders before nothing, as a candidate comes before its
///   release. (openEuler's own `1.24.2+rc1+k3s2` orders behind the release, since letters count.)
/// - A tree without a tag, `v1.31.1+k3s-7d66fa7f`, is `1.31.1+k3s0^git20241127.7d66fa7`: `^` orders behind
///   what stands before it, and days behind each other, all of them before `+k3s1`.
///
/// `commit` is the commit that was built and `time` its time, in seconds since 1970.
pub fn rpm_version(version: &Version, commit: &str, time: i64) -> Result<String> {
    let (major, minor, patch) = version.kubernetes;
    let candidate = version.candidate.as_ref().map(|name| format!("~{name}")).unwrap_or_default();
    let build = match version.build.strip_prefix("k3s-") {
        Some(short) if commit.starts_with(short) => {
            let day = clock::rfc3339(time)[..10].replace('-', "");
            format!("k3s0^git{day}.{}", commit.get(..7).unwrap_or(commit))
        }
        _ => version.build.clone(),
    };
    let expressed = format!("{major}.{minor}.{patch}{candidate}+{build}");
    // rpm(8) separates version and release by the last `-`, so that neither may contain one.
    if !expressed.chars().all(|c| c.is_ascii_alphanumeric() || "._+~^".contains(c)) {
        bail!(
            "RPM cannot express the version {version}: besides the - before rc, it may contain none\n  \
             Give the tree another one: --as v{major}.{minor}.{patch}+k3s1"
        );
    }
    Ok(expressed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "7d66fa7ff85e47e4ae3cc8b0d7d2d4b1a5d6e0aa";

    fn expressed(version: &str) -> Result<String> {
        rpm_version(&version.parse().unwrap(), COMMIT, 1_732_665_600)
    }

    #[test]
    fn expresses_releases_and_candidates() {
        assert_eq!(expressed("v1.33.0+k3s1").unwrap(), "1.33.0+k3s1");
        assert_eq!(expressed("v1.33.0-rc1+k3s1").unwrap(), "1.33.0~rc1+k3s1");
        assert_eq!(expressed("v0.35.0+k3s1.sample").unwrap(), "0.35.0+k3s1.sample");
    }

    #[test]
    fn expresses_a_tree_by_day_and_commit() {
        assert_eq!(expressed("v1.31.1+k3s-7d66fa7f").unwrap(), "1.31.1+k3s0^git20241127.7d66fa7");
    }

    #[test]
    fn rejects_other_hyphens_with_the_remedy() {
        for version in ["v1.33.0+k3s-mine", "v1.33.0-rc1-2+k3s1", "v1.33.0+k3s1-dirty"] {
            let error = expressed(version).unwrap_err().to_string();
            assert!(error.contains(version) && error.contains("--as v1.33.0+k3s1"), "{error}");
        }
    }

    #[test]
    fn file_name_has_version_release_and_arch() {
        let nevra = Nevra {
            name: "k3s".into(),
            version: "1.33.0+k3s1".into(),
            release: "1.oe2403".into(),
            arch: "riscv64".into(),
        };
        assert_eq!(nevra.file_name(), "k3s-1.33.0+k3s1-1.oe2403.riscv64.rpm");
    }
}
