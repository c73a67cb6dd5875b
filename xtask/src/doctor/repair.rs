//! What repairs a machine: one line for a person to run, or the same commands run by us.

use super::needs::Remedy;
use super::search::Finding;
use super::{Diagnosis, Purpose};
use crate::context::Context;
use crate::namespaces;
use crate::process::{Program, quoted};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeSet;
use xshell::cmd;

/// Distributions that share their packages' names and their package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Debian, Ubuntu and theirs: apt.
    Debian,
    /// Fedora, openEuler and theirs: dnf.
    Fedora,
    /// Anything else.
    Other,
}

impl Family {
    /// The family of this machine.
    pub fn here() -> Family {
        Family::of(&fs::read_to_string("/etc/os-release").unwrap_or_default())
    }

    /// The family that os-release(5) tells of.
    fn of(os_release: &str) -> Family {
        let value = |line: &'_ str| {
            let value = line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE="))?;
            Some(value.trim_matches(['"', '\'']).to_lowercase())
        };
        let names: Vec<String> = os_release.lines().filter_map(value).collect();
        let is = |known: &[&str]| names.iter().flat_map(|ids| ids.split(' ')).any(|id| known.contains(&id));
        if is(&["debian", "ubuntu"]) {
            Family::Debian
        } else if is(&["fedora", "rhel", "centos", "openeuler"]) {
            Family::Fedora
        } else {
            Family::Other
        }
    }

    /// The name of a remedy's package here, or of several with blanks between them.
    fn package(self, remedy: &Remedy) -> Option<&'static str> {
        match (self, remedy) {
            (Family::Debian, Remedy::Package { debian, .. }) => Some(debian),
            (Family::Fedora, Remedy::Package { fedora, .. }) => *fedora,
            _ => None,
        }
    }

    /// The commands that install packages, for root.
    fn commands(self, packages: &BTreeSet<&'static str>) -> Vec<Vec<&'static str>> {
        let with = |words: &[&'static str]| words.iter().copied().chain(packages.iter().copied()).collect();
        match self {
            _ if packages.is_empty() => Vec::new(),
            // Lists that are a day old already name files which mirrors have replaced.
            Family::Debian => vec![
                vec!["apt-get", "update"],
                with(&["apt-get", "install", "--yes", "--no-install-recommends"]),
            ],
            Family::Fedora => vec![with(&["dnf", "install", "--assumeyes"])],
            Family::Other => Vec::new(),
        }
    }
}

/// What a family has for everything that is missing and cannot be fetched.
pub fn packages(family: Family, diagnoses: &[Diagnosis]) -> BTreeSet<&'static str> {
    let missing = diagnoses.iter().filter(|diagnosis| matches!(diagnosis.finding, Finding::Missing(_)));
    let names = missing.filter_map(|diagnosis| family.package(&diagnosis.need.remedy));
    names.flat_map(|names| names.split(' ')).collect()
}

/// The names of what is missing and for which no package is known here.
pub fn without_package(family: Family, diagnoses: &[Diagnosis]) -> Vec<&'static str> {
    let missing = diagnoses.iter().filter(|diagnosis| matches!(diagnosis.finding, Finding::Missing(_)));
    let unknown = missing.filter(|Diagnosis { need, .. }| {
        family != Family::Other
            && matches!(need.remedy, Remedy::Package { .. })
            && family.package(&need.remedy).is_none()
    });
    unknown.map(|diagnosis| diagnosis.need.name).collect()
}

/// The line that repairs all of these, or one for each family where this machine's is not known. None is
/// needed where all is well.
///
/// `setting` is the command that allows user namespaces, where they are not.
pub fn lines(
    family: Family,
    diagnoses: &[Diagnosis],
    setting: Option<&str>,
    purpose: Option<Purpose>,
) -> Vec<String> {
    if family == Family::Other {
        let of = |family, names: &str| {
            let line = lines(family, diagnoses, setting, purpose).pop()?;
            Some(format!("{line}    # {names}"))
        };
        let both = [of(Family::Debian, "Debian and its kin"), of(Family::Fedora, "Fedora and its kin")];
        return both.into_iter().flatten().collect();
    }
    let off_path = diagnoses.iter().find_map(|diagnosis| match diagnosis.finding {
        Finding::OffPath(folder) => Some(format!("export PATH=\"$PATH:{folder}\"")),
        _ => None,
    });
    let sudo = if namespaces::is_root() { "" } else { "sudo " };
    let install = family.commands(&packages(family, diagnoses)).into_iter();
    let as_root = install
        .map(|words| words.into_iter().map(quoted).collect::<Vec<_>>().join(" "))
        .chain(setting.map(str::to_owned))
        .map(|command| format!("{sudo}{command}"));
    let mut commands: Vec<String> = off_path.into_iter().chain(as_root).collect();
    if diagnoses.iter().any(|diagnosis| diagnosis.finding == Finding::Fetchable) {
        let narrowed = purpose.map(|purpose| format!(" --for {}", purpose.name())).unwrap_or_default();
        commands.push(format!("cargo xtask doctor --fix{narrowed}"));
    }
    if commands.is_empty() { Vec::new() } else { vec![commands.join(" && ")] }
}

