//! Tests of the documents: what they link to and name exists.

use std::path::{Path, PathBuf};

/// Directories of documents, without their subdirectories.
const DIRECTORIES: [&str; 6] = ["", "docs", "rpm", "patches", ".github", "sample"];

/// Beginnings of the paths in code spans that are files of this repository.
const OURS: [&str; 6] = ["xtask/", "rpm/", "patches/", "pause/", "docs/", ".github/"];

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
