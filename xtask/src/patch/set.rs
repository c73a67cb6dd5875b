//! The patches of this repository and of the user, read and checked before anything is touched.

use super::Values;
use super::diff;
use super::edit::{DiffEdit, Edit, InsertEdit, SourceFile};
use super::tree::Tree;
use crate::digest::Digest;
use crate::dir;
use crate::prose::Prose;
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Patches in the order in which they are applied: ours by name, then the user's by name.
#[derive(Debug)]
pub struct PatchSet {
    pub(super) patches: Vec<Patch>,
}

/// A patch, which is about one concern.
#[derive(Debug)]
pub(super) struct Patch {
    pub name: String,
    /// The file it was read from, for messages.
    pub origin: PathBuf,
    pub why: String,
    pub retire: Option<String>,
    pub when: Vec<Probe>,
    pub variants: Vec<Variant>,
    /// Files beside the patch that its edits name.
    pub attachments: BTreeMap<TreePath, Vec<u8>>,
    text: Vec<u8>,
}

/// The format of a `*.json` patch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchFile {
    name: Prose,
    why: Prose,
    #[serde(default)]
    when: Vec<Probe>,
    retire: Prose,
    #[serde(deserialize_with = "at_least_one")]
    variants: Vec<Variant>,
}

/// The edits for one layout of the tree.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variant {
    /// Description of the layout.
    pub layout: Prose,
    #[serde(deserialize_with = "at_least_one")]
    pub edits: Vec<Edit>,
}

/// A condition on the tree as upstream left it. Versions are never compared, because files move and changes are
/// backported.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Probe {
    Exists(TreePath),
    Contains(Contains),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contains {
    file: TreePath,
    text: Prose,
}

fn at_least_one<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(from)?;
    if list.is_empty() {
        return Err(serde::de::Error::invalid_length(0, &"at least one"));
    }
    Ok(list)
}

impl Probe {
    /// Returns the reason why a tree is not concerned, if it is not.
    pub fn unmet(&self, tree: &Tree<'_>) -> Result<Option<String>> {
        match self {
            Probe::Exists(path) => Ok(tree.read(path)?.is_none().then(|| format!("the tree has no {path}"))),
            Probe::Contains(Contains { file, text }) => {
                let read = tree.read(file)?;
                let met = read.is_some_and(|read| String::from_utf8_lossy(&read.bytes).contains(&**text));
                Ok((!met).then(|| format!("{file} does not contain {:?}", &**text)))
            }
        }
    }
}

impl PatchSet {
    /// Reads `patches/` below the repository's root and the directory of `--patches`.
    ///
    /// A directory contains `*.json` files; the user's may also contain unified diffs, `*.patch`. The files that they
    /// add or apply are in subdirectories.
    pub fn load(root: &Path, user: Option<&Path>) -> Result<PatchSet> {
        let mut patches = Vec::new();
        for file in patch_files(&root.join("patches"))? {
            match extension(&file) {
                "json" => patches.push(Patch::read(&file, file.strip_prefix(root).unwrap_or(&file))?),
                _ => bail!("{}: patches of this repository are *.json, with their why", file.display()),
            }
        }
        for file in user
            .map(patch_files)
            .transpose()
            .context("reading the directory of --patches")?
            .unwrap_or_default()
        {
            match extension(&file) {
                "json" => patches.push(Patch::read(&file, &file)?),
                "patch" => patches.push(Patch::read_diff(&file)?),
                _ => {
                    bail!("{} is neither a *.json nor a *.patch file, so it would be ignored", file.display())
                }
            }
        }
        for (index, patch) in patches.iter().enumerate() {
            if let Some(other) = patches[..index].iter().find(|other| other.name == patch.name) {
                bail!(
                    "two patches are called {:?}: {} and {}; rename one",
                    patch.name,
                    other.origin.display(),
                    patch.origin.display()
                );
            }
        }
        Ok(PatchSet { patches })
    }

    /// Returns the names of the patches, in the order in which they are applied.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.patches.iter().map(|patch| patch.name.as_str())
    }

    /// Returns the digest of everything that decides what the set does to a tree.
    pub fn digest(&self, values: &Values) -> Digest {
        let mut lines = vec![format!("pause image {}, releases {}", values.pause_image, values.releases())];
        for patch in &self.patches {
            lines.push(format!("patch {} {}", patch.name, Digest::of(&patch.text)));
            let attachments = patch.attachments.iter();
            lines.extend(attachments.map(|(path, bytes)| format!("file {path} {}", Digest::of(bytes))));
        }
        Digest::of(lines.join("\n"))
    }
}

