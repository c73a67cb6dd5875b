//! Changes to files, as git writes them, with line numbers and colours.

use super::{Each, Fact, Text};
use std::fmt::{self, Display, Formatter};

/// A change to some files and the reason for it.
#[derive(Clone, Debug)]
pub struct Change {
    pub name: String,
    pub why: String,
    pub facts: Vec<Fact>,
    /// A unified diff with git's `diff --git` lines.
    pub diff: String,
}

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "<article>\n<h3>{}</h3>\n<p class=\"note\">{}</p>\n", Text(&self.name), Text(&self.why))?;
        if !self.facts.is_empty() {
            writeln!(f, "<dl class=\"facts\">{}</dl>", Each(&self.facts))?;
        }
        Each(&files(&self.diff)).fmt(f)?;
        f.write_str("</article>")
    }
}

/// One file of a diff.
#[derive(Debug, PartialEq, Eq)]
struct File<'a> {
    path: &'a str,
    lines: Vec<Line<'a>>,
}

/// One line of a diff, with its number in the old and in the new file.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    /// What stands outside of hunks: modes, names, `Binary files … differ`.
    Header(&'a str),
    Hunk(&'a str),
    Removed(u64, &'a str),
    Added(u64, &'a str),
    Same(u64, u64, &'a str),
    /// `\ No newline at end of file`.
    Remark(&'a str),
}

/// Reads a diff. Hunks are counted, since a removed line that begins with `-- ` looks like a header.
fn files(diff: &str) -> Vec<File<'_>> {
    let mut files: Vec<File<'_>> = Vec::new();
    // The next line's number and how many lines are left, in the old file and in the new one.
    let (mut old, mut new) = ((0, 0), (0, 0));
    for text in diff.strip_suffix('\n').unwrap_or(diff).split('\n') {
        let within = old.1 > 0 || new.1 > 0;
        if files.is_empty() || (!within && text.starts_with("diff --git ")) {
            files.push(File { path: path(text), lines: Vec::new() });
        }
        let line = match text.as_bytes().first() {
            Some(b'\\') => Line::Remark(text),
            Some(b'-') if within => Line::Removed(take(&mut old), text),
            Some(b'+') if within => Line::Added(take(&mut new), text),
            _ if within => Line::Same(take(&mut old), take(&mut new), text),
            _ => match hunk(text) {
                Some(ranges) => {
                    (old, new) = ranges;
                    Line::Hunk(text)
                }
                None => Line::Header(text),
            },
        };
        if let Some(file) = files.last_mut() {
            file.lines.push(line);
        }
    }
    files
}

/// The number of the next line of a range.
fn take((next, left): &mut (u64, u64)) -> u64 {
    *left = left.saturating_sub(1);
    *next = next.saturating_add(1);
    *next - 1
}

type Range = (u64, u64);

/// The ranges of `@@ -1,3 +1,4 @@ text`; a length of one is left out there.
fn hunk(text: &str) -> Option<(Range, Range)> {
    let (old, rest) = text.strip_prefix("@@ -")?.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let range = |text: &str| -> Option<Range> {
        let (first, length) = text.split_once(',').unwrap_or((text, "1"));
        Some((first.parse().ok()?, length.parse().ok()?))
    };
    Some((range(old)?, range(new)?))
}

/// The path in `diff --git a/path b/path`, which may hold blanks.
fn path(header: &str) -> &str {
    let both = header.strip_prefix("diff --git a/").unwrap_or_default();
    let length = both.len().saturating_sub(" b/".len()) / 2;
    match (both.get(..length), both.get(length..)) {
        (Some(path), Some(rest)) if rest.strip_prefix(" b/") == Some(path) => path,
        _ => header,
    }
}

/// How the header of a file begins that is not merely changed.
const KINDS: [(&str, &str); 3] =
    [("new file", "new"), ("deleted file", "deleted"), ("Binary files", "binary")];

impl File<'_> {
    fn has(&self, start: &str) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Header(header) if header.starts_with(start)))
    }
}

impl Line<'_> {
    /// Whether the line above the file says the same.
    fn is_told_above(&self) -> bool {
        let told = ["diff --git ", "--- ", "+++ ", "new file mode 100644"];
        matches!(self, Line::Header(header) if told.iter().any(|start| header.starts_with(start)))
    }
}

impl Display for File<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let count = |wanted: fn(&Line<'_>) -> bool| self.lines.iter().filter(|line| wanted(line)).count();
        let added = count(|line| matches!(line, Line::Added(..)));
        let removed = count(|line| matches!(line, Line::Removed(..)));
        write!(f, "<details open>\n<summary><code>{}</code>", Text(self.path))?;
        for (_, kind) in KINDS.iter().filter(|(start, _)| self.has(start)) {
            write!(f, "<small>{kind}</small>")?;
        }
        if added > 0 {
            write!(f, "<span class=\"added\">+{added}</span>")?;
        }
        if removed > 0 {
            write!(f, "<span class=\"removed\">−{removed}</span>")?;
        }
        f.write_str("</summary>\n<pre class=\"diff\"><code>")?;
        self.lines.iter().filter(|line| !line.is_told_above()).try_for_each(|line| line.fmt(f))?;
        f.write_str("</code></pre>\n</details>")
    }
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (class, old, new, text) = match *self {
            Line::Header(text) => ("header", None, None, text),
            Line::Hunk(text) => ("hunk", None, None, text),
            Line::Removed(old, text) => ("removed", Some(old), None, text),
            Line::Added(new, text) => ("added", None, Some(new), text),
            Line::Same(old, new, text) => ("same", Some(old), Some(new), text),
            Line::Remark(text) => ("remark", None, None, text),
        };
        let number = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
        write!(
            f,
            "<span class=\"{class}\"><b>{:>4} {:>4}</b>{}\n</span>",
            number(old),
            number(new),
            Text(text)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_line_that_looks_like_a_header_stays_a_line() {
        let diff = "diff --git a/a b.sql b/a b.sql\n--- a/a b.sql\n+++ b/a b.sql\n@@ -7,2 +7,2 @@ f\n--- old\n\
                    +++ new\n diff --git a/x b/x\n\\ No newline at end of file\ndiff --git a/y b/y\n\
                    new file mode 100644\nBinary files /dev/null and b/y differ\n";
        let files = files(diff);
        assert_eq!(files.iter().map(|file| file.path).collect::<Vec<_>>(), ["a b.sql", "y"]);
        assert_eq!(
            files[0].lines[3..],
            [
                Line::Hunk("@@ -7,2 +7,2 @@ f"),
                Line::Removed(7, "--- old"),
                Line::Added(7, "+++ new"),
                Line::Same(8, 8, " diff --git a/x b/x"),
                Line::Remark("\\ No newline at end of file"),
            ]
        );
        let html = files[1].to_string();
        assert!(
            html.contains("<small>new</small><small>binary</small></summary>")
                && html.contains("Binary files"),
            "{html}"
        );
    }

    #[test]
    fn what_is_no_diff_is_shown_as_it_is() {
        for text in ["", "hello\nworld", "@@ -x +y @@\n", "@@ -1,99 +1,99 @@\n+cut off"] {
            let html: String = files(text).iter().map(ToString::to_string).collect();
            for line in text.lines() {
                assert!(html.contains(line), "{line} in {html}");
            }
        }
    }
}
