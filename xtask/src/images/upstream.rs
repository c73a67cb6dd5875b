//! `images/upstream.json`: the tags of default images of which registries have a riscv64 build, as
//! `cargo xtask images check` found it, and the form of its answers.

use crate::atomic_file;
use crate::reference::Reference;
use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// The file's path in this repository.
pub const FILE: &str = "images/upstream.json";

/// The answers of registries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// Upstream's images: by repository, as in references without registry, and by tag.
    pub upstream: BTreeMap<String, BTreeMap<Tag, Answer>>,
    /// The images that we pushed, by reference, where they were asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pushed: BTreeMap<String, BTreeMap<String, Pushed>>,
}

/// An answer about one tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub riscv64: Riscv64,
    /// All architectures under Go's names, if a registry answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
    pub source: Source,
    /// The date of the answer.
    pub asked: String,
}

/// An image for riscv64 under a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Riscv64 {
    Present,
    Missing,
    /// The tag itself does not exist.
    NoTag,
}

/// The source of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    Registry,
    /// The project's issues, pull requests and release pages.
    Trackers,
}

/// Our image for one architecture, in a registry that we pushed it to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pushed {
    /// The image that was built.
    Same,
    /// Another image, by its ID.
    Other(String),
    Missing,
}

/// A tag, ordered by the numbers in it: `v0.9.14-build20260210` is before `v0.12.0-build20260625`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tag(pub String);

impl Tag {
    fn numbers(&self) -> Vec<u64> {
        let digits = self.0.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
        digits.map(|digits| digits.parse().unwrap_or(u64::MAX)).collect()
    }
}

impl Ord for Tag {
    fn cmp(&self, other: &Tag) -> Ordering {
        self.numbers().cmp(&other.numbers()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Tag {
    fn partial_cmp(&self, other: &Tag) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Riscv64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Riscv64::Present => "present",
            Riscv64::Missing => "missing",
            Riscv64::NoTag => "no such tag",
        })
    }
}

impl fmt::Display for Pushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pushed::Same => f.write_str("as built"),
            Pushed::Other(id) => write!(f, "another image, {id}"),
            Pushed::Missing => f.write_str("missing"),
        }
    }
}

impl Answers {
    /// Reads the answers in this repository.
    pub fn committed(root: &Path) -> Result<Answers> {
        Answers::read(&root.join(FILE))
    }

    pub fn read(path: &Path) -> Result<Answers> {
        let text = fs::read_to_string(path)?;
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
    }

    /// Adds newer answers. One that says the same as before keeps its date, so that a file changes only with the facts.
    pub fn extend(&mut self, newer: Answers) {
        for (repository, tags) in newer.upstream {
            let known = self.upstream.entry(repository).or_default();
            for (tag, mut answer) in tags {
                if let Some(before) = known.get(&tag)
                    && *before == (Answer { asked: before.asked.clone(), ..answer.clone() })
                {
                    answer.asked.clone_from(&before.asked);
                }
                known.insert(tag, answer);
            }
        }
        self.pushed.extend(newer.pushed);
    }

