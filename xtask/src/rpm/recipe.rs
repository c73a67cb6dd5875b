//! The spec as rpm itself expands it (`rpmspec -P`): what it says of each package's dependencies and
//! scriptlets, for the finished packages to be held against.

use anyhow::{Result, anyhow, bail};
use std::collections::{BTreeMap, BTreeSet};

/// A relation between packages (rpm, docs/manual/dependencies.md and weak_dependencies.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    Requires,
    Recommends,
    Suggests,
    Provides,
    Conflicts,
    OrderWithRequires,
}

const RELATIONS: [(&str, Relation); 6] = [
    ("Requires", Relation::Requires),
    ("Recommends", Relation::Recommends),
    ("Suggests", Relation::Suggests),
    ("Provides", Relation::Provides),
    ("Conflicts", Relation::Conflicts),
    ("OrderWithRequires", Relation::OrderWithRequires),
];

/// Relations of these kinds, if a spec or package had any, would go unchecked, so there must be none.
const UNEXPECTED: [&str; 4] = ["Obsoletes", "Supplements", "Enhances", "Prereq"];

/// Sections of a spec that are scripts of the finished package (rpm, docs/manual/spec.md).
const SCRIPTLETS: [&str; 8] =
    ["pre", "post", "preun", "postun", "pretrans", "posttrans", "preuntrans", "postuntrans"];

/// What the spec says of one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Every other tag: `Summary`, `License`, `BuildArch`.
    pub tags: BTreeMap<String, String>,
    /// Dependencies as rpm prints them: `k3s = 1-1`, `(a or b)`; for a scriptlet, `post: systemd`.
    pub relations: BTreeMap<Relation, BTreeSet<String>>,
    /// The text of each scriptlet, without blank lines around it.
    pub scriptlets: BTreeMap<String, String>,
}

/// Reads an expanded spec into its packages, by name.
pub fn parse(spec: &str) -> Result<BTreeMap<String, Package>> {
    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    let mut main = String::new();
    let mut section = Section::Preamble(String::new());
    for line in spec.lines() {
        if let Some(begun) = Section::begun_by(line, &main)? {
            section = begun;
            continue;
        }
        match &section {
            Section::Preamble(name) => {
                let Some((tag, value)) = tag(line) else { continue };
                if tag == "Name" {
                    main = value.to_owned();
                    section = Section::Preamble(main.clone());
                    packages.entry(main.clone()).or_default();
                } else {
                    packages.entry(name.clone()).or_default().take(tag, value)?;
                }
            }
            Section::Scriptlet(name, kind) => {
                let package = packages.entry(name.clone()).or_default();
                let text = package.scriptlets.entry(kind.clone()).or_default();
                text.push_str(line);
                text.push('\n');
            }
            Section::Other => {}
        }
    }
    for text in packages.values_mut().flat_map(|package| package.scriptlets.values_mut()) {
        *text = text.trim_matches('\n').to_owned();
    }
    match main.is_empty() {
        true => Err(anyhow!("the spec has no Name")),
        false => Ok(packages),
    }
}

enum Section {
    /// The tags of the package of this name.
    Preamble(String),
    Scriptlet(String, String),
    Other,
}

impl Section {
    fn begun_by(line: &str, main: &str) -> Result<Option<Section>> {
        let Some(rest) = line.strip_prefix('%') else { return Ok(None) };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [keyword, arguments @ ..] = words.as_slice() else { return Ok(None) };
        let package = match arguments {
            ["-n", name, ..] => (*name).to_owned(),
            [name, ..] if !name.starts_with('-') => format!("{main}-{name}"),
            _ => main.to_owned(),
        };
        Ok(match *keyword {
            "package" => Some(Section::Preamble(package)),
            keyword if SCRIPTLETS.contains(&keyword) => {
                if arguments.iter().any(|word| ["-p", "-f", "-e"].contains(word)) {
                    bail!("scriptlets of ours are plain sh in the spec itself: {line}");
                }
                Some(Section::Scriptlet(package, keyword.to_owned()))
            }
            keyword if keyword.contains("trigger") || keyword == "verifyscript" || keyword == "sepolicy" => {
                bail!("%{keyword} would go unchecked")
            }
            "description" | "prep" | "build" | "install" | "check" | "clean" | "files" | "changelog" => {
                Some(Section::Other)
            }
            _ => None,
        })
    }
}

