//! Mutants: each line of a scriptlet and the essential lines of the scripts are left out or changed, and a check has to
//! notice. `mutants.txt` names for each line the checks that fail without it.

use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

/// The variable that has the table written instead of compared, as for other snapshots.
const UPDATE: &str = "UPDATE_SNAPSHOTS";

/// A command of a shell script on one line, and the lines of the script that it is on.
struct Line {
    text: String,
    at: Range<usize>,
}

/// Returns the commands of a script, without comments.
fn lines(script: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut continues = false;
    for (number, line) in script.lines().enumerate() {
        let trimmed = line.trim();
        let next = number + 1;
        match lines.last_mut() {
            Some(last) if continues => {
                last.text = format!("{} {trimmed}", last.text.trim_end_matches('\\').trim_end());
                last.at.end = next;
            }
            _ if trimmed.is_empty() || trimmed.starts_with('#') => continue,
            _ => lines.push(Line { text: trimmed.to_owned(), at: number..next }),
        }
        continues = ["&&", "||", "|", "\\"].iter().any(|end| trimmed.ends_with(end));
    }
    lines
}

/// Returns the parts of a command between `&&`, `||` and `|`, each with the operator before it.
fn parts(command: &str) -> Vec<&str> {
    let mut starts = vec![0];
    let mut quote = None;
    for (index, character) in command.char_indices() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, ' ')
                if ["&& ", "|| ", "| "].iter().any(|operator| command[index + 1..].starts_with(operator)) =>
            {
                starts.push(index);
            }
            _ => {}
        }
    }
    let ends = starts.iter().skip(1).copied().chain([command.len()]);
    starts.iter().zip(ends).map(|(start, end)| &command[*start..end]).collect()
}

/// Returns the variable and the words of a loop.
fn loop_words(command: &str) -> Option<(&str, &str)> {
    command.starts_with("for ").then(|| command.split_once(" in "))?
}

/// Returns what replaces a command in its mutants: nothing, and the two results of a condition. In scripts whose lines are
/// all changed, also the command without one of its parts or without one of the words of a loop.
fn replacements(command: &str, which: Lines) -> Vec<String> {
    let condition = ["if ", "elif ", "while "].into_iter().find(|keyword| command.starts_with(keyword));
    let start = condition.unwrap_or_default();
    let end = ["; then", "; do", " ;;"].into_iter().find(|end| command.ends_with(end)).unwrap_or_default();
    let inner = &command[start.len()..command.len() - end.len()];
    let mut inners = match condition {
        Some(_) => vec!["true".to_owned(), "false".to_owned()],
        None => vec![String::new()],
    };
    let parts = parts(inner);
    if which == Lines::All && parts.len() > 1 {
        inners.extend((0..parts.len()).map(|left_out| {
            let kept: String = [&parts[..left_out], &parts[left_out + 1..]].concat().concat();
            kept.trim_start_matches([' ', '&', '|']).to_owned()
        }));
    }
    if let Some((variable, words)) = loop_words(inner).filter(|_| which == Lines::All) {
        let words: Vec<&str> = words.split(' ').collect();
        inners.extend(words.iter().map(|left_out| {
            let kept: Vec<&str> = words.iter().copied().filter(|word| word != left_out).collect();
            format!("{variable} in {}", kept.join(" "))
        }));
    }
    let whole = [String::new(), ":".to_owned()].into_iter();
    whole.chain(inners.into_iter().map(|inner| format!("{start}{inner}{end}"))).collect()
}

/// Returns whether a shell can read a script.
fn is_valid(script: &str) -> bool {
    Command::new("sh").args(["-n", "-c", script]).output().unwrap().status.success()
}

/// Returns the mutants of a script by one of its lines: what replaces it, and the result.
fn mutants(script: &str, line: &Line, which: Lines) -> BTreeMap<String, String> {
    let all: Vec<&str> = script.lines().collect();
    let mut mutants: BTreeMap<String, String> = BTreeMap::new();
    for replacement in replacements(&line.text, which) {
        // In the place of a line that has to be there.
        if replacement == ":" && !mutants.is_empty() {
            continue;
        }
        let mutant = [&all[..line.at.start], &[&replacement], &all[line.at.end..]].concat().join("\n") + "\n";
        if replacement != line.text && is_valid(&mutant) {
            mutants.insert(replacement, mutant);
        }
    }
    mutants
}

/// A line of the table and the names of its checks.
type Row = (String, Vec<String>);

fn table() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rpm_packages/mutants.txt")
}

/// Reads the section of a script.
fn section(name: &str) -> Vec<Row> {
    let text = fs::read_to_string(table()).unwrap();
    let lines = text.lines().skip_while(|line| *line != format!("== {name}")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with("== ")).filter(|line| !line.is_empty());
    let row = |line: &str| {
        let (line, checks) = line.rsplit_once(" -> ").unwrap_or_else(|| panic!("{line} names no check"));
        (line.to_owned(), checks.split(", ").map(str::to_owned).collect())
    };
    lines.map(row).collect()
}