/// Installs packages, as root.
pub fn install(context: &Context, family: Family, packages: &BTreeSet<&'static str>) -> Result<()> {
    let path = std::env::var("PATH").unwrap_or_default();
    for words in family.commands(packages) {
        let running = context.progress.step(words[..2].join(" "));
        let words = &words;
        let shell = context.shell()?;
        // In a session of its own, so that an impatient Ctrl-C does not kill dpkg halfway: that would leave
        // the machine, and not only our work, in need of repair.
        Program::new(context, cmd!(shell, "setsid --wait {words...}"))
            .env("DEBIAN_FRONTEND", "noninteractive")
            // dpkg wants its helpers there, and `su` leaves root without them.
            .env("PATH", format!("{path}:/usr/sbin:/sbin"))
            .log("doctor")
            .run()
            .context("installing packages")?;
        running.done("");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::needs::NEEDS;
    use super::*;

    fn missing(names: &[&str]) -> Vec<Diagnosis> {
        let wanted = NEEDS.iter().filter(|need| names.contains(&need.name));
        wanted.map(|need| Diagnosis { need, finding: Finding::Missing("not found".into()) }).collect()
    }

    /// Lines without `sudo`, which depends on who runs the test.
    fn lines_of(family: Family, diagnoses: &[Diagnosis], setting: Option<&str>) -> Vec<String> {
        let lines = lines(family, diagnoses, setting, Some(Purpose::Test));
        lines.into_iter().map(|line| line.replace("sudo ", "")).collect()
    }

    #[test]
    fn a_distribution_is_known_by_itself_or_by_what_it_is_like() {
        assert_eq!(Family::of("NAME=x\nID=debian\n"), Family::Debian);
        assert_eq!(Family::of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), Family::Debian);
        assert_eq!(Family::of("ID=\"openEuler\"\n"), Family::Fedora);
        assert_eq!(Family::of("ID=rocky\nID_LIKE='rhel centos fedora'\n"), Family::Fedora);
        assert_eq!(Family::of("ID=arch\n"), Family::Other);
    }

    #[test]
    fn one_line_names_everything_once() {
        let missing = missing(&["git", "qemu-riscv64", "qemu-aarch64", "gcc for riscv64"]);
        assert_eq!(
            lines_of(Family::Debian, &missing, None),
            ["apt-get update && apt-get install --yes --no-install-recommends \
              gcc-riscv64-linux-gnu git libc6-dev-riscv64-cross qemu-user-static"]
        );
        assert_eq!(
            lines_of(Family::Fedora, &missing, None),
            [
                "dnf install --assumeyes gcc-riscv64-linux-gnu git qemu-user-static-aarch64 qemu-user-static-riscv"
            ]
        );
    }

    #[test]
    fn settings_and_what_is_fetched_join_the_line() {
        let mut missing = missing(&["tar", "user namespaces", "zig"]);
        let zig = missing.iter_mut().find(|diagnosis| diagnosis.need.name == "zig").unwrap();
        zig.finding = Finding::Fetchable;
        assert_eq!(
            lines_of(Family::Fedora, &missing, Some("sysctl -w a=1")),
            ["dnf install --assumeyes tar && sysctl -w a=1 && cargo xtask doctor --fix --for test"]
        );
    }

    #[test]
    fn what_only_administrators_have_on_their_path_is_not_installed_again() {
        let mut missing = missing(&["mke2fs"]);
        missing[0].finding = Finding::OffPath("/usr/sbin");
        assert_eq!(lines_of(Family::Debian, &missing, None), ["export PATH=\"$PATH:/usr/sbin\""]);
    }

    #[test]
    fn an_unknown_distribution_gets_the_names_of_both_families() {
        let lines = lines_of(Family::Other, &missing(&["rpmbuild"]), None);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].contains(" rpm ") && lines[1].contains(" rpm-build "), "{lines:?}");
    }

    #[test]
    fn what_no_package_is_known_for_is_named() {
        let missing = missing(&["oci-image-tool", "tar"]);
        assert_eq!(without_package(Family::Fedora, &missing), ["oci-image-tool"]);
        assert_eq!(without_package(Family::Debian, &missing), [""; 0]);
        assert_eq!(lines_of(Family::Fedora, &missing, None), ["dnf install --assumeyes tar"]);
    }

    #[test]
    fn a_whole_machine_needs_no_line() {
        assert_eq!(lines_of(Family::Debian, &[], None), [""; 0]);
    }
}
