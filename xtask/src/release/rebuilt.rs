//! Compares a release with the files that were built again from its records.

use super::assets::{self, ASSETS, Check};
use super::check::Checked;
use super::root_sources;
use crate::product::manifest::Manifest;
use crate::rpm::{contents, read};
use anyhow::{Result, bail};
use fs_err as fs;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Checks that the files of a directory, which were built again, are those of a release. Returns the names of the files
/// of the release that are not among them.
///
/// # Errors
/// Every file that differs, with its first difference.
pub fn check(released: &Checked, again: &Path) -> Result<Vec<String>> {
    let mut names = assets::names(again)?;
    // Earlier packages are in a released repository, and its metadata may be signed; its packages are beside it.
    // Of k3s-root's sources a release has what could be reached on its day.
    names.retain(|name| check_of(name) != Some(Check::Repository) && name != root_sources::NAME);
    names.sort_by_key(|name| {
        ASSETS.iter().position(|asset| assets::of(name).is_some_and(|(it, _)| it.name == asset.name))
    });
    let mut differences = Vec::new();
    for name in &names {
        differences.extend(difference(released, again, name)?.map(|text| format!("\n- {name}: {text}")));
    }
    if !differences.is_empty() {
        bail!(
            "{} of {} files are others than were built again:{}",
            differences.len(),
            names.len(),
            differences.concat()
        );
    }
    Ok(released.files.iter().filter(|name| !names.contains(name)).cloned().collect())
}

fn check_of(name: &str) -> Option<Check> {
    assets::of(name).map(|(asset, _)| asset.check)
}

/// Returns the first difference between a released file and the one that was built again, if there is one.
fn difference(released: &Checked, again: &Path, name: &str) -> Result<Option<String>> {
    let (released, again) = (released.directory.join(name), again.join(name));
    if !released.is_file() {
        return Ok(Some("it is not in the release".to_owned()));
    }
    Ok(match check_of(name) {
        Some(Check::Manifest) => of_manifests(&Manifest::read(&released)?, Manifest::read(&again)?)?,
        // Their headers name the version of rpm, too.
        Some(Check::Package) => {
            contents::differences(&read::read(&again)?, &read::read(&released)?).into_iter().next()
        }
        _ => of_bytes(&fs::read(released)?, &fs::read(again)?),
    })
}

fn of_bytes(released: &[u8], again: &[u8]) -> Option<String> {
    let first = released.iter().zip(again).position(|(one, other)| one != other);
    match first {
        Some(at) => Some(format!(
            "byte {at} of {} is 0x{:02x}, and 0x{:02x} was built",
            released.len(),
            released[at],
            again[at]
        )),
        None if released.len() != again.len() => {
            Some(format!("it has {} bytes, and {} were built", released.len(), again.len()))
        }
        None => None,
    }
}

/// Compares manifests but for their checks, which depend on the machine.
fn of_manifests(released: &Manifest, again: Manifest) -> Result<Option<String>> {
    let again = Manifest { checks: released.checks.clone(), ..again };
    Ok(of_values("", &serde_json::to_value(released)?, &serde_json::to_value(again)?))
}

/// Returns the first difference between two values, with its path.
fn of_values(path: &str, released: &Value, again: &Value) -> Option<String> {
    match (released, again) {
        _ if released == again => None,
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            names.into_iter().find_map(|name| {
                of_values(
                    &format!("{path}/{name}"),
                    one.get(name).unwrap_or(&Value::Null),
                    other.get(name).unwrap_or(&Value::Null),
                )
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs
                .into_iter()
                .find_map(|(index, (one, other))| of_values(&format!("{path}/{index}"), one, other))
        }
        _ => Some(format!("{path} is {released}, and {again} was built")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bytes_differ_at_the_first_other_one() {
        assert_eq!(of_bytes(b"k3s", b"k3s"), None);
        assert_eq!(of_bytes(b"k3s", b"k4r").unwrap(), "byte 1 of 3 is 0x33, and 0x34 was built");
        assert_eq!(of_bytes(b"k3s", b"k3").unwrap(), "it has 3 bytes, and 2 were built");
    }

    #[test]
    fn values_differ_at_a_path() {
        let one = json!({"components": {"runc": {"sha256": "1"}}, "tools": {"go": "1"}, "incomplete": ["charts", "root"]});
        let changed = |pointer: &str, value: Value| {
            let mut other = one.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            of_values("", &one, &other)
        };
        assert_eq!(of_values("", &one, &one), None);
        for (pointer, value, said) in [
            ("/components/runc/sha256", json!("2"), r#"/components/runc/sha256 is "1", and "2" was built"#),
            ("/components/runc", json!({}), r#"/components/runc/sha256 is "1", and null was built"#),
            ("/incomplete/1", json!("cni"), r#"/incomplete/1 is "root", and "cni" was built"#),
            ("/incomplete", json!([]), r#"/incomplete is ["charts","root"], and [] was built"#),
        ] {
            assert_eq!(changed(pointer, value).unwrap(), said);
        }
    }
}
