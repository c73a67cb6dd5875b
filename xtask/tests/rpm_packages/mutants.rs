//! Mutants: each line of a scriptlet and the essential lines of the scripts are left out or changed, and a check has to
//! notice. `mutants.txt` names for each line the checks that fail without it.

use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;

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

/// The section of one script in the table: its lines, each with the names of checks.
type Section = Vec<(String, Vec<String>)>;

fn table() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rpm_packages/mutants.txt")
}

fn section(name: &str) -> Section {
    let text = fs::read_to_string(table()).unwrap();
    let lines = text.lines().skip_while(|line| *line != format!("== {name}")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with("== ")).filter(|line| !line.is_empty());
    let row = |line: &str| {
        let (line, checks) = line.rsplit_once(" -> ").unwrap_or_else(|| panic!("{line} names no check"));
        (line.to_owned(), checks.split(", ").map(str::to_owned).collect())
    };
    lines.map(row).collect()
}

/// Replaces a section of the table.
fn write_section(name: &str, section: &Section) {
    // Tests of other sections run in parallel.
    static TABLE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = TABLE.lock().unwrap();
    let text = fs::read_to_string(table()).unwrap();
    let (before, rest) = text.split_once(&format!("== {name}\n")).expect("the table has the section");
    let after = rest.find("\n== ").map_or("", |end| &rest[end..]);
    let rows: String =
        section.iter().map(|(line, checks)| format!("{line} -> {}\n", checks.join(", "))).collect();
    fs::write(table(), format!("{before}== {name}\n{rows}{after}")).unwrap();
}

/// Which lines of a script are changed.
#[derive(Clone, Copy, PartialEq)]
pub enum Lines {
    All,
    /// Those that the table names.
    Listed,
}

/// Checks a section of the table: every mutant of each line is noticed by a check that the table names for this line, and
/// each of these notices one.
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
    let lines = lines(script);
    let is_listed = |line: &Line| known.iter().any(|(listed, _)| *listed == line.text);
    for check in
        checks.iter().filter(|check| known.iter().any(|(_, named)| named.iter().any(|named| named == *check)))
    {
        assert!(!notices(check, script), "{name}: {check} fails with the script itself");
    }
    let mut found = Section::new();
    let mut survivors = Vec::new();
    for line in lines.iter().filter(|line| which == Lines::All || is_listed(line)) {
        // Several lines of a script may have the same text.
        let rows: Vec<&Vec<String>> =
            known.iter().filter(|(listed, _)| *listed == line.text).map(|(_, checks)| checks).collect();
        let is_candidate = |check: &str| rows.iter().any(|row| row.iter().any(|named| named == check));
        let candidates: Vec<&str> =
            checks.iter().copied().filter(|check| update || is_candidate(check)).collect();
        let mut needed = BTreeSet::new();
        for (replacement, mutant) in mutants(script, line, which) {
            match candidates.iter().position(|check| notices(check, &mutant)) {
                Some(index) => drop(needed.insert(index)),
                None => survivors.push(format!("    {}\nas\n    {replacement}", line.text)),
            }
        }
        let row = (
            line.text.clone(),
            needed.into_iter().map(|index| candidates[index].to_owned()).collect::<Vec<_>>(),
        );
        if !row.1.is_empty() && !found.contains(&row) {
            found.push(row);
        }
    }
    if update {
        write_section(name, &found);
    }
    assert!(
        survivors.is_empty(),
        "{name}: no check that mutants.txt names notices\n{}",
        survivors.join("\n")
    );
    let known = section(name);
    let only = |these: &Section, others: &Section| -> Section {
        these.iter().filter(|row| !others.contains(row)).cloned().collect()
    };
    assert!(
        found == known,
        "mutants.txt has {:#?} of {name}, in another order or instead of {:#?} ({UPDATE}=1 writes it)",
        only(&known, &found),
        only(&found, &known),
    );
}
