//! Distributions and their package managers.

use crate::process;
use fs_err as fs;
use std::collections::BTreeSet;

/// A distribution, or several that share their packages' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Debian, Ubuntu and those made of them.
    Debian,
    /// Fedora, RHEL, CentOS and those made of them.
    Fedora,
    OpenEuler,
    Arch,
    Alpine,
    /// openSUSE and SLE.
    Suse,
}

impl Distribution {
    pub const ALL: [Distribution; 6] = {
        use Distribution::*;
        [Debian, Fedora, OpenEuler, Arch, Alpine, Suse]
    };

    /// Returns this machine's distribution: the one that os-release(5) names if its package manager is here, else
    /// the first whose package manager is.
    pub fn here() -> Option<Distribution> {
        let named = Distribution::of(&fs::read_to_string("/etc/os-release").unwrap_or_default());
        let mut candidates = named.into_iter().chain(Distribution::ALL);
        candidates.find(|distribution| process::find(distribution.manager()).is_some())
    }

    /// Returns the distribution that an os-release(5) file names, or that it says its own is like.
    pub fn of(os_release: &str) -> Option<Distribution> {
        let values = |key: &str| {
            let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches(['"', '\'']).to_lowercase()
        };
        let ids = format!("{} {}", values("ID"), values("ID_LIKE"));
        ids.split_whitespace().find_map(|id| match id {
            "debian" | "ubuntu" => Some(Distribution::Debian),
            "fedora" | "rhel" | "centos" => Some(Distribution::Fedora),
            "openeuler" => Some(Distribution::OpenEuler),
            "arch" => Some(Distribution::Arch),
            "alpine" => Some(Distribution::Alpine),
            "opensuse" | "suse" => Some(Distribution::Suse),
            _ => None,
        })
    }

    /// Returns the command that installs packages.
    pub fn manager(self) -> &'static str {
        match self {
            Distribution::Debian => "apt-get",
            Distribution::Fedora | Distribution::OpenEuler => "dnf",
            Distribution::Arch => "pacman",
            Distribution::Alpine => "apk",
            Distribution::Suse => "zypper",
        }
    }

    /// Returns the commands that install packages, for root.
    pub fn commands(self, packages: &BTreeSet<&'static str>) -> Vec<Vec<&'static str>> {
        if packages.is_empty() {
            return Vec::new();
        }
        let options: &[&'static str] = match self {
            Distribution::Debian => &["install", "--yes", "--no-install-recommends"],
            Distribution::Fedora | Distribution::OpenEuler => &["install", "--assumeyes"],
            Distribution::Arch => &["-S", "--needed", "--noconfirm"],
            Distribution::Alpine => &["add", "--update-cache"],
            Distribution::Suse => &["--non-interactive", "install"],
        };
        let words = [self.manager()].into_iter().chain(options.iter().copied());
        let install = words.chain(packages.iter().copied()).collect();
        match self {
            // Lists that are a day old already name files which mirrors have replaced.
            Distribution::Debian => vec![vec!["apt-get", "update"], install],
            _ => vec![install],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_distribution_from_os_release() {
        for (text, expected) in [
            ("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n", Some(Distribution::Debian)),
            (
                "NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n",
                Some(Distribution::Debian),
            ),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Some(Distribution::Debian)),
            ("ID=fedora\nVERSION_ID=43\n", Some(Distribution::Fedora)),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Some(Distribution::Fedora)),
            (
                "NAME=\"openEuler\"\nVERSION=\"24.03 (LTS)\"\nID=\"openEuler\"\n",
                Some(Distribution::OpenEuler),
            ),
            ("NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n", Some(Distribution::Arch)),
            ("ID=manjaro\nID_LIKE=arch\n", Some(Distribution::Arch)),
            ("NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.22.0\n", Some(Distribution::Alpine)),
            ("ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\n", Some(Distribution::Suse)),
            ("VARIANT_ID=debian\nID=nixos\n", None),
            ("", None),
        ] {
            assert_eq!(Distribution::of(text), expected, "{text}");
        }
    }

    #[test]
    fn each_package_manager_installs_without_a_question() {
        let packages = BTreeSet::from(["git", "tar"]);
        let lines = Distribution::ALL.map(|distribution| {
            let commands = distribution.commands(&packages);
            commands.iter().map(|words| words.join(" ")).collect::<Vec<_>>().join(" && ")
        });
        let expected = [
            "apt-get update && apt-get install --yes --no-install-recommends git tar",
            "dnf install --assumeyes git tar",
            "dnf install --assumeyes git tar",
            "pacman -S --needed --noconfirm git tar",
            "apk add --update-cache git tar",
            "zypper --non-interactive install git tar",
        ];
        assert_eq!(lines, expected);
        assert!(Distribution::ALL.iter().all(|all| all.commands(&BTreeSet::new()).is_empty()));
    }
}
