//! go.mod, as far as a build has to know it: which module a path resolves to.
//!
//! Read here and not by `go mod edit -json`, because go.mod is what decides which Go to ask.
//! Grammar: go.dev/ref/mod#go-mod-file-grammar.

use anyhow::{Result, anyhow};
use std::collections::BTreeMap;

/// A module at a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub path: String,
    pub version: String,
}

/// The requirements and replacements of a go.mod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoMod {
    requires: BTreeMap<String, String>,
    replaces: BTreeMap<String, Module>,
}

impl GoMod {
    /// Reads the text of a go.mod. Directives other than `require` and `replace` are passed over.
    pub fn parse(text: &str) -> GoMod {
        let mut found = GoMod::default();
        let mut block: Option<&str> = None;
        for line in text.lines() {
            let line = line.split("//").next().unwrap_or_default().trim();
            let words: Vec<&str> = line.split_whitespace().collect();
            match (block, words.as_slice()) {
                (None, [directive, "("]) => block = Some(directive),
                (Some(_), [")"]) => block = None,
                (Some(directive), words) => found.take(directive, words),
                (None, [directive, rest @ ..]) => found.take(directive, rest),
                (None, []) => {}
            }
        }
        found
    }

    fn take(&mut self, directive: &str, words: &[&str]) {
        match (directive, words) {
            ("require", [path, version]) => {
                self.requires.insert((*path).to_owned(), (*version).to_owned());
            }
            ("replace", [path, "=>", new, version] | [path, _, "=>", new, version]) => {
                let module = Module { path: (*new).to_owned(), version: (*version).to_owned() };
                self.replaces.insert((*path).to_owned(), module);
            }
            _ => {}
        }
    }

    /// What a module path resolves to: its replacement, else its requirement.
    pub fn resolve(&self, path: &str) -> Option<Module> {
        let required = || Some(Module { path: path.to_owned(), version: self.requires.get(path)?.clone() });
        self.replaces.get(path).cloned().or_else(required)
    }

    /// The first of several module paths that this go.mod knows.
    pub fn resolve_any(&self, paths: &[&str]) -> Result<Module> {
        let found = paths.iter().find_map(|path| self.resolve(path));
        found.ok_or_else(|| anyhow!("go.mod names none of the modules {}", paths.join(", ")))
    }

    /// Every module with what it resolves to.
    pub fn modules(&self) -> impl Iterator<Item = (&str, Module)> {
        let paths: std::collections::BTreeSet<&str> =
            self.requires.keys().chain(self.replaces.keys()).map(String::as_str).collect();
        paths.into_iter().filter_map(|path| Some((path, self.resolve(path)?)))
    }
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

    #[test]
    fn a_replacement_wins_over_a_requirement() {
        let found = GoMod::parse(TEXT).resolve("example.com/a").unwrap();
        assert_eq!(found, Module { path: "example.com/fork/a".into(), version: "v1.0.0-k3s1".into() });
    }

    #[test]
    fn single_lines_blocks_and_modules_that_are_only_replaced_are_read() {
        let found = GoMod::parse(TEXT);
        assert_eq!(found.resolve("example.com/single").unwrap().version, "v0.1.0");
        assert_eq!(found.resolve("example.com/b").unwrap().version, "v2.0.0+incompatible");
        assert_eq!(found.resolve("example.com/only/replaced").unwrap().path, "example.com/c");
        assert_eq!(found.modules().count(), 4);
    }

    #[test]
    fn a_module_that_is_not_there_is_named() {
        let error = GoMod::parse(TEXT).resolve_any(&["x/v2", "x"]).unwrap_err();
        assert_eq!(error.to_string(), "go.mod names none of the modules x/v2, x");
    }
}
