//! The spec as rpm itself reads it (`rpmspec --query --rpms`), for the comparison with the finished packages.

use super::contents::relation;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;

/// Properties of a package that the spec gives it (see [`super::contents::Contents::properties`]).
pub type Properties = BTreeMap<String, String>;

/// The ends of a record and of a field in it, which no text of a package contains.
const RECORD: char = '\u{1e}';
const FIELD: char = '\u{1f}';

const TAGS: [&str; 5] = ["Summary", "License", "Vendor", "URL", "Arch"];

/// Relations between packages (rpm, docs/manual/dependencies.md and weak_dependencies.md), with the beginning of rpm's
/// names for their tags.
const RELATIONS: [(&str, &str); 9] = [
    ("Requires", "REQUIRE"),
    ("Recommends", "RECOMMEND"),
    ("Suggests", "SUGGEST"),
    ("Supplements", "SUPPLEMENT"),
    ("Enhances", "ENHANCE"),
    ("Provides", "PROVIDE"),
    ("Conflicts", "CONFLICT"),
    ("Obsoletes", "OBSOLETE"),
    ("OrderWithRequires", "ORDER"),
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
        format.push_str(&format!("tag {tag}{FIELD}%{{{tag}}}{RECORD}"));
    }
    for (kind, tag) in RELATIONS {
        let of = format!("%{{{tag}NAME}} %{{{tag}FLAGS:depflags}} %{{{tag}VERSION}}");
        format.push_str(&format!("[{kind}{FIELD}%{{{tag}FLAGS:deptype}}{FIELD}{of}{RECORD}]"));
    }
    for (name, tag) in SCRIPTLETS {
        let of = format!("scriptlet {name}{FIELD}[%{{{tag}PROG}} ]{FIELD}%{{{tag}}}");
        format.push_str(&format!("%|{tag}?{{{of}{RECORD}}}|"));
    }
    format
}

/// Reads the packages of a spec, by name.
pub fn parse(text: &str) -> Result<BTreeMap<String, Properties>> {
    let mut packages = BTreeMap::new();
    let mut current = None;
    // Older rpm prints this for a relation that a package has none of.
    for record in text.split_terminator(RECORD).map(|record| record.trim_start_matches("(none)")) {
        let fields: Vec<&str> = record.split(FIELD).collect();
        if let ["package", name] = fields[..] {
            current = Some(packages.entry(name.to_owned()).or_insert_with(Properties::new));
            continue;
        }
        let properties = current.as_mut().context("rpmspec prints no package first")?;
        match fields[..] {
            [tag, value] => drop(properties.insert(tag.to_owned(), value.to_owned())),
            [scriptlet, program, text] if scriptlet.starts_with("scriptlet ") => {
                ensure!(program.trim() == "/bin/sh", "{scriptlet} is run by {program}, not by /bin/sh");
                properties.insert(scriptlet.to_owned(), text.trim_matches('\n').to_owned());
            }
            [kind, needed_by, dependency] => {
                let dependency = dependency.split_whitespace().collect::<Vec<_>>().join(" ");
                let is_scriptlet = |word: &&str| SCRIPTLETS.iter().any(|(name, _)| name == word);
                let scriptlets: Vec<&str> = needed_by.split(',').filter(is_scriptlet).collect();
                let relations = relation(kind, &scriptlets, &dependency);
                properties.extend(relations.into_iter().map(|relation| (relation, String::new())));
            }
            _ => bail!("rpmspec prints a record that was not asked for: {fields:?}"),
        }
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &[&str]) -> String {
        fields.join(&FIELD.to_string()) + &RECORD.to_string()
    }

    #[test]
    fn dependencies_belong_to_package_and_scriptlet() {
        let text = [
            record(&["package", "k3s"]),
            record(&["tag Summary", "One: binary"]),
            record(&["Requires", "manual", "a  "]),
            record(&["Requires", "manual", "b >= 1.0"]),
            record(&["Requires", "post,preun", "systemd  "]),
            record(&["Requires", "interp,posttrans", "/bin/sh  "]),
            format!("(none)(none){}", record(&["Provides", "manual", "bundled(golang(x.y/a)) = 1.0"])),
            record(&["package", "k3s-cli"]),
            record(&["Recommends", "manual", "(a or b)  "]),
        ];
        let packages = parse(&text.concat()).unwrap();
        let names: Vec<&str> = packages["k3s"].keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "Provides: bundled(golang(x.y/a)) = 1.0",
                "Requires(post): systemd",
                "Requires(posttrans): /bin/sh",
                "Requires(preun): systemd",
                "Requires: a",
                "Requires: b >= 1.0",
                "tag Summary",
            ]
        );
        assert_eq!(packages["k3s"]["tag Summary"], "One: binary");
        assert!(packages["k3s-cli"].contains_key("Recommends: (a or b)"));
        assert_eq!(packages.len(), 2);
    }

    #[test]
    fn scriptlets_are_kept_without_blank_lines_around() {
        let text =
            record(&["package", "k3s"]) + &record(&["scriptlet post", "/bin/sh ", "\necho 1\n\nexit 0\n\n"]);
        assert_eq!(parse(&text).unwrap()["k3s"]["scriptlet post"], "echo 1\n\nexit 0");
    }

    #[test]
    fn rejects_other_interpreters_and_stray_records() {
        let scriptlet = record(&["scriptlet post", "/usr/bin/python3 ", "x"]);
        let stray = record(&["Requires"]);
        for text in [scriptlet, stray] {
            assert!(parse(&(record(&["package", "k3s"]) + &text)).is_err(), "{text}");
        }
        assert!(parse(&record(&["tag Summary", "of none"])).is_err());
    }
}
