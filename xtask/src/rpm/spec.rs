//! The spec as rpm itself reads it (`rpmspec --query --rpms`), for the finished packages to be compared with.

use super::contents::Relation;
use anyhow::{Context as _, Result, bail};
use std::collections::{BTreeMap, BTreeSet};

/// Entries of the spec for one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// `Summary`, `License`, `Vendor`, `URL` and `Arch`.
    pub tags: BTreeMap<String, String>,
    /// Dependencies as rpm prints them: `k3s = 1-1`, `(a or b)`; for a scriptlet, `post: systemd`.
    pub relations: BTreeMap<Relation, BTreeSet<String>>,
    /// The text of each scriptlet, without blank lines around it.
    pub scriptlets: BTreeMap<String, String>,
}

/// The ends of a record and of a field in it, which no text of a package holds.
const RECORD: char = '\u{1e}';
const FIELD: char = '\u{1f}';

const TAGS: [&str; 5] = ["Summary", "License", "Vendor", "URL", "Arch"];

/// The beginning of rpm's names for the fields of each relation.
const RELATIONS: [(&str, Relation); 6] = [
    ("REQUIRE", Relation::Requires),
    ("RECOMMEND", Relation::Recommends),
    ("SUGGEST", Relation::Suggests),
    ("PROVIDE", Relation::Provides),
    ("CONFLICT", Relation::Conflicts),
    ("ORDER", Relation::OrderWithRequires),
];

/// Scriptlets by their name in a spec and in a header. Other sections that are run, such as triggers, are refused in
/// the finished package ([`super::read`]).
const SCRIPTLETS: [(&str, &str); 6] = [
    ("pre", "PREIN"),
    ("post", "POSTIN"),
    ("preun", "PREUN"),
    ("postun", "POSTUN"),
    ("pretrans", "PRETRANS"),
    ("posttrans", "POSTTRANS"),
];

/// Returns the format in which rpmspec has to print what [`parse`] reads (rpm, docs/manual/queryformat.md).
pub fn format() -> String {
    let mut format = format!("package{FIELD}%{{NAME}}{RECORD}");
    for tag in TAGS {
        format.push_str(&format!("tag{FIELD}{tag}{FIELD}%{{{tag}}}{RECORD}"));
    }
    for (name, _) in RELATIONS {
        let of = format!("%{{{name}NAME}} %{{{name}FLAGS:depflags}} %{{{name}VERSION}}");
        format.push_str(&format!("[{name}{FIELD}%{{{name}FLAGS:deptype}}{FIELD}{of}{RECORD}]"));
    }
    for (name, tag) in SCRIPTLETS {
        let of = format!("{name}{FIELD}[%{{{tag}PROG}} ]{FIELD}%{{{tag}}}");
        format.push_str(&format!("%|{tag}?{{scriptlet{FIELD}{of}{RECORD}}}|"));
    }
    format
}

/// Reads the packages of a spec, by name.
pub fn parse(text: &str) -> Result<BTreeMap<String, Package>> {
    let mut packages = BTreeMap::new();
    let mut current = None;
    // Older rpm prints this for a relation that a package has none of.
    for record in text.split_terminator(RECORD).map(|record| record.trim_start_matches("(none)")) {
        let fields: Vec<&str> = record.split(FIELD).collect();
        if let ["package", name] = fields[..] {
            current = Some(packages.entry(name.to_owned()).or_insert_with(Package::default));
            continue;
        }
        current.as_mut().context("rpmspec prints no package first")?.take(&fields)?;
    }
    Ok(packages)
}

impl Package {
    fn take(&mut self, fields: &[&str]) -> Result<()> {
        match fields {
            ["tag", tag, value] => drop(self.tags.insert((*tag).to_owned(), (*value).to_owned())),
            ["scriptlet", name, program, text] => {
                if program.trim() != "/bin/sh" {
                    bail!("scriptlets of ours are plain sh, and {name} is run by {}", program.trim());
                }
                self.scriptlets.insert((*name).to_owned(), text.trim_matches('\n').to_owned());
            }
            [relation, when, dependency] => {
                let Some((_, relation)) = RELATIONS.iter().find(|(name, _)| name == relation) else {
                    bail!("rpmspec prints an unknown relation {relation:?}");
                };
                let dependency = dependency.split_whitespace().collect::<Vec<_>>().join(" ");
                let is_scriptlet = |word: &&str| SCRIPTLETS.iter().any(|(name, _)| name == word);
                let scriptlets: Vec<&str> = when.split(',').filter(is_scriptlet).collect();
                let relations = self.relations.entry(*relation).or_default();
                if scriptlets.is_empty() {
                    relations.insert(dependency);
                } else {
                    relations.extend(scriptlets.iter().map(|scriptlet| format!("{scriptlet}: {dependency}")));
                }
            }
            _ => bail!("rpmspec prints a record that was not asked for: {fields:?}"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &[&str]) -> String {
        fields.join(&FIELD.to_string()) + &RECORD.to_string()
    }

    fn set(items: &[&str]) -> BTreeSet<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn dependencies_belong_to_package_and_scriptlet() {
        let text = [
            record(&["package", "k3s"]),
            record(&["tag", "Summary", "One: binary"]),
            record(&["REQUIRE", "manual", "a  "]),
            record(&["REQUIRE", "manual", "b >= 1.0"]),
            record(&["REQUIRE", "post,preun", "systemd  "]),
            record(&["REQUIRE", "interp,posttrans", "/bin/sh  "]),
            format!("(none)(none){}", record(&["PROVIDE", "manual", "bundled(golang(x.y/a)) = 1.0"])),
            record(&["package", "k3s-cli"]),
            record(&["RECOMMEND", "manual", "(a or b)  "]),
        ];
        let packages = parse(&text.concat()).unwrap();
        let main = &packages["k3s"];
        assert_eq!(
            main.relations[&Relation::Requires],
            set(&["a", "b >= 1.0", "post: systemd", "preun: systemd", "posttrans: /bin/sh"])
        );
        assert_eq!(main.relations[&Relation::Provides], set(&["bundled(golang(x.y/a)) = 1.0"]));
        assert_eq!(main.tags["Summary"], "One: binary");
        assert_eq!(packages["k3s-cli"].relations[&Relation::Recommends], set(&["(a or b)"]));
        assert_eq!(packages.len(), 2);
    }

    #[test]
    fn scriptlets_are_kept_without_blank_lines_around() {
        let text = record(&["package", "k3s"])
            + &record(&["scriptlet", "post", "/bin/sh ", "\necho 1\n\nexit 0\n\n"]);
        assert_eq!(parse(&text).unwrap()["k3s"].scriptlets["post"], "echo 1\n\nexit 0");
    }

    #[test]
    fn refuses_what_would_go_unchecked() {
        for fields in [&["OBSOLETE", "manual", "a"][..], &["scriptlet", "post", "/usr/bin/python3 ", "x"]] {
            assert!(parse(&(record(&["package", "k3s"]) + &record(fields))).is_err(), "{fields:?}");
        }
        assert!(parse(&record(&["tag", "Summary", "of none"])).is_err());
    }
}
