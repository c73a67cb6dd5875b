//! Contents of a package as seen from outside, for the comparison of an expected package with the one that was built.

use super::nevra::Nevra;
use std::collections::{BTreeMap, BTreeSet};

/// A package, expected or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    pub nevra: Nevra,
    /// Values by their names: `tag Vendor`, `scriptlet post`, and for a file `file /etc/a`, with its attributes as in
    /// `rpm/*.files`, and `sha256 /etc/a` or `link /etc/a`. Dependencies are names without a value (see
    /// [`relation`]).
    pub properties: BTreeMap<String, String>,
}

impl Contents {
    /// Returns the number of files, directories and links.
    pub fn file_count(&self) -> usize {
        self.properties.keys().filter(|name| name.starts_with("file ")).count()
    }
}

/// Returns the properties for a dependency of a package, `Requires: systemd`, or of its scriptlets,
/// `Requires(post): systemd`.
pub fn relation(kind: &str, scriptlets: &[&str], dependency: &str) -> Vec<String> {
    match scriptlets {
        [] => vec![format!("{kind}: {dependency}")],
        scriptlets => {
            scriptlets.iter().map(|scriptlet| format!("{kind}({scriptlet}): {dependency}")).collect()
        }
    }
}

/// Returns the differences between an expected package and the one that was found, one line for each.
pub fn differences(expected: &Contents, found: &Contents) -> Vec<String> {
    let package = &found.nevra;
    let mut lines = Vec::new();
    if expected.nevra != found.nevra {
        lines.push(format!("{package}: should be {}", expected.nevra));
    }
    let (expected, found) = (&expected.properties, &found.properties);
    let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    for name in names {
        match (expected.get(name), found.get(name)) {
            (Some(value), None) => lines.push(format!("{package}: missing {name} {value}")),
            (None, Some(value)) => lines.push(format!("{package}: unexpected {name} {value}")),
            (Some(expected), Some(found)) if expected != found => {
                lines.push(format!("{package}: {name} is {found}\n    should be {expected}"));
            }
            _ => {}
        }
    }
    for (name, text) in found.iter().filter(|(name, _)| name.starts_with("scriptlet ")) {
        // rpm expands nothing at installation; the present text stays.
        if text.contains('%') {
            lines.push(format!("{package}: {name} contains a macro that was not expanded"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> Contents {
        let nevra =
            Nevra { name: "k3s".into(), version: "1".into(), release: "1".into(), arch: "riscv64".into() };
        let properties = [
            ("tag Vendor", "us"),
            ("file /usr/bin/k3s", "%attr(0755, root, root)"),
            ("Requires: kmod", ""),
            ("scriptlet post", "exit 0"),
        ];
        let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Contents { nevra, properties }
    }

    fn changed(change: impl FnOnce(&mut Contents)) -> String {
        let mut found = package();
        change(&mut found);
        differences(&package(), &found).join("\n")
    }

    #[test]
    fn equal_packages_have_no_difference() {
        assert_eq!(differences(&package(), &package()), [""; 0]);
    }

    #[test]
    fn every_difference_is_named() {
        assert!(changed(|found| found.nevra.arch = "noarch".into()).contains("should be k3s-1-1.riscv64"));
        let missing = changed(|found| drop(found.properties.remove("Requires: kmod")));
        assert!(missing.contains("missing Requires: kmod"), "{missing}");
        let set =
            |name: &str| changed(|found| drop(found.properties.insert(name.to_owned(), "other".to_owned())));
        assert!(set("tag Vendor").contains("tag Vendor is other\n    should be us"));
        assert!(set("file /usr/bin/k3s").contains("should be %attr(0755, root, root)"));
        assert!(set("scriptlet pre").contains("unexpected scriptlet pre other"));
    }

    #[test]
    fn finds_a_macro_that_the_spec_has_too() {
        let mut both = package();
        both.properties.insert("scriptlet post".into(), "%systemd_post k3s.service".into());
        assert!(differences(&both, &both)[0].contains("scriptlet post contains a macro"));
    }
}
