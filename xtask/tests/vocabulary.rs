//! Tests of the project's vocabulary, over all tracked text.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Words to avoid: alternatives, their replacement, and after ` in ` the files that may contain them.
const WORDS: &str = include_str!("vocabulary.txt");

/// Directories with words of others: the sample's modules, whose checksums are in go.sum, and licence texts.
const OTHER_DIRECTORIES: [&str; 2] = ["sample/modules/", "xtask/k3s-root/licenses/"];

/// Files with words of others.
const OTHERS: [&str; 4] =
    ["LICENSE", "Cargo.lock", "xtask/tests/vocabulary.txt", "xtask/tests/vocabulary.rs"];

/// Returns the names and contents of all tracked text files.
fn texts() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).unwrap();
    let is_of_others = |name: &str| {
        OTHERS.contains(&name) || OTHER_DIRECTORIES.iter().any(|directory| name.starts_with(directory))
    };
    let names = names.split_terminator('\0').filter(|name| !is_of_others(name));
    names.filter_map(|name| Some((name.into(), std::fs::read_to_string(root.join(name)).ok()?))).collect()
}

/// Returns whether a text contains a word, in any case, on its own or as a part of an identifier.
fn contains(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic());
        !letter(text[..at].chars().next_back()) && !letter(text[at + word.len()..].chars().next())
    })
}

#[test]
fn words_are_those_of_the_field() {
    let texts = texts();
    let mut found = Vec::new();
    for line in WORDS.lines().filter(|line| !line.starts_with('#')) {
        let (words, rest) = line.split_once(" -> ").unwrap();
        let (replacement, allowed) = rest.split_once(" in ").unwrap_or((rest, ""));
        for (name, text) in &texts {
            if allowed.split(' ').any(|file| Path::new(file) == name) {
                continue;
            }
            for (number, text) in text.lines().enumerate() {
                let text = text.to_lowercase();
                found.extend(
                    words.split('|').filter(|word| contains(&text, word)).map(|word| {
                        format!("{}:{}: {word:?}: use {replacement}", name.display(), number + 1)
                    }),
                );
            }
        }
    }
    assert!(found.is_empty(), "{}\n{} in all", found.join("\n"), found.len());
}

#[test]
fn comments_begin_with_what_they_describe() {
    let question = |line: &str| {
        let comment = line.trim_start().strip_prefix("//")?.trim_start_matches(['/', '!']);
        let word = comment.trim_start().split([' ', ',']).next()?;
        ["What", "How", "Where", "Whether", "Who"].contains(&word).then_some(())
    };
    let mut found = Vec::new();
    for (name, text) in texts().iter().filter(|(name, _)| name.extension().is_some_and(|it| it == "rs")) {
        let mut in_comment = false;
        for (number, line) in text.lines().enumerate() {
            if !in_comment && question(line).is_some() {
                found.push(format!("{}:{}: {}", name.display(), number + 1, line.trim()));
            }
            in_comment = line.trim_start().starts_with("//");
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn test_names_are_short() {
    let mut found = Vec::new();
    for (name, text) in texts().iter().filter(|(name, _)| name.extension().is_some_and(|it| it == "rs")) {
        let tests =
            text.split("#[test]").skip(1).filter_map(|rest| rest.split_once("fn ")?.1.split_once('('));
        found.extend(
            tests.filter(|(test, _)| test.len() > 50).map(|(test, _)| format!("{}: {test}", name.display())),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn words_are_found_in_identifiers_alone() {
    assert!(contains("the folder of", "folder") && contains("new_folder(", "folder"));
    assert!(!contains("folders", "folder") && !contains("intellect", "tell"));
}