/// `Tag: value`, with what stands in parentheses behind the tag.
fn tag(line: &str) -> Option<(&str, &str)> {
    let (tag, value) = line.split_once(':')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "(),".contains(c);
    (!tag.is_empty() && tag.chars().all(plain)).then_some((tag, value.trim()))
}

impl Package {
    fn take(&mut self, tag: &str, value: &str) -> Result<()> {
        let (kind, when) = match tag.split_once('(') {
            Some((kind, when)) => (kind, when.trim_end_matches(')').split(',').collect()),
            None => (tag, vec![]),
        };
        if UNEXPECTED.contains(&kind) {
            bail!("{kind} would go unchecked");
        }
        let Some((_, relation)) = RELATIONS.iter().find(|(name, _)| *name == kind) else {
            self.tags.insert(tag.to_owned(), value.to_owned());
            return Ok(());
        };
        let relations = self.relations.entry(*relation).or_default();
        for dependency in dependencies(value) {
            match when.as_slice() {
                [] => drop(relations.insert(dependency)),
                scriptlets => {
                    relations.extend(scriptlets.iter().map(|scriptlet| format!("{scriptlet}: {dependency}")));
                }
            }
        }
        Ok(())
    }
}

/// The dependencies on one line: `a b >= 1` are two, `(a or b)` is one.
fn dependencies(value: &str) -> Vec<String> {
    if value.starts_with('(') {
        return vec![value.to_owned()];
    }
    let mut found: Vec<String> = Vec::new();
    let mut words = value.split([' ', '\t', ',']).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        match (word, found.last_mut()) {
            ("=" | "<" | ">" | "<=" | ">=", Some(last)) => {
                let version = words.next().unwrap_or_default();
                last.push_str(&format!(" {word} {version}"));
            }
            _ => found.push(word.to_owned()),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "
Name:     k3s
License:  MIT
Requires: a b >= 1.0 c
Requires(post,preun): systemd
Recommends: (a or b)
Provides: bundled(golang(example.com/a)) = 1.0
%description
Requires: no tag, but a sentence
%package cli
Summary: Links
Requires: k3s = 1-1
%package -n other
Summary: Else
%install
ln -s a b
%post

echo 1

exit 0

%preun cli
echo cli
%files
";

    fn set(items: &[&str]) -> BTreeSet<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn dependencies_belong_to_their_package_and_scriptlet() {
        let packages = parse(SPEC).unwrap();
        let main = &packages["k3s"].relations;
        assert_eq!(
            main[&Relation::Requires],
            set(&["a", "b >= 1.0", "c", "post: systemd", "preun: systemd"])
        );
        assert_eq!(main[&Relation::Recommends], set(&["(a or b)"]));
        assert_eq!(main[&Relation::Provides], set(&["bundled(golang(example.com/a)) = 1.0"]));
        assert_eq!(packages["k3s-cli"].relations[&Relation::Requires], set(&["k3s = 1-1"]));
        assert_eq!(packages["other"].tags["Summary"], "Else");
        assert_eq!(packages.len(), 3);
    }

    #[test]
    fn scriptlets_are_kept_without_the_blank_lines_around_them() {
        let packages = parse(SPEC).unwrap();
        assert_eq!(packages["k3s"].scriptlets["post"], "echo 1\n\nexit 0");
        assert_eq!(packages["k3s-cli"].scriptlets["preun"], "echo cli");
    }

    #[test]
    fn what_would_go_unchecked_is_refused() {
        for line in ["Obsoletes: a", "%triggerin -- a", "%post -p /usr/bin/python3"] {
            assert!(parse(&format!("Name: k3s\n{line}\n")).is_err(), "{line}");
        }
    }
}
