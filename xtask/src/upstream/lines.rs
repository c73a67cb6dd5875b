//! `xtask/lines.json`: the lines of k3s, each with the day on which upstream ends it. A line ends with that of Kubernetes.

use super::version::Line;
use crate::clock::Day;
use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The file's path in this repository.
pub const FILE: &str = "xtask/lines.json";

/// The table of the lines.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Lines {
    lines: BTreeMap<Line, Life>,
}

/// The end of one line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    /// The last day.
    pub until: Day,
    /// The page that says so.
    pub source: String,
    /// The day on which it was read.
    pub asked: Day,
}

impl Lines {
    /// Reads the table of this repository.
    pub fn committed(root: &Path) -> Result<Lines> {
        let path = root.join(FILE);
        serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("reading {}", path.display()))
    }

    /// Returns the lines that upstream maintains on a day.
    pub fn living(&self, today: &Day) -> Vec<Line> {
        let living = self.lines.iter().filter(|(_, life)| life.until >= *today);
        living.map(|(line, _)| *line).collect()
    }

    /// Returns the newest line, living or not.
    pub fn newest(&self) -> Option<Line> {
        self.lines.keys().next_back().copied()
    }

    /// Returns the text in the READMEs: the last day of each line.
    pub fn text(&self) -> String {
        let line = |(line, life): (&Line, &Life)| format!("{line}: {}", life.until);
        self.lines.iter().map(line).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed() -> Lines {
        Lines::committed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
    }

    #[test]
    fn each_line_has_its_page() {
        let lines = committed().lines;
        assert!(!lines.is_empty());
        for (line, life) in lines {
            let page = format!("https://kubernetes.io/releases/{}/", &line.to_string()[1..]);
            assert_eq!(life.source, page, "{line}");
            assert!(life.asked < life.until, "{line}");
        }
    }

    #[test]
    fn line_lives_until_its_last_day() {
        let living = |day: &str| committed().living(&day.parse().unwrap()).len();
        assert_eq!(living("2027-02-28"), living("2027-03-01") + 1);
    }
}
