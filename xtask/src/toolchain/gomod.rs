//! go.mod, as far as a build needs it: the modules that paths resolve to.
//!
//! It is read here and not by `go mod edit -json`, because go.mod decides which Go to use.
//! Grammar: go.dev/ref/mod#go-mod-file-grammar.

use super::local_module::{self, LocalModule};
use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// The module whose version is in that of k3s.
pub const KUBERNETES: &str = "k8s.io/kubernetes";

/// A module at a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub path: String,
    pub version: String,
}

/// The module that a path resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// A module that Go fetches.
    Fetched(Module),
    /// A directory of the tree that replaces a module.
    Local(LocalModule),
}

impl Resolved {
    /// Returns the path that names the module: a fork's own, or that of the module which a directory replaces.
    pub fn path(&self) -> &str {
        match self {
            Resolved::Fetched(module) => &module.path,
            Resolved::Local(local) => &local.path,
        }
    }

    /// Returns the version that an executable is stamped with; that of a directory is marked.
    pub fn version(&self) -> String {
        match self {
            Resolved::Fetched(module) => module.version.clone(),
            Resolved::Local(local) => local_module::labelled(&local.version),
        }
    }

    /// Returns the version in go.mod, even if a directory replaces the module.
    pub fn written_version(&self) -> &str {
        match self {
            Resolved::Fetched(module) => &module.version,
            Resolved::Local(local) => &local.version,
        }
    }
}

impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resolved::Fetched(Module { path, version }) => write!(f, "{path} {version}"),
            Resolved::Local(local) => local.fmt(f),
        }
    }
}

/// The requirements and replacements of a go.mod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoMod {
    /// The oldest Go that compiles the module (`go` and `toolchain`), without `go`.
    go: Option<String>,
    requires: BTreeMap<String, String>,
    replaces: BTreeMap<Replaced, Replacement>,
}

/// The left side of a `replace`: a module path, and the version where only that one is replaced.
type Replaced = (String, Option<String>);

/// The right side of a `replace`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Replacement {
    Module(Module),
    /// A path that begins with `/`, `./` or `../`.
    Directory(String),
}

impl GoMod {
    /// Reads the go.mod of a tree, whose local replacements must be directories of that tree.
    pub fn read(tree: &Path) -> Result<GoMod> {
        GoMod::below(tree, "go.mod")
    }

    /// Reads a go.mod of a tree by its path from the tree's root. Local replacements become paths from that root.
    pub fn below(tree: &Path, file: &str) -> Result<GoMod> {
        let mut found = GoMod::parse(&fs::read_to_string(tree.join(file))?)
            .with_context(|| format!("reading {}", tree.join(file).display()))?;
        let base = file.strip_suffix("go.mod").unwrap_or_default();
        for ((path, _), replacement) in &mut found.replaces {
            if let Replacement::Directory(directory) = replacement {
                *directory = local_module::directory(tree, base, directory)
                    .with_context(|| format!("{file} replaces {path} by the directory {directory}"))?;
            }
        }
        Ok(found)
    }

    /// Parses a go.mod. Directives that do not decide what is compiled by which Go are ignored.
    pub fn parse(text: &str) -> Result<GoMod> {
        let mut found = GoMod::default();
        let mut block: Option<String> = None;
        for (index, line) in text.lines().enumerate() {
            let words = words(line).with_context(|| format!("line {}: {line:?}", index + 1))?;
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let taken = match (&block, words.as_slice()) {
                (_, []) => Ok(()),
                (None, [directive, "("]) => {
                    block = Some((*directive).to_owned());
                    Ok(())
                }
                (Some(_), [")"]) => {
                    block = None;
                    Ok(())
                }
                (Some(directive), words) => found.take(directive, words),
                (None, [directive, rest @ ..]) => found.take(directive, rest),
            };
            taken.with_context(|| format!("line {}: {line:?}", index + 1))?;
        }
        Ok(found)
    }

    fn take(&mut self, directive: &str, words: &[&str]) -> Result<()> {
        match (directive, words) {
            ("require", [path, version]) => {
                self.requires.insert((*path).to_owned(), (*version).to_owned());
            }
            ("replace", [path, "=>", new @ ..]) => self.replace(path, None, new)?,
            ("replace", [path, version, "=>", new @ ..]) => self.replace(path, Some(version), new)?,
            // A line `toolchain` comes after `go`, and names a newer one.
            ("go" | "toolchain", [version]) => {
                let version = version.strip_prefix("go").unwrap_or(version);
                if version.starts_with(|first: char| first.is_ascii_digit()) {
                    self.go = Some(version.to_owned());
                }
            }
            ("require" | "replace", _) => bail!("it is not a `{directive}` of a known form"),
            _ => {}
        }
        Ok(())
    }

    fn replace(&mut self, path: &str, version: Option<&str>, new: &[&str]) -> Result<()> {
        let replacement = match new {
            [directory] if local_module::is_directory(directory) => {
                Replacement::Directory((*directory).to_owned())
            }
            [path, version] => {
                Replacement::Module(Module { path: (*path).to_owned(), version: (*version).to_owned() })
            }
            _ => bail!("a replacement is a module with its version, or a directory that begins with ./"),
        };
        self.replaces.insert((path.to_owned(), version.map(str::to_owned)), replacement);
        Ok(())
    }

    /// Returns the oldest Go that compiles the module.
    pub fn go_version(&self) -> Option<&str> {
        self.go.as_deref()
    }

