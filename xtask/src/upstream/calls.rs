//! The commands that upstream's scripts call, as recorded, and those of them that need none of our steps.

use crate::process::quoted;
use anyhow::{Context as _, Result};
use std::fmt;

/// One command that a script called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'r> {
    /// The script and its line, `scripts/build:110`.
    pub place: &'r str,
    /// Variables of Go and C compilers that were set for it.
    pub environment: Vec<(&'r str, &'r str)>,
    pub words: Vec<&'r str>,
}

impl<'r> Call<'r> {
    /// Reads the records of a script.
    pub fn parse(records: &'r str) -> Result<Vec<Call<'r>>> {
        let calls = records.split_terminator('\u{1e}').map(|record| {
            let mut fields = record.split_terminator('\u{1f}');
            let place = fields.next().context("a record without a place")?.trim_start_matches("./");
            let fields: Vec<&str> = fields.collect();
            let settings = fields.iter().map_while(|field| setting(field)).collect::<Vec<_>>();
            let words = fields[settings.len()..].to_vec();
            Ok(Call { place, environment: settings, words })
        });
        calls.collect()
    }

    /// Returns true if our own steps do the same as this call, or do not need it.
    pub fn is_known(&self) -> bool {
        let words: Vec<&str> = self.words.iter().flat_map(|word| word.split(' ')).collect();
        self.environment.is_empty()
            && KNOWN.iter().any(|pattern| matches(&pattern.split(' ').collect::<Vec<_>>(), &words))
    }
}

impl fmt::Display for Call<'_> {
    /// Writes the place and the command line, as it could be pasted into a shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.environment.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = settings.chain(self.words.iter().map(|word| quoted(word)));
        write!(f, "{}: `{}`", self.place, words.collect::<Vec<_>>().join(" "))
    }
}

/// Splits `NAME=value`, as it precedes a command.
fn setting(field: &str) -> Option<(&str, &str)> {
    let (name, value) = field.split_once('=')?;
    name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_').then_some((name, value))
}

/// The calls of k3s v1.30 to v1.36 that need no further step, with the step that does the same. In a word `*` matches
/// any text without `..`, and `…` after a word means one or more words like it.
const KNOWN: [&str; 37] = [
    // Directories; every step makes its own.
    "cd scripts/..",
    "cd bin",
    "cd /recorder/src/github.com/containernetworking/plugins",
    "pushd ./build/src/github.com/containerd/containerd",
    "pushd ./build/src/github.com/opencontainers/runc",
    "popd",
    "mktemp -d",
    "mkdir -p bin",
    "mkdir -p build/static/charts",
    "mkdir -p build/data",
    "mkdir -p build/data build/out",
    "mkdir -p dist/artifacts",
    "mkdir -p ./etc",
    // Files of an earlier build.
    "rm -rf build/*…",
    "rm -rf /recorder",
    "rm -f runc",
    "rm -f k3s-root-*.tar sha256sum-*.txt",
    // k3s/cni.rs.
    "rm -rf plugins/meta/flannel",
    "sed -i s/package main/package flannel/; s/func main/func Main/ plugins/meta/flannel/*.go",
    // k3s/root.rs.
    "tar xf -",
    "tar xf k3s-root-*.tar",
    "sha256sum -c",
    // k3s/source_tree.rs and k3s/binary.rs.
    "cp -av manifests/*… pkg/deploy/embed/",
    "cp -av build/static/* pkg/static/embed/",
    "cp -av build/data/* pkg/data/embed/",
    // k3s/bundle.rs.
    "cp -vf ./build/src/github.com/containerd/containerd/bin/* ./bin/",
    "cp -vf ./build/src/github.com/opencontainers/runc/runc ./bin/",
    "cp contrib/util/check-config.sh bin/check-config",
    "cp scripts/wg-add.sh bin/aux",
    "cp ./build/out/data*.tar.zst ./build/data/*.tar.zst",
    "find . -not -path */\\.* -type f -exec sha256sum {} ;",
    "find . -type l",
    "tar cvf ./build/out/data*.tar ./bin ./etc",
    "tar --sort=name --mtime=@0 -cvf ./build/out/data*.tar ./bin ./etc",
    "sha256sum ./build/out/data*.tar.zst",
    "stat dist/artifacts/k3s*",
    // Uploads to upstream.
    "./scripts/build-upload dist/artifacts/k3s* *",
];

fn matches(pattern: &[&str], words: &[&str]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return words.is_empty() };
    match first.strip_suffix('…') {
        Some(first) => {
            let most = words.iter().take_while(|word| matches_word(first, word)).count();
            (1..=most).any(|count| matches(rest, &words[count..]))
        }
        None => {
            words.split_first().is_some_and(|(word, words)| matches_word(first, word) && matches(rest, words))
        }
    }
}

fn matches_word(pattern: &str, word: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == word,
        Some((before, after)) => {
            let any = word.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            any.is_some_and(|any| !any.contains(".."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_place_environment_and_words() {
        let records = "./scripts/build:7\u{1f}GOEXPERIMENT=x y\u{1f}go\u{1f}build\u{1f}-tags=a\u{1f}\u{1e}";
        let calls = Call::parse(records).unwrap();
        assert_eq!(calls[0].environment, [("GOEXPERIMENT", "x y")]);
        assert_eq!(calls[0].words, ["go", "build", "-tags=a"]);
        assert_eq!(calls[0].to_string(), "scripts/build:7: `GOEXPERIMENT='x y' go build -tags=a`");
    }

    #[test]
    fn knows_only_upstreams_calls() {
        let known = |words: &[&str]| {
            Call { place: "scripts/build:1", environment: Vec::new(), words: words.to_vec() }.is_known()
        };
        assert!(known(&["cp", "-av", "manifests/a", "manifests/b", "pkg/deploy/embed/"]));
        assert!(known(&["rm", "-rf", "build/data"]));
        let edit = "s/package main/package flannel/; s/func main/func Main/";
        assert!(known(&["sed", "-i", edit, "plugins/meta/flannel/*.go"]));
        for unknown in [
            &["cp", "-av", "manifests/a", "extra/b", "pkg/deploy/embed/"][..],
            &["cp", "-av", "manifests/../x", "pkg/deploy/embed/"],
            &["cp", "tools/new", "bin/new"],
            &["mv", "bin/cni", "bin/cni2"],
            &["sed", "-i", "s/a/b/", "plugins/meta/flannel/*.go"],
            &["rm", "-rf", "build/data", "bin/aux"],
            &["patch", "-p1"],
            &["mkdir", "-p", "etc/new"],
        ] {
            assert!(!known(unknown), "{unknown:?}");
        }
    }
}
