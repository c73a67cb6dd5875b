//! The table of everything that a command needs of the machine it runs on.

use super::Purpose::{self, Bench, Boot, Build, Pause, Push, Rpm, Test};
use super::search::{Program, Search};
use super::tool::Tool;

/// One thing that commands need.
#[derive(Debug)]
pub struct Need {
    /// What the list calls it.
    pub name: &'static str,
    /// The commands that use it themselves; those that run such a command need it too.
    pub purposes: &'static [Purpose],
    /// What it does for them, in half a sentence.
    pub why: &'static str,
    /// How it is looked for.
    pub search: Search,
    pub remedy: Remedy,
}

/// What puts a missing thing right, where we cannot fetch it ourselves.
#[derive(Debug)]
pub enum Remedy {
    /// A package, under its name in Debian and Ubuntu, and in Fedora and openEuler where one is known.
    Package { debian: &'static str, fedora: Option<&'static str> },
    /// A setting of the kernel; see [`crate::namespaces::setting`] for those that a command can change.
    Setting,
}

const fn package(debian: &'static str, fedora: &'static str) -> Remedy {
    Remedy::Package { debian, fedora: Some(fedora) }
}

const fn debian_only(debian: &'static str) -> Remedy {
    Remedy::Package { debian, fedora: None }
}

const fn program(name: &'static [&'static str]) -> Search {
    Search::Program(Program { names: name, asked: &["--version"], oldest: &[] })
}

/// For programs with an argument of their own that makes them tell their version.
const fn asked(name: &'static [&'static str], arguments: &'static [&'static str]) -> Search {
    Search::Program(Program { names: name, asked: arguments, oldest: &[] })
}

const fn need(
    name: &'static str,
    purposes: &'static [Purpose],
    why: &'static str,
    search: Search,
    remedy: Remedy,
) -> Need {
    Need { name, purposes, why, search, remedy }
}

