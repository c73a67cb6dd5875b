//! Files that are valid as they are, with marked lines that each build replaces.

use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;

const BEGIN: &str = "# Filled in by cargo xtask rpm: begin";
const END: &str = "# Filled in by cargo xtask rpm: end";

/// Fills in the marked lines of a spec, `%global NAME VALUE`. Every marked name must be given a value, and every given
/// name must be marked.
pub fn fill(spec: &str, values: &BTreeMap<&str, String>) -> Result<String> {
    let (before, marked, after) = split(spec)?;
    let mut unused = values.clone();
    let mut filled = String::new();
    for line in marked.split_inclusive('\n') {
        match line.strip_prefix("%global ").and_then(|rest| rest.split_once(' ')) {
            None => filled.push_str(line),
            Some((name, _)) => {
                let value = unused.remove(name);
                filled.push_str(&global(name, &value.with_context(|| format!("{name} has no value"))?)?);
            }
        }
    }
    match unused.keys().next() {
        None => Ok([before, &filled, after].concat()),
        Some(name) => bail!("there is no marked line for {name}"),
    }
}

/// Replaces all marked lines.
pub fn replace(text: &str, lines: &[String]) -> Result<String> {
    let (before, _, after) = split(text)?;
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Ok([before, &lines, after].concat())
}

fn global(name: &str, value: &str) -> Result<String> {
    ensure!(!value.contains(['\\', '%']), "rpm would expand the value of {name}: {value:?}");
    let value = match value {
        // A global without a value would take the next line for it.
        "" => "%{nil}".to_owned(),
        // A line is continued behind a backslash, which is dropped.
        value => value.replace('\n', "\\\n"),
    };
    Ok(format!("%global {name} {value}\n"))
}

/// Splits a text that has the two marks once, in their order: the marked lines, and what is before and after them.
fn split(text: &str) -> Result<(&str, &str, &str)> {
    let marks: Vec<&str> = text.lines().filter(|line| [BEGIN, END].contains(line)).collect();
    let offsets = || Some((text.find(BEGIN)? + BEGIN.len() + 1, text.find(END)?));
    let parts =
        offsets().and_then(|(begin, end)| Some((&text[..begin], text.get(begin..end)?, &text[end..])));
    parts
        .filter(|_| marks == [BEGIN, END])
        .with_context(|| format!("the file should have the lines {BEGIN:?} and {END:?} once"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "%global out 1\n# Filled in by cargo xtask rpm: begin\n# The version.\n%global k3s_version 0\n%global note %{nil}\n# Filled in by cargo xtask rpm: end\nVersion: %{k3s_version}\n";

    fn values(pairs: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
        pairs.iter().map(|(name, text)| (*name, (*text).to_owned())).collect()
    }

    #[test]
    fn fills_in_only_marked_values() {
        let filled = fill(SPEC, &values(&[("k3s_version", "1.33.0+k3s1"), ("note", "")])).unwrap();
        assert_eq!(filled, SPEC.replace("k3s_version 0", "k3s_version 1.33.0+k3s1"));
    }

    #[test]
    fn rejects_an_unknown_or_missing_name() {
        let unknown = fill(SPEC, &values(&[("k3s_version", "1"), ("note", ""), ("out", "2")]));
        assert_eq!(unknown.unwrap_err().to_string(), "there is no marked line for out");
        let missing = fill(SPEC, &values(&[("note", "")])).unwrap_err().to_string();
        assert!(missing.contains("k3s_version"), "{missing}");
    }

    #[test]
    fn rejects_a_value_that_rpm_would_expand() {
        for text in ["%{version}", "a \\"] {
            let values = values(&[("k3s_version", text), ("note", "")]);
            assert!(fill(SPEC, &values).is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_of_several_lines_stays_one_value() {
        let filled = fill(SPEC, &values(&[("k3s_version", "1"), ("note", "a\nb")])).unwrap();
        assert!(filled.contains("%global note a\\\nb\n# Filled"), "{filled}");
    }

    #[test]
    fn everything_between_the_marks_can_be_replaced() {
        let replaced = replace(SPEC, &["Provides: a".into(), "Provides: b".into()]).unwrap();
        assert_eq!(
            replaced,
            "%global out 1\n# Filled in by cargo xtask rpm: begin\nProvides: a\nProvides: b\n# Filled in by cargo xtask rpm: end\nVersion: %{k3s_version}\n"
        );
    }

    #[test]
    fn rejects_a_file_without_both_marks() {
        for text in ["", "# Filled in by cargo xtask rpm: begin\n", &SPEC.repeat(2)] {
            assert!(replace(text, &[]).is_err());
        }
    }
}
