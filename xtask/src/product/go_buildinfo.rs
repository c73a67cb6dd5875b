//! The Go modules that a program was compiled from: Go's linker lists them in the program
//! (pkg.go.dev/debug/buildinfo), even with `-trimpath` and if it is stripped.

use crate::toolchain::gomod::Resolved;
use crate::toolchain::local_module::{is_directory, labelled};
use anyhow::{Context as _, Result, anyhow};
use fs_err as fs;
use memchr::memmem;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A module inside a program, written as go.mod writes it: `path version`, and after `=>` its
/// replacement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Compiled {
    /// The path that programs import it by.
    pub path: String,
    pub version: String,
    /// The module or directory that was compiled in its place.
    pub replacement: Option<CompiledFrom>,
}

/// The place of the files that were compiled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CompiledFrom {
    Module {
        path: String,
        version: String,
    },
    /// A directory of the tree, from its root: `./lab/containerd`.
    Directory(String),
}

impl Compiled {
    /// Returns a module that nothing replaces.
    pub fn plain(path: &str, version: &str) -> Compiled {
        Compiled { path: path.to_owned(), version: version.to_owned(), replacement: None }
    }

    /// Returns the module whose files were compiled, and its version; or the directory of the tree.
    pub fn origin(&self) -> CompiledFrom {
        let itself = || CompiledFrom::Module { path: self.path.clone(), version: self.version.clone() };
        self.replacement.clone().unwrap_or_else(itself)
    }

    /// Returns the version that was compiled under its path: that of the replacement, where there is one.
    pub fn compiled_version(&self) -> String {
        match &self.replacement {
            Some(CompiledFrom::Module { version, .. }) => version.clone(),
            Some(CompiledFrom::Directory(_)) => labelled(&self.version),
            None => self.version.clone(),
        }
    }

    /// Returns whether it was compiled from a directory of the tree.
    pub fn is_local(&self) -> bool {
        matches!(self.replacement, Some(CompiledFrom::Directory(_)))
    }
}

impl From<&Resolved> for Compiled {
    fn from(resolved: &Resolved) -> Compiled {
        match resolved {
            Resolved::Fetched(module) => Compiled::plain(&module.path, &module.version),
            Resolved::Local(local) => Compiled {
                replacement: Some(CompiledFrom::Directory(local.directory.clone())),
                ..Compiled::plain(&local.path, &local.version)
            },
        }
    }
}

impl FromStr for Compiled {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Compiled> {
        let (module, replacement) = match text.split_once(" => ") {
            Some((module, replacement)) => (module, Some(replacement.parse()?)),
            None => (text, None),
        };
        match module.split(' ').collect::<Vec<_>>()[..] {
            [path, version] => Ok(Compiled { replacement, ..Compiled::plain(path, version) }),
            _ => Err(anyhow!("{text:?} is not a module of the form `path version [=> path version]`")),
        }
    }
}

impl FromStr for CompiledFrom {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<CompiledFrom> {
        if is_directory(text) {
            return Ok(CompiledFrom::Directory(text.to_owned()));
        }
        match text.split(' ').collect::<Vec<_>>()[..] {
            [path, version] => {
                Ok(CompiledFrom::Module { path: path.to_owned(), version: version.to_owned() })
            }
            _ => Err(anyhow!("{text:?} is neither `path version` nor a directory that begins with ./")),
        }
    }
}

impl fmt::Display for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.version)?;
        match &self.replacement {
            Some(replacement) => write!(f, " => {replacement}"),
            None => Ok(()),
        }
    }
}

crate::prose::text_in_json!(Compiled);

impl fmt::Display for CompiledFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompiledFrom::Module { path, version } => write!(f, "{path} {version}"),
            CompiledFrom::Directory(directory) => f.write_str(directory),
        }
    }
}

/// Reads what `go version -m` would print of a program that has to list its modules.
pub fn of_program(program: &Path) -> Result<String> {
    let bytes = fs::read(program)?;
    in_program(&bytes).with_context(|| format!("{} lists no modules of Go", program.display()))
}

/// Reads what `go version -m PROGRAM` prints. The program's own module is left out: it is a tree, whose
/// commit or version the manifest names elsewhere.
pub fn of_build_info(text: &str) -> BTreeSet<Compiled> {
    let mut found: Vec<Compiled> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.trim_start().split('\t').collect();
        match words[..] {
            ["dep", path, version, ..] => found.push(Compiled::plain(path, version)),
            ["=>", path, version, ..] => {
                if let Some(module) = found.last_mut() {
                    module.replacement = Some(match is_directory(path) {
                        true => CompiledFrom::Directory(path.to_owned()),
                        false => CompiledFrom::Module { path: path.to_owned(), version: version.to_owned() },
                    });
                }
            }
            _ => {}
        }
    }
    found.into_iter().collect()
}

/// Reads the checksums of the modules in the same text, by path and version.
pub fn sums(text: &str) -> BTreeMap<String, String> {
    let sum = |line: &str| match line.trim_start().split('\t').collect::<Vec<_>>()[..] {
        ["mod" | "dep" | "=>", path, version, sum] if sum.starts_with("h1:") => {
            Some((format!("{path} {version}"), sum.to_owned()))
        }
        _ => None,
    };
    text.lines().filter_map(sum).collect()
}

/// The start of what the linker writes (Go, src/debug/buildinfo).
const MAGIC: &[u8] = b"\xff Go buildinf:";

