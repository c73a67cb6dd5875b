//! The table of architectures, with their names in every tool and format.

use anyhow::{Result, bail};

/// A processor architecture, under the names that each tool and format gives it.
///
/// A new architecture needs a row in [`TARGETS`], and the files that docs/architecture.md lists.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// `GOARCH`, which is also the name in OCI indexes, in k3s' file names and in `--arch`.
    pub go: &'static str,
    /// The name in uname(2), which GNU triples, qemu and RPM use, too.
    pub rpm: &'static str,
    /// The name Debian gives the architecture.
    pub debian: &'static str,
    /// zig's `-target` for static C code on musl.
    pub zig: &'static str,
    /// Rust targets whose `core` serves for the pause program, best first.
    pub rust: &'static [&'static str],
    /// The dynamic loader of glibc programs, which they name by its path from the root (glibc, `ABI list`).
    pub loader: &'static str,
    /// `e_machine` of an ELF header (elf.h).
    pub elf_machine: u16,
    /// The suffix of upstream's file names: `k3s-riscv64`, but plain `k3s` for amd64
    /// (k3s, scripts/package-cli).
    pub k3s_suffix: &'static str,
    /// The environment variable with which Go selects a level of the architecture, and its baseline.
    pub go_level: (&'static str, &'static str),
}

/// riscv64 first: it is what this project is for.
pub static TARGETS: [Target; 3] = [
    Target {
        go: "riscv64",
        rpm: "riscv64",
        debian: "riscv64",
        zig: "riscv64-linux-musl",
        rust: &["riscv64gc-unknown-none-elf", "riscv64gc-unknown-linux-musl", "riscv64gc-unknown-linux-gnu"],
        loader: "lib/ld-linux-riscv64-lp64d.so.1",
        elf_machine: object::elf::EM_RISCV,
        k3s_suffix: "-riscv64",
        go_level: ("GORISCV64", "rva20u64"),
    },
    Target {
        go: "arm64",
        rpm: "aarch64",
        debian: "arm64",
        zig: "aarch64-linux-musl",
        rust: &["aarch64-unknown-none", "aarch64-unknown-linux-musl", "aarch64-unknown-linux-gnu"],
        loader: "lib/ld-linux-aarch64.so.1",
        elf_machine: object::elf::EM_AARCH64,
        k3s_suffix: "-arm64",
        go_level: ("GOARM64", "v8.0"),
    },
    Target {
        go: "amd64",
        rpm: "x86_64",
        debian: "amd64",
        zig: "x86_64-linux-musl",
        rust: &["x86_64-unknown-none", "x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"],
        loader: "lib64/ld-linux-x86-64.so.2",
        elf_machine: object::elf::EM_X86_64,
        k3s_suffix: "",
        go_level: ("GOAMD64", "v1"),
    },
];

impl Target {
    /// Returns the GNU triple, by which Debian names the directories of libraries and configure scripts the host.
    pub fn gnu(&self) -> String {
        format!("{}-linux-gnu", self.rpm)
    }

    /// Looks an architecture up by the name that Go, RPM or Debian gives it.
    pub fn named(name: &str) -> Result<&'static Target> {
        let found = TARGETS.iter().find(|t| [t.go, t.rpm, t.debian].contains(&name));
        match found {
            Some(target) => Ok(target),
            None => bail!(
                "unknown architecture {name:?}; known are {}",
                TARGETS.iter().map(|t| t.go).collect::<Vec<_>>().join(", ")
            ),
        }
    }

    /// Returns the architecture of the machine this program runs on, if the table has it.
    pub fn host() -> Option<&'static Target> {
        TARGETS.iter().find(|t| t.rpm == std::env::consts::ARCH)
    }

    /// Returns the Go architecture level to build for: the given one, or else the oldest.
    pub fn level<'l>(&self, given: Option<&'l str>) -> &'l str {
        given.unwrap_or(self.go_level.1)
    }

    /// Returns the file name upstream gives the finished binary.
    pub fn k3s_binary(&self) -> String {
        format!("k3s{}", self.k3s_suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_go_rpm_and_debian_are_understood() {
        for name in ["arm64", "aarch64"] {
            assert_eq!(Target::named(name).unwrap().go, "arm64");
        }
        assert_eq!(Target::named("x86_64").unwrap().go, "amd64");
    }

    #[test]
    fn unknown_architecture_names_the_known_ones() {
        let error = Target::named("sparc").unwrap_err().to_string();
        assert_eq!(error, "unknown architecture \"sparc\"; known are riscv64, arm64, amd64");
    }
}