    /// Writes the answers; the file appears complete.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        // A name without a directory is in the current one.
        let path = std::path::absolute(path).with_context(|| format!("finding {}", path.display()))?;
        atomic_file::write(&path, text.as_bytes(), 0o644)
    }

    /// Returns whether a tag has a riscv64 build, from the answers about it and other tags of the image: what a project
    /// builds once, it keeps building.
    pub fn riscv64(&self, repository: &str, tag: &str) -> Option<Riscv64> {
        let (tags, tag) = (self.upstream.get(repository)?, Tag(tag.to_owned()));
        let is_known = |answer: &Answer| answer.riscv64 != Riscv64::NoTag;
        let before = tags.iter().rfind(|(known, answer)| **known <= tag && is_known(answer));
        let after = || tags.values().find(|answer| is_known(answer));
        match before {
            Some((_, answer)) => Some(answer.riscv64),
            None => after().map(|answer| answer.riscv64).filter(|riscv64| *riscv64 == Riscv64::Missing),
        }
    }

    /// Returns whether no registry has a riscv64 build of an image, so far as is known.
    pub fn is_missing(&self, image: &Reference) -> bool {
        self.riscv64(image.repository(), image.tag()) == Some(Riscv64::Missing)
    }

    /// Returns the rows of the README's table: images that have, or had, no riscv64 build, the tags without one, and
    /// the date of the answer.
    pub fn rows(&self) -> Vec<String> {
        let row = |(repository, tags): (&String, &BTreeMap<Tag, Answer>)| {
            let (last, answer) = tags.iter().rfind(|(_, answer)| answer.riscv64 == Riscv64::Missing)?;
            let since = tags.iter().find(|(tag, answer)| *tag > last && answer.riscv64 == Riscv64::Present);
            let (range, asked) = match since {
                Some((since, answer)) => (format!("< {}", since.0), &answer.asked),
                None => (format!("≤ {}", last.0), &answer.asked),
            };
            Some(format!("| `{repository}` | {range} | {asked} |"))
        };
        self.upstream.iter().filter_map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(riscv64: Riscv64, asked: &str) -> Answer {
        Answer { riscv64, architectures: Vec::new(), source: Source::Registry, asked: asked.to_owned() }
    }

    fn answers(tags: &[(&str, Riscv64)]) -> Answers {
        let tags = tags.iter().map(|(tag, riscv64)| (Tag((*tag).to_owned()), answer(*riscv64, "2026-11-26")));
        Answers { upstream: BTreeMap::from([("a/b".to_owned(), tags.collect())]), ..Answers::default() }
    }

    #[test]
    fn committed_answers_are_well_formed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let answers = Answers::committed(&root).unwrap();
        assert_eq!(answers.riscv64("rancher/mirrored-pause", "3.10.2"), Some(Riscv64::Missing));
        assert_eq!(answers.riscv64("rancher/klipper-helm", "v0.13.3-build20260727"), Some(Riscv64::Present));
        assert!(answers.pushed.is_empty(), "they are of one registry");
    }

    #[test]
    fn tags_are_in_the_order_of_their_numbers() {
        let mut tags =
            ["v0.12.0-build1", "v0.9.14-build2", "v0.9.14-build10", "3.6"].map(|it| Tag(it.to_owned()));
        tags.sort();
        assert_eq!(tags.map(|it| it.0), ["v0.9.14-build2", "v0.9.14-build10", "v0.12.0-build1", "3.6"]);
    }

    #[test]
    fn other_tags_answer_for_an_unknown_one() {
        let known = answers(&[
            ("v0.9.0", Riscv64::Missing),
            ("v0.12.0", Riscv64::Present),
            ("v0.13.0", Riscv64::NoTag),
        ]);
        let of = |tag| known.riscv64("a/b", tag);
        assert_eq!(of("v0.8.0"), Some(Riscv64::Missing));
        assert_eq!(of("v0.9.0"), Some(Riscv64::Missing));
        assert_eq!(of("v0.11.0"), Some(Riscv64::Missing));
        assert_eq!(of("v0.13.0"), Some(Riscv64::Present));
        assert_eq!(known.riscv64("a/c", "v1"), None);
        let known = answers(&[("v2", Riscv64::Present)]);
        assert_eq!(known.riscv64("a/b", "v1"), None, "the first build may be older");
    }

    #[test]
    fn rows_name_the_tags_without_a_build() {
        let row = |tags: &[(&str, Riscv64)]| answers(tags).rows();
        let missing = [("3.6", Riscv64::Missing), ("3.10", Riscv64::Missing)];
        assert_eq!(row(&missing), ["| `a/b` | ≤ 3.10 | 2026-11-26 |"]);
        let since = [("3.6", Riscv64::Missing), ("3.10", Riscv64::Present)];
        assert_eq!(row(&since), ["| `a/b` | < 3.10 | 2026-11-26 |"]);
        assert_eq!(row(&[("3.6", Riscv64::Present)]), [""; 0]);
    }

    #[test]
    fn newer_answers_replace_older_ones() {
        let mut known = answers(&[("1", Riscv64::Missing), ("2", Riscv64::Missing)]);
        let mut newer = answers(&[("1", Riscv64::Missing), ("2", Riscv64::Present)]);
        newer
            .upstream
            .values_mut()
            .flat_map(BTreeMap::values_mut)
            .for_each(|it| it.asked = "2026-12-01".to_owned());
        known.extend(newer);
        let mut expected = answers(&[("1", Riscv64::Missing), ("2", Riscv64::Present)]);
        let second = expected.upstream.get_mut("a/b").and_then(|tags| tags.values_mut().last());
        second.unwrap().asked = "2026-12-01".to_owned();
        assert_eq!(known, expected);
    }
}
