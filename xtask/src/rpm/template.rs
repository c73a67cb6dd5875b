//! Files that are valid as they stand, with marked places where each build has values of its own.

use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;

const BEGIN: &str = "# Filled in by cargo xtask rpm: begin";
const END: &str = "# Filled in by cargo xtask rpm: end";

/// Form in which a line gives a name its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `%global NAME VALUE`, a spec's.
    Global,
    /// `NAME=VALUE`, a repository file's.
    Assignment,
}

impl Form {
    fn name(self, line: &str) -> Option<&str> {
        match self {
            Form::Global => line.strip_prefix("%global ")?.split_once(' ').map(|(name, _)| name),
            Form::Assignment if line.starts_with('#') => None,
            Form::Assignment => line.split_once('=').map(|(name, _)| name),
        }
    }

    fn line(self, name: &str, value: &Value) -> Result<String> {
        let Value::Text(text) = value else { return Ok(String::new()) };
        let special: &[char] = match self {
            Form::Global => &['\\', '%'],
            Form::Assignment => &['\n'],
        };
        if text.contains(special) {
            bail!("the value of {name} would be read as something else: {text:?}");
        }
        Ok(match self {
            // A global without a value would take the next line for it.
            Form::Global if text.is_empty() => format!("%global {name} %{{nil}}\n"),
            // A line is continued behind a backslash, which is dropped.
            Form::Global => format!("%global {name} {}\n", text.replace('\n', "\\\n")),
            Form::Assignment => format!("{name}={text}\n"),
        })
    }
}

/// Value of a marked place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    /// The line is left out.
    Absent,
}

impl<T: Into<String>> From<T> for Value {
    fn from(text: T) -> Value {
        Value::Text(text.into())
    }
}

/// Fills values in: every marked name must be given one, and every given name must be marked.
pub fn fill(text: &str, form: Form, values: &BTreeMap<&str, Value>) -> Result<String> {
    let mut filled = String::new();
    let mut unused = values.clone();
    for (line, place) in lines(text)? {
        let name = if place == Place::Marked { form.name(line) } else { None };
        match name {
            None => filled.push_str(line),
            Some(name) => {
                let value = unused.remove(name).ok_or_else(|| {
                    anyhow!("there is no value for {name}, which the file has a marked place for")
                })?;
                filled.push_str(&form.line(name, &value)?);
            }
        }
    }
    match unused.keys().next() {
        None => Ok(filled),
        Some(name) => bail!("there is no marked place for {name}"),
    }
}

/// Puts lines in the place of everything between the marks.
pub fn replace(text: &str, lines_instead: &[String]) -> Result<String> {
    let mut replaced = String::new();
    for (line, place) in lines(text)? {
        match place {
            Place::Marked => {}
            Place::End => {
                replaced.extend(lines_instead.iter().map(|line| format!("{line}\n")));
                replaced.push_str(line);
            }
            Place::Fixed => replaced.push_str(line),
        }
    }
    Ok(replaced)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Fixed,
    Marked,
    /// The line with the second mark.
    End,
}

/// The lines, each with its ending, of a text that has the two marks once, in their order.
fn lines(text: &str) -> Result<Vec<(&str, Place)>> {
    let found: Vec<&str> = text.lines().filter(|line| [BEGIN, END].contains(line)).collect();
    if found != [BEGIN, END] {
        bail!("the file should have the lines {BEGIN:?} and {END:?} once");
    }
    let mut marked = false;
    let place = |line| {
        let place = match line {
            line if str::trim_end(line) == END => Place::End,
            _ if marked => Place::Marked,
            _ => Place::Fixed,
        };
        marked = str::trim_end(line) == BEGIN || marked && place != Place::End;
        (line, place)
    };
    Ok(text.split_inclusive('\n').map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "%global out 1\n# Filled in by cargo xtask rpm: begin\n# The version.\n%global k3s_version 0\n%global note %{nil}\n# Filled in by cargo xtask rpm: end\nVersion: %{k3s_version}\n";

    fn values(pairs: &[(&'static str, &str)]) -> BTreeMap<&'static str, Value> {
        pairs.iter().map(|(name, text)| (*name, Value::from(*text))).collect()
    }

    #[test]
    fn fills_in_only_marked_values() {
        let filled =
            fill(SPEC, Form::Global, &values(&[("k3s_version", "1.33.0+k3s1"), ("note", "")])).unwrap();
        assert_eq!(filled, SPEC.replace("k3s_version 0", "k3s_version 1.33.0+k3s1"));
    }

    #[test]
    fn rejects_an_unknown_or_missing_name() {
        let unknown = fill(SPEC, Form::Global, &values(&[("k3s_version", "1"), ("note", ""), ("out", "2")]));
        assert_eq!(unknown.unwrap_err().to_string(), "there is no marked place for out");
        let missing = fill(SPEC, Form::Global, &values(&[("note", "")])).unwrap_err().to_string();
        assert!(missing.contains("k3s_version"), "{missing}");
    }

    #[test]
    fn rejects_a_value_that_rpm_would_expand() {
        for text in ["%{version}", "a \\"] {
            let values = values(&[("k3s_version", text), ("note", "")]);
            assert!(fill(SPEC, Form::Global, &values).is_err(), "{text}");
        }
        let repository =
            "# Filled in by cargo xtask rpm: begin\nbaseurl=x\n# Filled in by cargo xtask rpm: end\n";
        let values = values(&[("baseurl", "x\ngpgcheck=0")]);
        assert!(fill(repository, Form::Assignment, &values).is_err());
    }

    #[test]
    fn a_value_of_several_lines_stays_one_value() {
        let filled = fill(SPEC, Form::Global, &values(&[("k3s_version", "1"), ("note", "a\nb")])).unwrap();
        assert!(filled.contains("%global note a\\\nb\n# Filled"), "{filled}");
    }

    #[test]
    fn an_assignment_can_be_left_out() {
        let repository = "[r]\nname=a\n# Filled in by cargo xtask rpm: begin\nbaseurl=x\n# a=b\ngpgkey=y\n# Filled in by cargo xtask rpm: end\n";
        let values = BTreeMap::from([("baseurl", Value::from("file:///srv")), ("gpgkey", Value::Absent)]);
        let filled = fill(repository, Form::Assignment, &values).unwrap();
        assert_eq!(filled, repository.replace("=x", "=file:///srv").replace("gpgkey=y\n", ""));
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
