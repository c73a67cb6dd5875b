//! Installation of missing requirements: one command line for the user, or the same commands run by us.

use super::packages::Distribution;
use super::requirements::{Remedy, Requirement};
use super::search::Finding;
use super::{Diagnosis, Purpose};
use crate::context::Context;
use crate::process::{self, cmd, quoted};
use crate::userns;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;

/// Returns the packages of everything that is missing and cannot be fetched.
pub fn packages(distribution: Option<Distribution>, diagnoses: &[Diagnosis]) -> BTreeSet<&'static str> {
    let Some(distribution) = distribution else { return BTreeSet::new() };
    missing(diagnoses).flat_map(|requirement| requirement.packages(distribution)).collect()
}

/// Returns the names of what is missing and for which no package is known here.
pub fn without_package(distribution: Option<Distribution>, diagnoses: &[Diagnosis]) -> Vec<&'static str> {
    let is_unknown = |requirement: &&Requirement| {
        matches!(requirement.remedy, Remedy::Packages(_))
            && distribution.is_none_or(|here| requirement.packages(here).next().is_none())
    };
    missing(diagnoses).filter(is_unknown).map(|requirement| requirement.name).collect()
}

/// Returns the names of what is missing and Rust's own installer has.
pub fn of_rustup(diagnoses: &[Diagnosis]) -> Vec<&'static str> {
    let all = missing(diagnoses).filter(|requirement| requirement.remedy == Remedy::Rustup);
    all.map(|requirement| requirement.name).collect()
}

fn missing(diagnoses: &[Diagnosis]) -> impl Iterator<Item = &'static Requirement> {
    let missing = diagnoses.iter().filter(|diagnosis| matches!(diagnosis.finding, Finding::Missing(_)));
    missing.map(|diagnosis| diagnosis.requirement)
}

/// Returns the command line that installs all of these, or nothing if none can.
///
/// `settings` are commands for root other than installing a package.
pub fn line(
    distribution: Option<Distribution>,
    diagnoses: &[Diagnosis],
    settings: &[String],
    purpose: Option<Purpose>,
) -> Option<String> {
    let off_path = diagnoses.iter().find_map(|diagnosis| match diagnosis.finding {
        Finding::OffPath(directory) => Some(format!("export PATH=\"$PATH:{directory}\"")),
        _ => None,
    });
    let packages = packages(distribution, diagnoses);
    let install = distribution.map(|here| here.commands(&packages)).unwrap_or_default().into_iter();
    let as_root = install
        .map(|words| words.into_iter().map(quoted).collect::<Vec<_>>().join(" "))
        .chain(settings.iter().cloned())
        .map(|command| format!("{}{command}", become_root()));
    let mut commands: Vec<String> = off_path.into_iter().chain(as_root).collect();
    if diagnoses.iter().any(|diagnosis| diagnosis.finding == Finding::Fetchable) {
        let narrowed = purpose.map(|purpose| format!(" --for {}", purpose.name())).unwrap_or_default();
        commands.push(format!("cargo xtask doctor --fix{narrowed}"));
    }
    (!commands.is_empty()).then(|| commands.join(" && "))
}

/// Returns the word before a command for root: Alpine, for one, has doas and no sudo.
fn become_root() -> &'static str {
    if userns::is_root() {
        ""
    } else if process::find("sudo").is_none() && process::find("doas").is_some() {
        "doas "
    } else {
        "sudo "
    }
}

/// Installs packages, as root.
pub fn install(
    context: &Context,
    distribution: Distribution,
    packages: &BTreeSet<&'static str>,
) -> Result<()> {
    let path = std::env::var("PATH").unwrap_or_default();
    for words in distribution.commands(packages) {
        let running = context.progress.step(words[..2].join(" "));
        let words = &words;
        // In a session of its own, so that Ctrl-C does not kill dpkg halfway, which would damage the machine.
        cmd!(context, "setsid --wait {words...}")
            .env("DEBIAN_FRONTEND", "noninteractive")
            // dpkg needs its helpers from there, and `su` leaves root without them.
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
    use super::super::requirements::REQUIREMENTS;
    use super::*;

    fn missing(names: &[&str]) -> Vec<Diagnosis> {
        let named = REQUIREMENTS.iter().filter(|requirement| names.contains(&requirement.name));
        named
            .map(|requirement| Diagnosis { requirement, finding: Finding::Missing("not found".into()) })
            .collect()
    }

    /// Returns the line without `sudo`, which depends on who runs the test.
    fn line_of(distribution: Distribution, diagnoses: &[Diagnosis], setting: Option<&str>) -> String {
        let settings: Vec<String> = setting.map(str::to_owned).into_iter().collect();
        let line = line(Some(distribution), diagnoses, &settings, Some(Purpose::Test)).unwrap_or_default();
        line.replace("sudo ", "").replace("doas ", "")
    }

    #[test]
    fn one_line_names_everything_once() {
        let missing = missing(&["git", "qemu-riscv64", "qemu-aarch64", "gcc for riscv64"]);
        assert_eq!(
            line_of(Distribution::Debian, &missing, None),
            "apt-get update && apt-get install --yes --no-install-recommends \
              gcc-riscv64-linux-gnu git libc6-dev-riscv64-cross qemu-user-static"
        );
        assert_eq!(
            line_of(Distribution::Fedora, &missing, None),
            "dnf install --assumeyes gcc-riscv64-linux-gnu git qemu-user-static-aarch64 qemu-user-static-riscv"
        );
    }

    #[test]
    fn line_includes_settings_and_fetching() {
        let mut missing = missing(&["tar", "user namespaces", "zig"]);
        let zig = missing.iter_mut().find(|diagnosis| diagnosis.requirement.name == "zig").unwrap();
        zig.finding = Finding::Fetchable;
        assert_eq!(
            line_of(Distribution::Fedora, &missing, Some("sysctl -w a=1")),
            "dnf install --assumeyes tar && sysctl -w a=1 && cargo xtask doctor --fix --for test"
        );
    }

    #[test]
    fn names_directory_off_the_path() {
        let mut missing = missing(&["mke2fs"]);
        missing[0].finding = Finding::OffPath("/usr/sbin");
        assert_eq!(line_of(Distribution::Debian, &missing, None), "export PATH=\"$PATH:/usr/sbin\"");
    }

    #[test]
    fn names_requirements_without_package() {
        let missing = missing(&["oci-image-tool", "tar"]);
        assert_eq!(without_package(Some(Distribution::Fedora), &missing), ["oci-image-tool"]);
        assert_eq!(without_package(Some(Distribution::Debian), &missing), [""; 0]);
        assert_eq!(without_package(None, &missing), ["tar", "oci-image-tool"]);
        assert_eq!(line_of(Distribution::Fedora, &missing, None), "dnf install --assumeyes tar");
        assert_eq!(line(None, &missing, &[], None), None);
    }

    #[test]
    fn complete_machine_needs_no_line() {
        assert_eq!(line(Some(Distribution::Debian), &[], &[], None), None);
    }
}
