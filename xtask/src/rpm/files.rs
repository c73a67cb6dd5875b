//! Reads `rpm/*.files`, the lists of every file of a package. They have the form of rpm's `%files` section, so that
//! rpmbuild uses the same list that the finished package is checked against.

use anyhow::{Context as _, Result, anyhow, bail};
use std::collections::BTreeSet;
use std::fmt;

/// One line of a list. It prints as the attributes in that line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub path: String,
    pub marks: BTreeSet<&'static str>,
    /// The permission bits; none for a link, which has none of its own.
    pub mode: Option<u16>,
    pub user: String,
    pub group: String,
}

/// A directory, and marks by which rpm treats a file specially when it installs it. A file with
/// `%config(noreplace)` keeps the administrator's changes.
const MARKS: [&str; 4] = ["%dir", "%config(noreplace)", "%doc", "%license"];

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mark in &self.marks {
            write!(f, "{mark} ")?;
        }
        let mode = self.mode.map_or("-".to_owned(), |mode| format!("{mode:04o}"));
        write!(f, "%attr({mode}, {}, {})", self.user, self.group)
    }
}

/// Reads a list. Globs, macros and defaults are refused, since they leave open what is in the package.
pub fn parse(text: &str) -> Result<Vec<Listed>> {
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let listed: Vec<Listed> = lines
        .map(|(index, text)| line(text).with_context(|| format!("line {}: {text}", index + 1)))
        .collect::<Result<_>>()?;
    let mut paths: Vec<&str> = listed.iter().map(|file| file.path.as_str()).collect();
    paths.sort_unstable();
    match paths.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => bail!("{} is listed twice", twice[0]),
        None => Ok(listed),
    }
}

fn line(text: &str) -> Result<Listed> {
    let mut marks = BTreeSet::new();
    let mut rest = text;
    while let Some((word, more)) = rest.split_once(' ')
        && let Some(mark) = MARKS.into_iter().find(|mark| *mark == word)
    {
        marks.insert(mark);
        rest = more.trim_start();
    }
    let attributes = rest.strip_prefix("%attr(").and_then(|rest| rest.split_once(") "));
    let (attributes, path) = attributes
        .ok_or_else(|| anyhow!("it should give mode, user and group: %attr(0644, root, root) /path"))?;
    let [mode, user, group] = attributes.split(", ").collect::<Vec<_>>()[..] else {
        bail!("%attr takes mode, user and group");
    };
    let mode = match mode {
        "-" => None,
        digits => Some(u16::from_str_radix(digits, 8).context("a mode is an octal number")?),
    };
    if !path.starts_with('/') || path.contains(['%', '*', '?', '[', '{', ' ', '"']) {
        bail!("a path must be the installed one, without macros, patterns or blanks");
    }
    Ok(Listed { path: path.to_owned(), marks, mode, user: user.into(), group: group.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_kind_mode_owner_and_marks() {
        let list = "# a comment\n\n%config(noreplace) %attr(0600, root, wheel) /etc/a\n%dir %attr(0755, root, root) /etc/d\n%attr(-, root, root) /usr/bin/l\n%license %attr(0644, root, root) /usr/share/l\n";
        let listed = parse(list).unwrap();
        assert_eq!(listed[0].mode, Some(0o600));
        assert_eq!(listed[0].group, "wheel");
        assert_eq!(listed[0].to_string(), "%config(noreplace) %attr(0600, root, wheel)");
        assert_eq!(listed[1].to_string(), "%dir %attr(0755, root, root)");
        assert_eq!(listed[2].mode, None);
        assert_eq!(listed[2].to_string(), "%attr(-, root, root)");
        assert_eq!(listed[3].marks, BTreeSet::from(["%license"]));
    }

    #[test]
    fn rejects_lines_with_open_contents() {
        for line in [
            "/etc/a",
            "%attr(0644, root) /etc/a",
            "%attr(0x44, root, root) /etc/a",
            "%attr(0644, root, root) /etc/*",
            "%attr(0644, root, root) %{_sysconfdir}/a",
            "%ghost %attr(0644, root, root) /etc/a",
            "%config %attr(0644, root, root) /etc/a",
            "%attr(0644, root, root) /etc/a\n%attr(0600, root, root) /etc/a",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
