//! `rpm/*.files`: the list of every file of a package, in the form of rpm's own `%files` section, so that
//! rpmbuild packages by the very list that the finished package is checked against.

use anyhow::{Context as _, Result, anyhow, bail};

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub path: String,
    pub is_directory: bool,
    /// The permission bits; none for a link, which has none of its own.
    pub mode: Option<u16>,
    pub user: String,
    pub group: String,
    pub marks: Marks,
}

/// Marks by which rpm treats a file specially when it installs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// `%config(noreplace)`: what the administrator wrote in it stays.
    pub config: bool,
    pub doc: bool,
    pub license: bool,
}

/// Reads a list. What it may not hold (globs, macros, defaults) is refused, since it would not say what is
/// in the package.
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
    let mut marks = Marks::default();
    let mut is_directory = false;
    let mut rest = text;
    loop {
        let word = rest.split(' ').next().unwrap_or_default();
        match word {
            "%dir" => is_directory = true,
            "%doc" => marks.doc = true,
            "%license" => marks.license = true,
            "%config(noreplace)" => marks.config = true,
            _ => break,
        }
        rest = rest[word.len()..].trim_start();
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
        bail!("a path is written as installed, without macros, patterns or blanks");
    }
    Ok(Listed { path: path.to_owned(), is_directory, mode, user: user.into(), group: group.into(), marks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_kind_mode_owner_and_marks() {
        let list = "# a comment\n\n%config(noreplace) %attr(0600, root, wheel) /etc/a\n%dir %attr(0755, root, root) /etc/d\n%attr(-, root, root) /usr/bin/l\n%license %attr(0644, root, root) /usr/share/l\n";
        let listed = parse(list).unwrap();
        assert_eq!(listed[0].mode, Some(0o600));
        assert_eq!(listed[0].group, "wheel");
        assert_eq!(listed[0].marks, Marks { config: true, ..Marks::default() });
        assert!(listed[1].is_directory && !listed[0].is_directory);
        assert_eq!(listed[2].mode, None);
        assert!(listed[3].marks.license && !listed[3].marks.doc);
    }

    #[test]
    fn what_would_leave_the_content_open_is_refused() {
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
