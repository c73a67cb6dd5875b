//! Distributions, their package managers, and the packages in which each need is found.

use super::requirements::Need;
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

    /// Returns the packages that meet a need; there are none where no name is known for sure, since one wrong name
    /// makes a package manager refuse the others with it.
    pub fn packages(self, need: &Need) -> impl Iterator<Item = &'static str> {
        let row = PACKAGES.iter().find(|(name, _)| *name == need.name);
        row.map_or("", |(_, columns)| columns[self as usize]).split_whitespace()
    }
}

/// The packages of each need, in the order of [`Distribution::ALL`]. Debian 12, Debian 13 and Ubuntu have the same
/// names. What Debian lends itself (`boot`) is found only through its own package manager.
#[rustfmt::skip]
const PACKAGES: &[(&str, [&str; 6])] = &[
    //                     Debian             Fedora                    openEuler           Arch              Alpine                 SUSE
    ("git",               ["git",             "git",                     "git",             "git",            "git",                 "git"]),
    ("certificates",      ["ca-certificates", "ca-certificates",         "ca-certificates", "ca-certificates", "ca-certificates",    "ca-certificates"]),
    ("bash",              ["bash",            "bash",                    "bash",            "bash",           "bash",                "bash"]),
    ("awk",               ["mawk",            "gawk",                    "gawk",            "gawk",           "gawk",                "gawk"]),
    ("sed",               ["sed",             "sed",                     "sed",             "sed",            "sed",                 "sed"]),
    ("grep",              ["grep",            "grep",                    "grep",            "grep",           "grep",                "grep"]),
    ("tar",               ["tar",             "tar",                     "tar",             "tar",            "tar",                 "tar"]),
    ("gzip",              ["gzip",            "gzip",                    "gzip",            "gzip",           "gzip",                "gzip"]),
    ("Go",                ["golang-go",       "golang",                  "golang",          "go",             "go",                  "go"]),
    ("zig",               ["python3-pip",     "python3-pip",             "python3-pip",     "python-pip",     "py3-pip",             "python3-pip"]),
    ("qemu-riscv64",      ["qemu-user-static", "qemu-user-static-riscv", "",                "qemu-user-static", "qemu-riscv64",      "qemu-linux-user"]),
    ("unshare",           ["util-linux",      "util-linux",              "util-linux",      "util-linux",     "util-linux",          "util-linux"]),
    ("crane",             ["golang-go",       "golang",                  "golang",          "go",             "go",                  "go"]),
    ("rpmbuild",          ["rpm",             "rpm-build",               "rpm-build",       "rpm-tools",      "rpm",                 "rpm-build"]),
    ("createrepo_c",      ["createrepo-c",    "createrepo_c",            "createrepo_c",    "createrepo_c",   "",                    "createrepo_c"]),
    ("rpmsign",           ["rpm",             "rpm-sign",                "rpm-sign",        "rpm-tools",      "rpm",                 ""]),
    ("gpg",               ["gnupg",           "gnupg2",                  "gnupg2",          "gnupg",          "gnupg",               "gpg2"]),
    ("qemu-system-riscv64", ["qemu-system-misc", "qemu-system-riscv",    "",                "qemu-system-riscv", "qemu-system-riscv64", "qemu-extra"]),
    ("mke2fs",            ["e2fsprogs",       "e2fsprogs",               "e2fsprogs",       "e2fsprogs",      "e2fsprogs",           "e2fsprogs"]),
    ("debugfs",           ["e2fsprogs",       "e2fsprogs",               "e2fsprogs",       "e2fsprogs",      "e2fsprogs-extra",     "e2fsprogs"]),
    ("depmod",            ["kmod",            "kmod",                    "kmod",            "kmod",           "kmod",                "kmod"]),
    ("Debian's packages", ["apt debian-archive-keyring dpkg", "", "", "", "", ""]),
    ("rustfmt",           ["rustfmt",         "rustfmt",                 "",                "",               "",                    ""]),
    ("clippy",            ["rust-clippy",     "clippy",                  "",                "",               "",                    ""]),
    ("timeout",           ["coreutils",       "coreutils",               "coreutils",       "coreutils",      "coreutils",           "coreutils"]),
    ("gcc",               ["gcc",             "gcc",                     "gcc",             "gcc",            "gcc",                 "gcc"]),
    ("static C library",  ["libc6-dev",       "glibc-static",            "glibc-static",    "glibc",          "musl-dev",            "glibc-devel-static"]),
    ("readelf",           ["binutils",        "binutils",                "binutils",        "binutils",       "binutils",            "binutils"]),
    ("qemu-aarch64",      ["qemu-user-static", "qemu-user-static-aarch64", "",              "qemu-user-static", "",                  ""]),
    ("containerd",        ["containerd",      "containerd",              "containerd",      "containerd",     "containerd",          "containerd"]),
    ("runc",              ["runc",            "runc",                    "runc",            "runc",           "runc",                "runc"]),
    ("skopeo",            ["skopeo",          "skopeo",                  "skopeo",          "skopeo",         "skopeo",              "skopeo"]),
    ("oci-image-tool",    ["oci-image-tool",  "",                        "",                "",               "",                    ""]),
    ("docker-registry",   ["docker-registry", "",                        "",                "",               "",                    ""]),
    ("openssl",           ["openssl",         "openssl",                 "openssl",         "openssl",        "openssl",             "openssl"]),
    ("chromium",          ["chromium",        "chromium",                "",                "chromium",       "chromium",            "chromium"]),
    ("dnf",               ["dnf",             "dnf",                     "dnf",             "",               "",                    "dnf"]),
    ("rpmlint",           ["rpmlint",         "rpmlint",                 "",                "",               "",                    "rpmlint"]),
    ("shellcheck",        ["shellcheck",      "ShellCheck",              "",                "shellcheck",     "shellcheck",          "ShellCheck"]),
    ("systemd-analyze",   ["systemd",         "systemd",                 "systemd",         "systemd",        "",                    "systemd"]),
    ("faketime",          ["faketime",        "libfaketime",             "",                "libfaketime",    "libfaketime",         "libfaketime"]),
    ("busybox",           ["busybox-static",  "busybox",                 "",                "busybox",        "busybox-static",      "busybox-static"]),
    ("actionlint",        ["golang-go",       "golang",                  "golang",          "go",             "go",                  "go"]),
    ("zizmor",            ["python3-pip",     "python3-pip",             "python3-pip",     "python-pip",     "py3-pip",             "python3-pip"]),
    ("gcc for riscv64",   ["gcc-riscv64-linux-gnu libc6-dev-riscv64-cross", "gcc-riscv64-linux-gnu", "", "riscv64-linux-gnu-gcc", "", ""]),
    ("gcc for arm64",     ["gcc-aarch64-linux-gnu libc6-dev-arm64-cross", "gcc-aarch64-linux-gnu", "", "aarch64-linux-gnu-gcc", "", ""]),
    ("qemu-x86_64",       ["qemu-user-static", "qemu-user-static-x86",   "",                "qemu-user-static", "",                  ""]),
];

#[cfg(test)]
mod tests {
    use super::super::requirements::{NEEDS, Remedy};
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
    fn every_need_of_packages_has_one_row() {
        let rows: Vec<&str> = PACKAGES.iter().map(|(name, _)| *name).collect();
        let needs = NEEDS.iter().filter(|need| matches!(need.remedy, Remedy::Package));
        assert_eq!(rows, needs.map(|need| need.name).collect::<Vec<_>>());
        for (name, columns) in PACKAGES {
            let plain = |c: char| c.is_ascii_alphanumeric() || "+-._ ".contains(c);
            assert!(columns.iter().all(|names| names.chars().all(plain)), "{name}");
            assert!(!columns[Distribution::Debian as usize].is_empty(), "{name}");
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