impl Patch {
    /// Reads a `*.json` file and the files it names.
    fn read(file: &Path, origin: &Path) -> Result<Patch> {
        let parse = || -> Result<Patch> {
            let text = fs::read(file)?;
            let PatchFile { name, why, when, retire, variants } = serde_json::from_slice(&text)?;
            if file.file_stem().is_none_or(|stem| stem != &*name) {
                bail!("its `name` is {:?}, which is not the name of the file", &*name);
            }
            let directory = file.parent().context("a patch is in a directory")?;
            let attachments = attachments(&variants, directory)?;
            let [name, why, retire] = [name, why, retire].map(|text| text.to_string());
            let (origin, retire) = (origin.to_owned(), Some(retire));
            Ok(Patch { name, origin, why, retire, when, variants, attachments, text })
        };
        parse().with_context(|| format!("reading the patch {}", origin.display()))
    }

    /// Reads a user's unified diff; the text before the diff says why.
    fn read_diff(file: &Path) -> Result<Patch> {
        let parse = || -> Result<Patch> {
            let text = fs::read(file)?;
            diff::check(&text)?;
            let name = file.file_stem().and_then(|stem| stem.to_str()).context("its name is not UTF-8")?;
            let why = Some(diff::prose(&text)).filter(|prose| !prose.is_empty());
            let itself = TreePath::try_from(format!("{name}.patch"))?;
            let edits = vec![Edit::Diff(DiffEdit { from: itself.clone() })];
            Ok(Patch {
                name: name.to_owned(),
                origin: file.to_owned(),
                why: why.unwrap_or_else(|| "given with --patches; the diff says nothing more".to_owned()),
                retire: None,
                when: Vec::new(),
                variants: vec![Variant { layout: "the lines of the diff".to_owned().try_into()?, edits }],
                attachments: BTreeMap::from([(itself, text.clone())]),
                text,
            })
        };
        parse().with_context(|| format!("reading the patch {}", file.display()))
    }
}

/// Reads the files that edits name, and checks the diffs among them.
fn attachments(variants: &[Variant], directory: &Path) -> Result<BTreeMap<TreePath, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for edit in variants.iter().flat_map(|variant| &variant.edits) {
        let path = match edit {
            Edit::AddFile(added) => match &added.from {
                SourceFile::File(path) => path,
                SourceFile::Built(_) => continue,
            },
            Edit::Diff(DiffEdit { from }) | Edit::Insert(InsertEdit { from, .. }) => from,
            Edit::Image(_) | Edit::Text(_) => continue,
        };
        let bytes = fs::read(path.below(directory)?)?;
        if let Edit::Diff(_) = edit {
            diff::check(&bytes).with_context(|| format!("reading its diff {path}"))?;
        }
        found.insert(path.clone(), bytes);
    }
    Ok(found)
}

/// Returns the files at the top of a directory, sorted, without hidden ones and explanations (`*.md`).
fn patch_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = dir::entries(directory)?;
    let is_hidden =
        |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    files.retain(|path| !path.is_dir() && !is_hidden(path) && extension(path) != "md");
    Ok(files)
}