/// Replaces the section of a script.
fn write_section(name: &str, rows: &[Row]) {
    // Tests of other sections run in parallel.
    static TABLE: Mutex<()> = Mutex::new(());
    let _guard = TABLE.lock().unwrap();
    let text = fs::read_to_string(table()).unwrap();
    let (before, rest) = text.split_once(&format!("== {name}\n")).expect("the table has the section");
    let after = rest.find("\n== ").map_or("", |end| &rest[end..]);
    let rows: String =
        rows.iter().map(|(line, checks)| format!("{line} -> {}\n", checks.join(", "))).collect();
    fs::write(table(), format!("{before}== {name}\n{rows}{after}")).unwrap();
}

/// The lines of a script that are changed.
#[derive(Clone, Copy, PartialEq)]
pub enum Lines {
    All,
    /// Those that the table names.
    Listed,
}

/// Checks a section of the table: of each line, every mutant is noticed by a check that the table names, and each of
/// these checks notices one.
///
/// `notices` returns whether a check fails with a mutant.
pub fn are_noticed(
    name: &str,
    script: &str,
    which: Lines,
    checks: &[&str],
    notices: impl Fn(&str, &str) -> bool,
) {
    let known = section(name);
    let update = std::env::var_os(UPDATE).is_some();
    // Several lines of a script may have the same text.
    let checks_of = |line: &str| -> BTreeSet<&str> {
        let rows = known.iter().filter(|(listed, _)| listed == line);
        rows.flat_map(|(_, checks)| checks.iter().map(String::as_str)).collect()
    };
    let named: BTreeSet<&str> =
        known.iter().flat_map(|(_, checks)| checks.iter().map(String::as_str)).collect();
    for check in checks.iter().filter(|check| named.contains(*check)) {
        assert!(!notices(check, script), "{name}: {check} fails with the script itself");
    }
    let (mut found, mut survivors) = (Vec::new(), Vec::new());
    for line in lines(script) {
        let named = checks_of(&line.text);
        if which == Lines::Listed && named.is_empty() {
            continue;
        }
        let candidates: Vec<&str> =
            checks.iter().copied().filter(|check| update || named.contains(check)).collect();
        let mut needed = BTreeSet::new();
        for (replacement, mutant) in mutants(script, &line, which) {
            match candidates.iter().position(|check| notices(check, &mutant)) {
                Some(index) => drop(needed.insert(index)),
                None => survivors.push(format!("    {}\nas\n    {replacement}", line.text)),
            }
        }
        let needed: Vec<String> = needed.into_iter().map(|index| candidates[index].to_owned()).collect();
        let row: Row = (line.text, needed);
        if !row.1.is_empty() && !found.contains(&row) {
            found.push(row);
        }
    }
    if update {
        write_section(name, &found);
    }
    let survivors = survivors.join("\n");
    assert!(survivors.is_empty(), "{name}: no check that mutants.txt names notices\n{survivors}");
    compare(name, &section(name), &found);
}

/// Checks that the table has the rows that were found.
fn compare(name: &str, known: &[Row], found: &[Row]) {
    let only = |these: &[Row], others: &[Row]| -> Vec<Row> {
        these.iter().filter(|row| !others.contains(row)).cloned().collect()
    };
    assert!(
        found == known,
        "mutants.txt has {:#?} of {name}, in another order or instead of {:#?} ({UPDATE}=1 writes it)",
        only(known, found),
        only(found, known),
    );
}

#[test]
fn mutants_leave_out_lines_parts_and_words() {
    let script = "# a reason\nif a &&\n    b; then\n    c || 'd || e'\nfi\nfor x in 1 2; do\n    f\ndone\n";
    let lines = lines(script);
    let replaced = |line: &Line, which| mutants(script, line, which).into_keys().collect::<Vec<_>>();
    let all: Vec<_> = lines.iter().map(|line| replaced(line, Lines::All)).collect();
    assert_eq!(all[0], ["if a; then", "if b; then", "if false; then", "if true; then"]);
    assert_eq!(all[1], ["'d || e'", ":", "c"]);
    assert_eq!(all[2], [""; 0], "the script would be none");
    assert_eq!(all[3], ["for x in 1; do", "for x in 2; do"]);
    assert_eq!(replaced(&lines[0], Lines::Listed), ["if false; then", "if true; then"]);
}

#[test]
#[should_panic(expected = "no check that mutants.txt names notices")]
fn a_line_that_no_check_notices_fails() {
    are_noticed("a script without a section", "true\n", Lines::All, &["check"], |_, _| false);
}

#[test]
#[should_panic(expected = "mutants.txt has")]
fn a_listed_line_that_is_not_there_fails() {
    compare("a script", &[("true".to_owned(), vec!["check".to_owned()])], &[]);
}
