//! Contents of a package as seen from outside: its name, files, dependencies and scriptlets.

use super::files::Marks;
use super::nevra::Nevra;
use crate::digest::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};

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

/// A package, expected or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    pub nevra: Nevra,
    /// Other tags of its header, by the words of [`super::read`].
    pub tags: BTreeMap<&'static str, String>,
    pub files: BTreeMap<String, File>,
    pub relations: BTreeMap<Relation, BTreeSet<String>>,
    pub scriptlets: BTreeMap<String, String>,
}

/// One file of a package.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    pub kind: Kind,
    /// Permission bits; a link has none.
    pub mode: Option<u16>,
    pub user: String,
    pub group: String,
    pub marks: Marks,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    Directory,
    Regular(Digest),
    Link(String),
    /// None of those, in rpm's words.
    Other(String),
}

impl Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Directory => write!(f, "a directory")?,
            Kind::Regular(digest) => write!(f, "a file sha256:{digest}")?,
            Kind::Link(target) => write!(f, "a link to {target}")?,
            Kind::Other(kind) => write!(f, "{kind}")?,
        }
        if let Some(mode) = self.mode {
            write!(f, ", mode {mode:04o}")?;
        }
        write!(f, ", of {}:{}", self.user, self.group)?;
        let Marks { config, doc, license } = self.marks;
        for (set, name) in [(config, "%config(noreplace)"), (doc, "%doc"), (license, "%license")] {
            if set {
                write!(f, ", {name}")?;
            }
        }
        Ok(())
    }
}

/// In what a package differs from what it should be, one line for each difference.
pub fn differences(expected: &Contents, found: &Contents) -> Vec<String> {
    let mut lines = Vec::new();
    let name = &found.nevra;
    if expected.nevra != found.nevra {
        lines.push(format!("{name}: should be {}", expected.nevra));
    }
    lines.extend(unequal(name, "tag", &expected.tags, &found.tags));
    lines.extend(unequal(name, "file", &expected.files, &found.files));
    lines.extend(unequal(name, "scriptlet", &expected.scriptlets, &found.scriptlets));
    let none = BTreeSet::new();
    let relations: BTreeSet<_> = expected.relations.keys().chain(found.relations.keys()).collect();
    for relation in relations {
        let expected = expected.relations.get(relation).unwrap_or(&none);
        let found = found.relations.get(relation).unwrap_or(&none);
        lines.extend(expected.difference(found).map(|one| format!("{name}: lacks {relation:?}: {one}")));
        lines.extend(
            found.difference(expected).map(|one| format!("{name}: should not have {relation:?}: {one}")),
        );
    }
    for (scriptlet, text) in &found.scriptlets {
        // rpm expands nothing at installation; the present text stays.
        if text.contains('%') {
            lines.push(format!("{name}: scriptlet {scriptlet} holds a macro that nothing has expanded"));
        }
    }
    lines
}

fn unequal<K: Ord + fmt::Display, V: PartialEq + Debug>(
    package: &Nevra,
    what: &str,
    expected: &BTreeMap<K, V>,
    found: &BTreeMap<K, V>,
) -> Vec<String> {
    let names: BTreeSet<&K> = expected.keys().chain(found.keys()).collect();
    let lines = names.into_iter().filter_map(|name| match (expected.get(name), found.get(name)) {
        (Some(expected), None) => Some(format!("{package}: lacks {what} {name}: {expected:?}")),
        (None, Some(found)) => Some(format!("{package}: should not have {what} {name}: {found:?}")),
        (Some(expected), Some(found)) if expected != found => {
            Some(format!("{package}: {what} {name} is {found:?}\n    should be {expected:?}"))
        }
        _ => None,
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> Contents {
        let file = File {
            kind: Kind::Regular(Digest::of("a")),
            mode: Some(0o755),
            user: "root".into(),
            group: "root".into(),
            marks: Marks::default(),
        };
        let nevra =
            Nevra { name: "k3s".into(), version: "1".into(), release: "1".into(), arch: "riscv64".into() };
        Contents {
            nevra,
            tags: BTreeMap::from([("Vendor", "us".to_owned())]),
            files: BTreeMap::from([("/usr/bin/k3s".to_owned(), file)]),
            relations: BTreeMap::from([(Relation::Requires, BTreeSet::from(["kmod".to_owned()]))]),
            scriptlets: BTreeMap::from([("post".to_owned(), "exit 0".to_owned())]),
        }
    }

    fn changed(change: impl FnOnce(&mut Contents)) -> String {
        let mut found = package();
        change(&mut found);
        differences(&package(), &found).join("\n")
    }

    #[test]
    fn a_package_as_it_should_be_differs_in_nothing() {
        assert_eq!(differences(&package(), &package()), [""; 0]);
    }

    #[test]
    fn every_single_difference_is_found_and_named() {
        let file = |change: fn(&mut File)| {
            changed(|found| change(found.files.get_mut("/usr/bin/k3s").expect("it is there")))
        };
        assert!(file(|file| file.mode = Some(0o775)).contains("mode 0775"));
        assert!(file(|file| file.user = "k3s".into()).contains("of k3s:root"));
        assert!(file(|file| file.marks.config = true).contains("%config(noreplace)"));
        assert!(file(|file| file.kind = Kind::Link("x".into())).contains("a link to x"));
        assert!(file(|file| file.kind = Kind::Regular(Digest::of("b"))).contains("sha256:3e23e8160039594a"));
        assert!(changed(|found| found.files.clear()).contains("lacks file /usr/bin/k3s"));
        assert!(changed(|found| found.nevra.arch = "noarch".into()).contains("should be k3s-1-1.riscv64"));
        assert!(changed(|found| drop(found.tags.insert("Vendor", "them".into()))).contains("\"them\""));
        let relation = changed(|found| {
            found.relations.insert(Relation::Requires, BTreeSet::from(["kmod >= 2".to_owned()]));
        });
        assert!(relation.contains("lacks Requires: kmod") && relation.contains("Requires: kmod >= 2"));
        assert!(
            changed(|found| drop(found.scriptlets.insert("pre".into(), "dnf".into())))
                .contains("scriptlet pre")
        );
    }

    #[test]
    fn a_macro_in_a_scriptlet_is_found_even_where_the_spec_has_it_too() {
        let mut both = package();
        both.scriptlets.insert("post".into(), "%systemd_post k3s.service".into());
        assert!(differences(&both, &both)[0].contains("scriptlet post holds a macro"));
    }
}