fn extension(file: &Path) -> &str {
    file.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Reference;

    const PATCH: &str = r#"{
  "name": "greet",
  "why": "Because.",
  "when": [{ "exists": "main.go" }],
  "retire": "Never.",
  "variants": [
    {
      "layout": "the only one",
      "edits": [
        { "text": { "file": "main.go", "find": "hi", "count": 1, "replace": "hello" } },
        { "add-file": { "file": "new.go", "from": { "file": "greet/new.go" } } }
      ]
    }
  ]
}
"#;
    const DIFF: &str =
        "diff --git a/main.go b/main.go\n--- a/main.go\n+++ b/main.go\n@@ -1 +1 @@\n-hi\n+ho\n";

    /// Returns a repository whose `patches/` holds these files, and beside it a directory `user`.
    fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in
            [("patches/greet/new.go", "package x\n"), ("user/README.md", "")].iter().chain(files)
        {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    fn refusal(files: &[(&str, &str)]) -> String {
        let root = repository(files);
        format!("{:#}", PatchSet::load(root.path(), Some(&root.path().join("user"))).unwrap_err())
    }

    #[test]
    fn committed_patches_are_well_formed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let set = PatchSet::load(root, None).unwrap();
        assert_eq!(
            set.names().collect::<Vec<_>>(),
            [
                "builtin-images",
                "cgroup-v1",
                "install-architecture",
                "install-channels",
                "install-location",
                "pause-image",
                "tcpproxy"
            ]
        );
    }

    #[test]
    fn user_patches_come_last() {
        let root = repository(&[
            ("patches/greet.json", PATCH),
            ("user/a.json", &PATCH.replace("\"greet\"", "\"a\"")),
            ("user/b.patch", &format!("A reason.\n{DIFF}")),
            ("user/greet/new.go", ""),
        ]);
        let set = PatchSet::load(root.path(), Some(&root.path().join("user"))).unwrap();
        assert_eq!(set.names().collect::<Vec<_>>(), ["greet", "a", "b"]);
        assert_eq!(set.patches[2].why, "A reason.");
    }

    #[test]
    fn malformed_file_is_named_with_line() {
        for (from, to, fault, line) in [
            ("\"retire\"", "\"retires\"", "unknown field `retires`", 5),
            ("\"find\"", "\"search\"", "unknown field `search`", 10),
            ("\"Because.\"", "\"  \"", "has to say something", 3),
            ("\"exists\"", "\"version\"", "unknown variant `version`", 4),
            ("\"main.go\", \"find\"", "\"../main.go\", \"find\"", "not a path inside the tree", 10),
            ("\"count\": 1", "\"count\": \"one\"", "invalid type: string", 10),
            ("{ \"file\": \"greet/new.go\" }", "{ \"part\": \"x\" }", "unknown variant `x`", 11),
            ("\"name\": \"greet\",", "", "missing field `name`", 15),
            ("\"why\"", "why", "key must be a string", 3),
        ] {
            let error = refusal(&[("patches/greet.json", &PATCH.replacen(from, to, 1))]);
            assert!(error.starts_with("reading the patch patches/greet.json: "), "{error}");
            assert!(error.contains(fault) && error.contains(&format!("line {line} ")), "{error}");
        }
        let empty = r#"{"name": "greet", "why": "x", "retire": "x", "variants": []}"#;
        assert!(refusal(&[("patches/greet.json", empty)]).contains("expected at least one at line 1"));
    }

    #[test]
    fn rejects_wrong_and_duplicate_names() {
        let error = refusal(&[("patches/other.json", PATCH)]);
        assert!(error.contains("its `name` is \"greet\""), "{error}");
        let error = refusal(&[("patches/greet.json", PATCH), ("user/greet.patch", DIFF)]);
        assert!(error.contains("two patches are called \"greet\": patches/greet.json and "), "{error}");
    }

    #[test]
    fn rejects_unknown_files() {
        assert!(refusal(&[("user/fix.diff", DIFF)]).contains("fix.diff is neither a *.json nor a *.patch"));
        assert!(refusal(&[("patches/fix.patch", DIFF)]).contains("are *.json, with their why"));
        let root = repository(&[]);
        let error = PatchSet::load(root.path(), Some(&root.path().join("nowhere"))).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("--patches") && error.contains("nowhere"), "{error}");
    }

    #[test]
    fn rejects_missing_and_malformed_attachments() {
        let error = refusal(&[("patches/greet.json", &PATCH.replace("greet/new.go", "greet/old.go"))]);
        assert!(error.contains("patches/greet.json") && error.contains("greet/old.go"), "{error}");
        let with_diff =
            PATCH.replace("{ \"add-file\"", "{ \"diff\": { \"from\": \"greet/new.go\" } }, { \"add-file\"");
        let error = refusal(&[("patches/greet.json", &with_diff)]);
        assert!(error.contains("reading its diff greet/new.go"), "{error}");
        let error = refusal(&[("user/b.patch", &DIFF.replace("@@ -1", "@@ -one"))]);
        assert!(error.contains("b.patch") && error.contains("line 4"), "{error}");
    }

    #[test]
    fn digest_covers_everything_that_is_applied() {
        let digest = |files: &[(&str, &str)], values: &Values| {
            let root = repository(files);
            PatchSet::load(root.path(), None).unwrap().digest(values)
        };
        let image = |text| Reference::parse(text).unwrap();
        let values = Values { pause_image: image("a/b:1"), releases: None };
        let first = digest(&[("patches/greet.json", PATCH)], &values);
        assert_eq!(first, digest(&[("patches/greet.json", PATCH), ("patches/README.md", "x")], &values));
        let mut others = vec![
            digest(&[("patches/greet.json", &PATCH.replace("hello", "hallo"))], &values),
            digest(&[("patches/greet.json", PATCH), ("patches/greet/new.go", "package y\n")], &values),
            digest(&[], &values),
        ];
        let other_image = Values { pause_image: image("a/b:2"), ..values.clone() };
        let other_releases =
            Values { releases: Some("https://host.example".parse().unwrap()), ..values.clone() };
        for values in [other_image, other_releases] {
            others.push(digest(&[("patches/greet.json", PATCH)], &values));
        }
        others.push(first);
        others.sort();
        others.dedup();
        assert_eq!(others.len(), 6);
    }
}
