//! The table of everything that a command needs of the machine it runs on.

use super::Purpose::{self, Bench, Boot, Build, Pause, Push, Rpm, Test};
use super::search::{ExecutableSearch, Search};
use super::tool::Tool;
use Remedy::{Ownership, Package, Rustup, Setting};

/// One thing that commands need.
#[derive(Debug)]
pub struct Need {
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
    /// The packages of [`super::packages`].
    Package,
    /// Rust's own installer, which has what few distributions have.
    Rustup,
    /// A setting of the kernel; see [`crate::userns::setting`] for those that a command can change.
    Setting,
    /// Another owner or mode of a directory; see [`crate::storage`].
    Ownership,
}

const fn program(name: &'static [&'static str]) -> Search {
    Search::Executable(ExecutableSearch { names: name, asked: &["--version"], oldest: &[] })
}

/// For programs with an argument of their own that makes them tell their version.
const fn asked(name: &'static [&'static str], arguments: &'static [&'static str]) -> Search {
    Search::Executable(ExecutableSearch { names: name, asked: arguments, oldest: &[] })
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

/// Every need, in the order of the commands.
#[rustfmt::skip]
pub static NEEDS: &[Need] = &[
    need("target/ and the cache", &Purpose::ALL, "hold what is fetched and built", Search::Storage, Ownership),

    // Building k3s.
    need("git", &[Build], "fetches k3s and its network plugins",
        // The first that takes settings from GIT_CONFIG_COUNT (git's RelNotes/2.31.0).
        Search::Executable(ExecutableSearch { names: &["git"], asked: &["--version"], oldest: &[2, 31] }), Package),
    need("certificates", &[Build, Push], "tell which servers are to be trusted",
        Search::File(&["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
            "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem"]), Package),
    need("bash", &[Build], "reads upstream's build scripts", program(&["bash"]), Package),
    need("sandbox", &[Build], "confines upstream's build scripts (`--trust-scripts` does without)",
        Search::Sandbox, Setting),
    // `mawk --version` is an error.
    need("awk", &[Build], "is used by upstream's scripts", asked(&["awk"], &["1"]), Package),
    need("sed", &[Build], "is used by upstream's scripts", program(&["sed"]), Package),
    need("grep", &[Build], "is used by upstream's scripts", program(&["grep"]), Package),
    need("tar", &[Build], "unpacks what is fetched", program(&["tar"]), Package),
    need("gzip", &[Build], "unpacks what is fetched", program(&["gzip"]), Package),
    need("Go", &[Build, Push], "compiles k3s, after fetching the Go that the release is built with",
        Search::Tool(Tool::Go), Package),
    need("zig", &[Build], "compiles and links C for any machine",
        Search::Tool(Tool::Zig), Package),
    need("qemu-riscv64", &[Build, Bench], "runs what was built; `build` leaves that unchecked without it",
        program(&["qemu-riscv64-static", "qemu-riscv64"]), Package),
    need("unshare", &[Build], "starts k3s for a check where it can touch nothing",
        program(&["unshare"]), Package),
    need("user namespaces", &[Build], "let the emulated k3s be root without being it",
        Search::Namespaces, Setting),

    // The pause program and its image.
    need("Rust for riscv64", &[Pause], "is the core of the pause program",
        Search::Tool(Tool::Core("riscv64")), Rustup),
    need("Rust for arm64", &[Test, Bench], "is the core of the pause program",
        Search::Tool(Tool::Core("arm64")), Rustup),
    need("Rust for amd64", &[Test, Bench], "is the core of the pause program",
        Search::Tool(Tool::Core("amd64")), Rustup),
    need("crane", &[Push], "speaks with registries", Search::Tool(Tool::Crane), Package),

    // Packages.
    need("rpmbuild", &[Rpm], "makes the packages", program(&["rpmbuild"]), Package),
    need("createrepo_c", &[Rpm], "makes the repository", program(&["createrepo_c"]), Package),
    need("rpmsign", &[Rpm], "signs the packages, with --sign", program(&["rpmsign"]), Package),
    need("gpg", &[Rpm], "signs the packages, with --sign", program(&["gpg"]), Package),

    // The booted machine.
    need("qemu-system-riscv64", &[Boot], "is the machine that is booted",
        program(&["qemu-system-riscv64"]), Package),
    need("mke2fs", &[Boot], "makes its disks", asked(&["mke2fs"], &["-V"]), Package),
    need("debugfs", &[Boot], "reads a disk of the user's, with --rootfs", asked(&["debugfs"], &["-V"]), Package),
    need("depmod", &[Boot], "tells how its kernel's modules depend on each other",
        program(&["depmod"]), Package),
    need("Debian's packages", &[Boot], "are what it is made of", Search::Tool(Tool::Guest), Package),

    // The tests.
    need("rustfmt", &[Test], "holds the sources against their one form",
        Search::Tool(Tool::Component("fmt")), Package),
    need("clippy", &[Test], "reads the sources critically",
        Search::Tool(Tool::Component("clippy")), Package),
    // That of busybox has no such option.
    need("timeout", &[Test], "interrupts runs at random moments", asked(&["timeout"], &["--foreground", "9", "true"]), Package),
    need("gcc", &[Test, Bench], "compiles Kubernetes' pause, which ours is compared with",
        program(&["gcc"]), Package),
    need("static C library", &[Test, Bench], "is linked into Kubernetes' pause",
        Search::Library("libc.a"), Package),
    need("readelf", &[Test], "reads the pause program", program(&["readelf"]), Package),
    need("qemu-aarch64", &[Test, Bench], "runs what is built for arm64",
        program(&["qemu-aarch64-static"]), Package),
    need("containerd", &[Test], "takes the pause image in", program(&["containerd"]), Package),
    need("runc", &[Test], "runs the pause image", program(&["runc"]), Package),
    need("skopeo", &[Test], "reads the pause image", program(&["skopeo"]), Package),
    need("oci-image-tool", &[Test], "is the OCI's own validator", program(&["oci-image-tool"]), Package),
    need("docker-registry", &[Test], "receives what is pushed", program(&["docker-registry"]), Package),
    need("openssl", &[Test], "makes a self-signed certificate", asked(&["openssl"], &["version"]), Package),
    need("chromium", &[Test], "shows the reports",
        program(&["chromium", "chromium-browser", "google-chrome"]), Package),
    need("dnf", &[Test], "solves and installs the packages", program(&["dnf"]), Package),
    need("rpmlint", &[Test], "reads the packages critically", program(&["rpmlint"]), Package),
    need("shellcheck", &[Test], "reads their scripts critically", program(&["shellcheck"]), Package),
    need("systemd-analyze", &[Test], "verifies their units", program(&["systemd-analyze"]), Package),
    need("faketime", &[Test], "lets packages be made on another day", asked(&["faketime"], &["--version"]), Package),
    need("busybox", &[Test], "runs their scripts in a root of its own", asked(&["busybox"], &["--help"]), Package),

    need("actionlint", &[Test], "reads the workflows critically",
        Search::Tool(Tool::Actionlint), Package),
    need("zizmor", &[Test], "looks for what could be abused in the workflows",
        Search::Tool(Tool::Zizmor), Package),

    // The benchmark.
    need("gcc for riscv64", &[Bench], "compiles the C that the pause program is measured against",
        program(&["riscv64-linux-gnu-gcc"]), Package),
    need("gcc for arm64", &[Bench], "compiles the C that the pause program is measured against",
        program(&["aarch64-linux-gnu-gcc"]), Package),
    need("qemu-x86_64", &[Bench], "counts the instructions of the pause program",
        program(&["qemu-x86_64-static"]), Package),
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
    fn every_need_has_a_name_of_its_own_and_a_use() {
        let names: BTreeSet<_> = NEEDS.iter().map(|need| need.name).collect();
        assert_eq!(names.len(), NEEDS.len());
        for need in NEEDS {
            assert!(!need.why.is_empty() && !need.purposes.is_empty(), "{}", need.name);
        }
    }

    #[test]
    fn a_command_needs_what_the_commands_it_runs_need() {
        let of = |purpose| super::super::needs(Some(purpose)).map(|need| need.name).collect::<BTreeSet<_>>();
        assert!(of(Rpm).is_superset(&of(Build)) && of(Boot).is_superset(&of(Rpm)));
        assert!(of(Test).is_superset(&of(Push)) && !of(Build).contains("containerd"));
        assert!(of(Pause).contains("Rust for riscv64") && !of(Pause).contains("Go"));
    }

    /// Programs that are started and no need names, each with the reason.
    const UNNAMED: &[(&str, &str)] = &[
        ("cp", "is POSIX"),
        ("modprobe", "comes with depmod, in kmod"),
        ("cargo", "has compiled this program"),
        ("apt-get", "belongs to Debian's packages"),
        ("dpkg-deb", "belongs to Debian's packages"),
        ("env", "comes with timeout, in coreutils"),
        ("setsid", "comes with unshare, in util-linux"),
        ("sudo", "or doas stands in a printed line"),
        ("doas", "or sudo stands in a printed line"),
        ("zig", "is one of our tools"),
        ("python3", "fetches zig and Go"),
        ("go", "is one of our tools"),
        ("rustc", "is one of our tools"),
        ("rustup", "fetches Rust's core"),
        ("gh", "publishes a release, which says itself that it is missing"),
    ];

    /// The names of the programs that a source file starts: those that are written out in it.
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
    fn every_program_that_is_started_is_a_need() {
        let named: BTreeSet<&str> = NEEDS
            .iter()
            .filter_map(|need| match &need.search {
                Search::Executable(program) => Some(program.names),
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
        assert_eq!(unknown, [""; 0], "no need names what is started here");
        for (name, _) in UNNAMED {
            assert!(all.contains(*name), "{name} is not started any more");
        }
    }
}