    /// Returns the module that a path resolves to: its replacement, else its requirement.
    ///
    /// A replacement of one version applies if that version is required, or none is.
    pub fn resolve(&self, path: &str) -> Option<Resolved> {
        let required = self.requires.get(path);
        let applies = |version: &Option<String>| {
            version.is_none() || required.is_none() || version.as_ref() == required
        };
        let mut replacements =
            self.replaces.iter().filter(|((replaced, version), _)| replaced == path && applies(version));
        // The one of a single version is sorted after the one of all versions, and wins.
        match (replacements.next_back(), required) {
            (Some((_, Replacement::Module(module))), _) => Some(Resolved::Fetched(module.clone())),
            (Some((_, Replacement::Directory(directory))), _) => {
                Some(Resolved::Local(LocalModule::new(path, required.map(String::as_str), directory)))
            }
            (None, Some(version)) => {
                Some(Resolved::Fetched(Module { path: path.to_owned(), version: version.clone() }))
            }
            (None, None) => None,
        }
    }

    /// Returns the Kubernetes module that k3s is built from.
    pub fn kubernetes(&self) -> Result<Resolved> {
        self.resolve_any(&[KUBERNETES])
    }

    /// Resolves the first of several module paths that this go.mod names.
    pub fn resolve_any(&self, paths: &[&str]) -> Result<Resolved> {
        let found = paths.iter().find_map(|path| self.resolve(path));
        found.ok_or_else(|| anyhow!("go.mod names none of the modules {}", paths.join(", ")))
    }

    /// Returns every module with what it resolves to.
    pub fn modules(&self) -> impl Iterator<Item = (&str, Resolved)> {
        let paths: std::collections::BTreeSet<&str> = self
            .requires
            .keys()
            .chain(self.replaces.keys().map(|(path, _)| path))
            .map(String::as_str)
            .collect();
        paths.into_iter().filter_map(|path| Some((path, self.resolve(path)?)))
    }

    /// Returns the modules that directories replace.
    pub fn local_modules(&self) -> impl Iterator<Item = LocalModule> {
        self.modules().filter_map(|(_, resolved)| match resolved {
            Resolved::Local(local) => Some(local),
            Resolved::Fetched(_) => None,
        })
    }
}

/// Returns the words of a line up to a comment; quotation marks and backquotes keep one with spaces together.
fn words(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with("//") {
        let (word, behind) = match rest.chars().next().filter(|first| ['"', '`'].contains(first)) {
            Some(quote) => rest[1..].split_once(quote).context("a quotation mark that nothing closes")?,
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "module example.com/m // a comment
go 1.24.2
replace (
	example.com/a => example.com/fork/a v1.0.0-k3s1
	example.com/only/replaced v1 => example.com/c v3.0.0
)
require example.com/single v0.1.0
require (
	example.com/a v0.9.0
	example.com/b v2.0.0+incompatible // indirect
)
";

    fn parsed(text: &str) -> GoMod {
        GoMod::parse(text).unwrap()
    }

    fn resolved(gomod: &GoMod, path: &str) -> String {
        gomod.resolve(path).unwrap().to_string()
    }

    #[test]
    fn replacement_wins_over_requirement() {
        assert_eq!(resolved(&parsed(TEXT), "example.com/a"), "example.com/fork/a v1.0.0-k3s1");
    }

    #[test]
    fn reads_lines_blocks_and_replaced_modules() {
        let found = parsed(TEXT);
        assert_eq!(resolved(&found, "example.com/single"), "example.com/single v0.1.0");
        assert_eq!(resolved(&found, "example.com/b"), "example.com/b v2.0.0+incompatible");
        assert_eq!(resolved(&found, "example.com/only/replaced"), "example.com/c v3.0.0");
        assert_eq!(found.modules().count(), 4);
    }

    #[test]
    fn reads_the_oldest_go() {
        assert_eq!(parsed(TEXT).go_version(), Some("1.24.2"));
        assert_eq!(parsed("go 1.24.0\ntoolchain go1.25.1\n").go_version(), Some("1.25.1"));
        assert_eq!(parsed("go 1.24.0\ntoolchain default\n").go_version(), Some("1.24.0"));
        assert_eq!(parsed("module m\n").go_version(), None);
    }

    #[test]
    fn names_missing_modules() {
        let error = parsed(TEXT).resolve_any(&["x/v2", "x"]).unwrap_err();
        assert_eq!(error.to_string(), "go.mod names none of the modules x/v2, x");
    }

    #[test]
    fn one_versions_replacement_needs_that_version() {
        let text = "require a v1.0.0\nreplace a v1.0.0 => b v2.0.0\nreplace a => c v3.0.0\n";
        assert_eq!(resolved(&parsed(text), "a"), "b v2.0.0");
        assert_eq!(resolved(&parsed(&text.replace("a v1.0.0 =>", "a v1.1.0 =>")), "a"), "c v3.0.0");
        assert_eq!(resolved(&parsed("require a v1.0.0\nreplace a v1.1.0 => b v2.0.0\n"), "a"), "a v1.0.0");
    }

    #[test]
    fn local_replacements_are_read() {
        let text = "require a v1.0.0\nreplace (\n\ta => ./lab/a // mine\n\tb v2.0.0 => \"./lab/of b\"\n)\n";
        let found = parsed(text);
        assert_eq!(resolved(&found, "a"), "a v1.0.0 => ./lab/a");
        assert_eq!(resolved(&found, "b"), "b v0.0.0-00010101000000-000000000000 => ./lab/of b");
        assert_eq!(found.resolve("a").unwrap().version(), "v1.0.0+local");
        assert_eq!(found.local_modules().count(), 2);
    }

    #[test]
    fn rejects_malformed_replacements() {
        for text in
            ["replace a => b\n", "replace a\n", "replace (\n\ta v1 v2 => b v1\n)\n", "replace a => \"./b\n"]
        {
            let error = format!("{:#}", GoMod::parse(text).unwrap_err());
            assert!(error.starts_with("line "), "{error}");
        }
    }
}