/// Reads what `go version -m` would print of a program, without Go; of others it is nothing.
pub fn in_program(program: &[u8]) -> Option<String> {
    // Programs that read build information themselves contain its start, too.
    memmem::find_iter(program, MAGIC).find_map(|start| {
        let info = &program[start..];
        // Since Go 1.18 both strings are there, and not pointers to them.
        if info.get(MAGIC.len() + 1)? & 2 == 0 {
            return None;
        }
        let (version, rest) = counted(info.get(32..)?)?;
        let (modules, _) = counted(rest)?;
        if !version.starts_with(b"go") && !version.starts_with(b"devel") {
            return None;
        }
        // Between two marks of 16 bytes.
        let modules = modules.get(16..modules.len().checked_sub(16)?)?;
        Some(String::from_utf8_lossy(modules).into_owned())
    })
}

/// Splits bytes after a string that its length precedes, as a varint (Go, encoding/binary).
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().take(4).position(|byte| byte & 0x80 == 0)?;
    let length = bytes[..=end].iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
    bytes[end + 1..].split_at_checked(length)
}

/// Reads a `vendor/modules.txt`, for programs that are compiled without modules and list none
/// (go.dev/ref/mod#vendoring).
pub fn of_vendor_list(text: &str) -> BTreeSet<Compiled> {
    let headings = text.lines().filter_map(|line| line.strip_prefix("# "));
    // The list ends with replacements that apply to any version: `# path => path version`.
    headings
        .filter(|heading| heading.split(' ').nth(1) != Some("=>"))
        .filter_map(|text| text.parse().ok())
        // A directory of the plugins' own repository is of its commit, as everything that they have vendored.
        .map(
            |module: Compiled| {
                if module.is_local() { Compiled { replacement: None, ..module } } else { module }
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_modules_and_replacements() {
        let text = "/a/k3s: go1.25.5\n\tpath\tgithub.com/k3s-io/k3s/cmd/server\n\tmod\tgithub.com/k3s-io/k3s\t(devel)\t\n\tdep\tk8s.io/api\tv0.35.0\n\t=>\tgithub.com/k3s-io/kubernetes/staging/src/k8s.io/api\tv1.35.0-k3s1\th1:iq=\n\t\n\tdep\tgithub.com/a/b\tv1.0.0\th1:B5=\n\tbuild\t-tags=x\n";
        let found: Vec<String> = of_build_info(text).iter().map(Compiled::to_string).collect();
        let api = "k8s.io/api v0.35.0 => github.com/k3s-io/kubernetes/staging/src/k8s.io/api v1.35.0-k3s1";
        assert_eq!(found, ["github.com/a/b v1.0.0", api]);
        let path = "github.com/k3s-io/kubernetes/staging/src/k8s.io/api";
        let origin = CompiledFrom::Module { path: path.to_owned(), version: "v1.35.0-k3s1".to_owned() };
        assert_eq!(of_build_info(text).last().unwrap().origin(), origin);
    }

    #[test]
    fn checksums_are_those_of_what_was_compiled() {
        let text = "\tdep\ta\tv1\n\t=>\tb\tv2\th1:b=\n\tdep\tc\tv3\th1:c=\n\tbuild\t-tags=x\n";
        let found: Vec<_> = sums(text).into_iter().collect();
        assert_eq!(found, [("b v2", "h1:b="), ("c v3", "h1:c=")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn program_lists_its_modules_without_go() {
        let marks = [b'0'; 16];
        let text = format!("dep\ta\tv1\n{}", "x".repeat(200));
        let mut program = [b"\xff Go buildinf: in a text".as_slice(), MAGIC, &[8, 2], &[0; 16]].concat();
        program.extend(b"\x06go1.25");
        let length = text.len() + 32;
        program.extend([length as u8 & 0x7f | 0x80, (length >> 7) as u8]);
        program.extend([&marks, text.as_bytes(), &marks, b"more"].concat());
        assert_eq!(in_program(&program), Some(text));
        for cut in 20..program.len() - 4 {
            assert_eq!(in_program(&program[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn a_directory_in_place_of_a_module_is_read() {
        let text = "k3s: go1.25.5\n\tdep\tgithub.com/a/b\tv1.0.0\n\t=>\t./lab/of b\t(devel)\t\n";
        let found = of_build_info(text);
        let module = found.first().unwrap();
        assert_eq!(module.to_string(), "github.com/a/b v1.0.0 => ./lab/of b");
        assert_eq!(module.origin(), CompiledFrom::Directory("./lab/of b".to_owned()));
    }

    #[test]
    fn reads_modules_of_a_vendor_list() {
        let text = "# github.com/a/b v1.2.3\n## explicit; go 1.20\ngithub.com/a/b/c\n# github.com/d v0.1.0 => github.com/e v0.2.0\n# github.com/d => github.com/e v0.2.0\n";
        let found: Vec<String> = of_vendor_list(text).iter().map(Compiled::to_string).collect();
        assert_eq!(found, ["github.com/a/b v1.2.3", "github.com/d v0.1.0 => github.com/e v0.2.0"]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["a v1.0.0", "a v1.0.0 => b v2.0.0-k3s1", "a v1.0.0 => ./lab/of b"] {
            assert_eq!(text.parse::<Compiled>().unwrap().to_string(), text);
        }
        for text in ["a", "a v1.0.0 => b", "a v1.0.0 v2.0.0"] {
            assert!(text.parse::<Compiled>().is_err(), "{text}");
        }
    }
}
