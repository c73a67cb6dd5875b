//! Tests of the documents: what they link to and name exists.

use std::path::{Path, PathBuf};
use xtask::images::upstream::{Answers, FILE};
use xtask::upstream::lines::{self, Lines};

/// Directories of documents, without their subdirectories.
const DIRECTORIES: [&str; 7] = ["", "docs", "images", "rpm", "patches", ".github", "sample"];

/// Beginnings of the paths in code spans that are files of this repository.
const OURS: [&str; 7] = ["xtask/", "images/", "rpm/", "patches/", "pause/", "docs/", ".github/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns the documents as paths from the root, with their texts.
fn documents() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for directory in DIRECTORIES {
        for entry in std::fs::read_dir(root().join(directory)).unwrap() {
            let path = entry.unwrap().path();
            // The template's links are filled in when it is packaged.
            let is_template = path.ends_with("README.package.md");
            if path.extension().is_some_and(|extension| extension == "md") && !is_template {
                let name = path.strip_prefix(root()).unwrap().to_owned();
                found.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

/// Returns the anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_to_files_and_headings() {
    let mut broken = Vec::new();
    for (document, text) in documents() {
        let targets =
            text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => root().join(&document),
                file => root().join(&document).with_file_name("").join(file),
            };
            let has_heading = |text: String| {
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                heading.is_empty() || headings.any(|line| anchor(line) == heading)
            };
            let found = file.is_dir() || std::fs::read_to_string(&file).is_ok_and(has_heading);
            if !found {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn paths_of_this_repository_exist() {
    let mut missing = Vec::new();
    for (document, text) in documents() {
        for span in text.split('`').skip(1).step_by(2) {
            let is_path = OURS.iter().any(|begin| span.starts_with(begin));
            if is_path && !span.contains(['*', '<', ' ', '{', '\n']) && !root().join(span).exists() {
                missing.push(format!("{}: {span}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Returns the commands in the code blocks of a document, without comments.
fn commands(document: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let lines = blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap_or_default());
    lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn both_readmes_have_the_same_commands() {
    assert_eq!(commands("README.zh-CN.md"), commands("README.md"));
    assert!(!commands("README.md").is_empty());
}

/// Environment variable that, with any value, makes the test rewrite the tables.
const UPDATE: &str = "UPDATE_SNAPSHOTS";

#[test]
fn readmes_list_the_images_without_riscv64() {
    let rows = Answers::committed(&root()).unwrap().rows();
    assert!(!rows.is_empty());
    for name in ["README.md", "README.zh-CN.md"] {
        let text = std::fs::read_to_string(root().join(name)).unwrap();
        let is_row = |line: &&str| line.starts_with("| `rancher/");
        let before = text.lines().take_while(|line| !is_row(line));
        let table: Vec<&str> = text.lines().skip_while(|line| !is_row(line)).take_while(is_row).collect();
        if std::env::var_os(UPDATE).is_some() {
            let after = text.lines().skip(before.clone().count() + table.len());
            let lines = before.map(str::to_owned).chain(rows.clone()).chain(after.map(str::to_owned));
            std::fs::write(root().join(name), lines.map(|line| line + "\n").collect::<String>()).unwrap();
        } else {
            assert_eq!(
                table, rows,
                "{name} is not as {FILE} says\n  {UPDATE}=1 cargo test --test documents, and look at the diff"
            );
        }
    }
}

#[test]
fn readmes_have_the_last_day_of_each_line() {
    let days = Lines::committed(&root()).unwrap().text();
    for name in ["README.md", "README.zh-CN.md"] {
        let text = std::fs::read_to_string(root().join(name)).unwrap();
        assert!(text.contains(&days), "{name} does not have what {} says: {days}", lines::FILE);
    }
}

#[test]
fn readmes_are_short() {
    for name in ["README.md", "README.zh-CN.md"] {
        let lines = std::fs::read_to_string(root().join(name)).unwrap().lines().count();
        assert!(lines <= 150, "{name} has {lines} lines; details are in docs/");
    }
}
