//! Searches for one requirement.

use super::tool::Tool;
use crate::context::Context;
use crate::process;
use crate::process::cmd;
use crate::storage;
use crate::userns;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use std::path::Path;

/// A rule by which a requirement is searched.
#[derive(Debug)]
pub enum Search {
    Executable(ExecutableSearch),
    /// A tool that we fetch if it is missing.
    Tool(Tool),
    /// The first of these files that exists.
    File(&'static [&'static str]),
    /// A library of the C compiler's.
    Library(&'static str),
    /// Permission of this user to create user and network namespaces.
    Namespaces,
    /// The sandbox for upstream's scripts (see [`process::Sandbox`]).
    Sandbox,
    /// Our directories, which have to be writable (see [`storage`]).
    Storage,
}

/// Directory of executables for administrators, such as mke2fs and runc. Some distributions link it to
/// /usr/bin.
const ADMINISTRATORS: &str = "/usr/sbin";

/// An executable on the search path.
#[derive(Debug)]
pub struct ExecutableSearch {
    /// Its names, best first.
    pub names: &'static [&'static str],
    /// Arguments that make it print its version.
    pub asked: &'static [&'static str],
    /// The oldest version that is supported, number by number.
    pub oldest: &'static [u32],
}

/// Result of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Found: version and path.
    Found(String),
    /// Missing, but the command that needs it fetches it by itself.
    Fetchable,
    /// Found, but in this directory, which is not on the user's search path.
    OffPath(&'static str),
    /// Missing, with the reason.
    Missing(String),
}

impl Search {
    /// Searches without the network, which `offline` forbids.
    pub fn look(&self, offline: &Context) -> Finding {
        let found = match self {
            Search::Executable(search) => search.look(offline),
            Search::Tool(tool) => tool.get(offline),
            Search::File(paths) => first_file(paths),
            Search::Library(name) => library(offline, name),
            Search::Namespaces => namespaces(offline),
            Search::Storage => writable(offline),
            Search::Sandbox => process::sandbox_available().map(|()| "Landlock and seccomp".to_owned()),
        };
        found.map_or_else(|error| self.not_found(offline, &error), Finding::Found)
    }

    fn not_found(&self, offline: &Context, error: &anyhow::Error) -> Finding {
        let instead = match self {
            Search::Tool(tool) if tool.can_be_fetched(offline) => Some(Finding::Fetchable),
            // Go may be too old, which its error reports.
            Search::Tool(Tool::Go) => None,
            Search::Tool(_) => Some(Finding::Missing("not found".to_owned())),
            Search::Executable(search) => search.off_path().map(Finding::OffPath),
            _ => None,
        };
        instead.unwrap_or_else(|| Finding::Missing(first_line(&format!("{error:#}")).to_owned()))
    }
}

impl ExecutableSearch {
    fn look(&self, context: &Context) -> Result<String> {
        let path = self.names.iter().find_map(|name| process::find(name)).context("not found")?;
        let asked = self.asked;
        let (status, stdout, stderr) = cmd!(context, "{path} {asked...}").capture()?;
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        ensure!(status.success(), "{} does not run: {}", path.display(), first_line(stderr.trim()));
        let version = version(&stdout).or_else(|| version(&stderr));
        if !self.oldest.is_empty() && version.is_none_or(|version| numbers(version).as_slice() < self.oldest)
        {
            let oldest: Vec<String> = self.oldest.iter().map(u32::to_string).collect();
            bail!(
                "{} is {}; {} or later is required",
                path.display(),
                version.unwrap_or("of no known version"),
                oldest.join(".")
            );
        }
        Ok([version.unwrap_or_default(), &path.display().to_string()].join(" ").trim_start().to_owned())
    }

    /// Returns the directory of the executable, if it is one that not every user's search path contains.
    fn off_path(&self) -> Option<&'static str> {
        let directory = Path::new(ADMINISTRATORS);
        let hidden = |name: &&str| process::find(name).is_none() && directory.join(name).is_file();
        (!directory.is_symlink() && self.names.iter().any(hidden)).then_some(ADMINISTRATORS)
    }
}

fn first_file(paths: &[&str]) -> Result<String> {
    let found = paths.iter().find(|path| Path::new(path).is_file());
    found.map(|path| (*path).to_owned()).context("not found")
}

fn library(context: &Context, name: &str) -> Result<String> {
    let gcc = process::find("gcc").context("not found")?;
    let path = cmd!(context, "{gcc} -print-file-name={name}").read()?;
    // gcc prints the bare name if it finds no such library.
    ensure!(Path::new(&path).is_absolute(), "{} has no {name}", gcc.display());
    Ok(fs::canonicalize(path)?.display().to_string())
}

fn namespaces(context: &Context) -> Result<String> {
    process::find("unshare").context("cannot be checked without unshare")?;
    if userns::are_allowed(context)? {
        return Ok("allowed".to_owned());
    }
    match userns::setting() {
        Some(_) => bail!("forbidden by a kernel setting"),
        None => bail!("not allowed; a container needs --security-opt seccomp=unconfined"),
    }
}

fn writable(context: &Context) -> Result<String> {
    match storage::obstacles(context)?.into_iter().next() {
        None => Ok("can be written".to_owned()),
        Some(obstacle) => bail!(obstacle.problem),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Returns the version in a command's output: the first word that begins with a digit, without a
/// distribution's suffix.
fn version(text: &str) -> Option<&str> {
    text.split_whitespace().find_map(|word| {
        let word = word.strip_prefix('v').unwrap_or(word);
        let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
        let number = word[..end].trim_end_matches('.');
        number.starts_with(|c: char| c.is_ascii_digit()).then_some(number)
    })
}

/// Parses `2.39.5` as 2, 39, 5.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_version_in_output() {
        let outputs = [
            ("git version 2.39.5\n", "2.39.5"),
            ("GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)\nCopyright (C) 2022", "5.2.15"),
            ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0\n", "12.2.0"),
            ("qemu-riscv64 version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\n", "7.2.22"),
            ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3\n", "1.6.20"),
            ("docker-registry github.com/docker/distribution 2.8.2+ds1\n", "2.8.2"),
            ("oci-image-tool version 1.0.0-rc1\n", "1.0.0"),
            ("ShellCheck - shell script analysis tool\nversion: 0.9.0\n", "0.9.0"),
            ("Version: 0.17.3 (Features: DeltaRPM LegacyWeakdeps )\n", "0.17.3"),
            ("systemd 252 (252.38-1~deb12u1)\n", "252"),
            ("BusyBox v1.35.0 (Debian 1:1.35.0-4+deb12u1+b1) multi-call binary.\n", "1.35.0"),
            ("4.14.0\n  Installed: dpkg\n", "4.14.0"),
        ];
        for (text, expected) in outputs {
            assert_eq!(version(text), Some(expected), "{text}");
        }
        assert_eq!(version("no version at all\n"), None);
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(numbers("2.39.5").as_slice() >= [2, 31].as_slice());
        assert!(numbers("2.4").as_slice() < [2, 31].as_slice());
        assert!(numbers("10").as_slice() >= [2, 31].as_slice());
    }
}