/// Every need, in the order of the commands. Packages bear the same names in Debian 12 and 13.
#[rustfmt::skip]
pub static NEEDS: &[Need] = &[
    // Building k3s.
    need("git", &[Build], "fetches k3s and its network plugins",
        // The first that takes settings from GIT_CONFIG_COUNT (git's RelNotes/2.31.0).
        Search::Program(Program { names: &["git"], asked: &["--version"], oldest: &[2, 31] }), package("git", "git")),
    need("certificates", &[Build, Push], "tell which servers are to be trusted",
        Search::File(&["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]),
        package("ca-certificates", "ca-certificates")),
    need("bash", &[Build], "reads upstream's build scripts", program(&["bash"]), package("bash", "bash")),
    need("sandbox", &[Build], "confines upstream's build scripts (`--trust-scripts` does without)",
        Search::Sandbox, Remedy::Setting),
    // `mawk --version` is an error.
    need("awk", &[Build], "is used by upstream's scripts", asked(&["awk"], &["1"]), package("mawk", "gawk")),
    need("sed", &[Build], "is used by upstream's scripts", program(&["sed"]), package("sed", "sed")),
    need("grep", &[Build], "is used by upstream's scripts", program(&["grep"]), package("grep", "grep")),
    need("xargs", &[Build], "is used by upstream's scripts", program(&["xargs"]), package("findutils", "findutils")),
    need("tar", &[Build], "unpacks libseccomp", program(&["tar"]), package("tar", "tar")),
    need("gzip", &[Build], "unpacks libseccomp", program(&["gzip"]), package("gzip", "gzip")),
    need("Go", &[Build, Push], "compiles k3s, after fetching the Go that the release is built with",
        Search::Tool(Tool::Go), package("golang-go", "golang")),
    need("zig", &[Build], "compiles and links C for any machine",
        Search::Tool(Tool::Zig), package("python3-pip", "python3-pip")),
    need("qemu-riscv64", &[Build, Bench], "runs what was built; `build` leaves that unchecked without it",
        program(&["qemu-riscv64-static", "qemu-riscv64"]), package("qemu-user-static", "qemu-user-static-riscv")),
    need("unshare", &[Build], "starts k3s for a check where it can touch nothing",
        program(&["unshare"]), package("util-linux", "util-linux")),
    need("user namespaces", &[Build], "let the emulated k3s be root without being it",
        Search::Namespaces, Remedy::Setting),

    // The pause program and its image.
    need("Rust for riscv64", &[Pause], "is the core of the pause program",
        Search::Tool(Tool::Core("riscv64")), package("rustup", "rustup")),
    need("Rust for arm64", &[Test, Bench], "is the core of the pause program",
        Search::Tool(Tool::Core("arm64")), package("rustup", "rustup")),
    need("Rust for amd64", &[Test, Bench], "is the core of the pause program",
        Search::Tool(Tool::Core("amd64")), package("rustup", "rustup")),
    need("crane", &[Push], "speaks with registries", Search::Tool(Tool::Crane), package("golang-go", "golang")),

    // Packages.
    need("rpmbuild", &[Rpm], "makes the packages", program(&["rpmbuild"]), package("rpm", "rpm-build")),
    need("createrepo_c", &[Rpm], "makes the repository", program(&["createrepo_c"]),
        package("createrepo-c", "createrepo_c")),
    need("rpmsign", &[Rpm], "signs the packages, with --sign", program(&["rpmsign"]), package("rpm", "rpm-sign")),
    need("gpg", &[Rpm], "signs the packages, with --sign", program(&["gpg"]), package("gnupg", "gnupg2")),

    // The booted machine.
    need("qemu-system-riscv64", &[Boot], "is the machine that is booted",
        program(&["qemu-system-riscv64"]), package("qemu-system-misc", "qemu-system-riscv")),
    need("mke2fs", &[Boot], "makes its disks", asked(&["mke2fs"], &["-V"]), package("e2fsprogs", "e2fsprogs")),
    need("depmod", &[Boot], "tells how its kernel's modules depend on each other",
        program(&["depmod"]), package("kmod", "kmod")),
    need("Debian's packages", &[Boot], "are what it is made of", Search::Tool(Tool::Guest),
        package("apt debian-archive-keyring dpkg", "apt dpkg")),

    // The tests.
    need("rustfmt", &[Test], "holds the sources against their one form",
        Search::Tool(Tool::Component("fmt")), package("rustfmt", "rustfmt")),
    need("clippy", &[Test], "reads the sources critically",
        Search::Tool(Tool::Component("clippy")), package("rust-clippy", "clippy")),
    need("gcc", &[Test, Bench], "compiles Kubernetes' pause, which ours is compared with",
        program(&["gcc"]), package("gcc", "gcc")),
    need("static C library", &[Test, Bench], "is linked into Kubernetes' pause",
        Search::Library("libc.a"), package("libc6-dev", "glibc-static")),
    need("readelf", &[Test], "reads the pause program", program(&["readelf"]), package("binutils", "binutils")),
    need("qemu-aarch64", &[Test, Bench], "runs what is built for arm64",
        program(&["qemu-aarch64-static"]), package("qemu-user-static", "qemu-user-static-aarch64")),
    need("containerd", &[Test], "takes the pause image in", program(&["containerd"]), package("containerd", "containerd")),
    need("runc", &[Test], "runs the pause image", program(&["runc"]), package("runc", "runc")),
    need("skopeo", &[Test], "reads the pause image", program(&["skopeo"]), package("skopeo", "skopeo")),
    need("oci-image-tool", &[Test], "is the OCI's own validator", program(&["oci-image-tool"]),
        debian_only("oci-image-tool")),
    need("docker-registry", &[Test], "receives what is pushed", program(&["docker-registry"]),
        debian_only("docker-registry")),
    need("openssl", &[Test], "makes a certificate that nobody vouches for", asked(&["openssl"], &["version"]),
        package("openssl", "openssl")),
    need("chromium", &[Test], "shows the reports",
        program(&["chromium", "chromium-browser", "google-chrome"]), package("chromium", "chromium")),
    need("dnf", &[Test], "solves and installs the packages", program(&["dnf"]), package("dnf", "dnf")),
    need("rpmlint", &[Test], "reads the packages critically", program(&["rpmlint"]), package("rpmlint", "rpmlint")),
    need("shellcheck", &[Test], "reads their scripts critically", program(&["shellcheck"]),
        package("shellcheck", "ShellCheck")),
    need("systemd-analyze", &[Test], "verifies their units", program(&["systemd-analyze"]), package("systemd", "systemd")),
    need("faketime", &[Test], "lets packages be made on another day", asked(&["faketime"], &["--version"]),
        package("faketime", "libfaketime")),
    need("busybox", &[Test], "runs their scripts in a root of its own", asked(&["busybox"], &["--help"]),
        package("busybox-static", "busybox")),

    need("actionlint", &[Test], "reads the workflows critically",
        Search::Tool(Tool::Actionlint), package("golang-go", "golang")),
    need("zizmor", &[Test], "looks for what could be abused in the workflows",
        Search::Tool(Tool::Zizmor), package("python3-pip", "python3-pip")),

    // The benchmark.
    need("gcc for riscv64", &[Bench], "compiles the C that the pause program is measured against",
        program(&["riscv64-linux-gnu-gcc"]), package("gcc-riscv64-linux-gnu libc6-dev-riscv64-cross", "gcc-riscv64-linux-gnu")),
    need("gcc for arm64", &[Bench], "compiles the C that the pause program is measured against",
        program(&["aarch64-linux-gnu-gcc"]), package("gcc-aarch64-linux-gnu libc6-dev-arm64-cross", "gcc-aarch64-linux-gnu")),
    need("qemu-x86_64", &[Bench], "counts the instructions of the pause program",
        program(&["qemu-x86_64-static"]), package("qemu-user-static", "qemu-user-static-x86")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_command_has_needs_of_its_own() {
        for purpose in Purpose::ALL {
            assert!(NEEDS.iter().any(|need| need.purposes.contains(&purpose)), "{purpose:?}");
            assert!(purpose.parts().contains(&purpose), "{purpose:?}");
        }
    }

    #[test]
    fn every_need_has_a_name_of_its_own_a_use_and_a_remedy_on_debian() {
        let names: BTreeSet<_> = NEEDS.iter().map(|need| need.name).collect();
        assert_eq!(names.len(), NEEDS.len());
        for need in NEEDS {
            assert!(!need.why.is_empty() && !need.purposes.is_empty(), "{}", need.name);
            if let Remedy::Package { debian, fedora } = need.remedy {
                let plain = |name: &str| {
                    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-._ ".contains(c))
                };
                assert!(plain(debian) && fedora.is_none_or(plain), "{}", need.name);
            }
        }
    }

    #[test]
    fn a_command_needs_what_the_commands_it_runs_need() {
        let of = |purpose| super::super::needs(Some(purpose)).map(|need| need.name).collect::<BTreeSet<_>>();
        assert!(of(Rpm).is_superset(&of(Build)) && of(Boot).is_superset(&of(Rpm)));
        assert!(of(Test).is_superset(&of(Push)) && !of(Build).contains("containerd"));
        assert!(of(Pause).contains("Rust for riscv64") && !of(Pause).contains("Go"));
    }
}
