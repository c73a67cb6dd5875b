//! The kinds of edits, and the pure core of each: a text and an edit result in a text or in a precise refusal.

use super::{BuiltFile, PAUSE_IMAGE, Values};
use crate::image::spots::{self, Spot};
use crate::prose::Prose;
use crate::reference::Reference;
use crate::tree_path::TreePath;
use anyhow::{Result, bail};
use serde::Deserialize;
use std::fmt;
use std::num::NonZeroUsize;

/// One change to a tree.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Edit {
    Image(ImageEdit),
    Text(TextEdit),
    Insert(InsertEdit),
    AddFile(AddFile),
    Diff(DiffEdit),
}

/// Replaces references to an image repository, whatever their tags.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageEdit {
    pub files: Vec<TreePath>,
    pub repository: Repository,
    /// Number of references in all the files together.
    pub count: NonZeroUsize,
    pub with: NewImage,
}

/// Replaces a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TextEdit {
    pub file: TreePath,
    pub find: Prose,
    pub count: NonZeroUsize,
    pub replace: String,
}

/// Inserts a text that is too long for a line of JSON.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InsertEdit {
    pub file: TreePath,
    /// The text that it is inserted before, which occurs once.
    pub before: Prose,
    /// A file beside the patch.
    pub from: TreePath,
}

/// Adds a file that the tree does not have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddFile {
    pub file: TreePath,
    pub from: SourceFile,
}

/// Source of an added file's content.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum SourceFile {
    /// A file beside the patch.
    File(TreePath),
    /// A file that the build makes.
    #[serde(rename = "part")]
    Built(BuiltFile),
}

/// Applies a unified diff beside the patch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiffEdit {
    pub from: TreePath,
}

/// An image repository to search for, without registry prefix and tag.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Repository(String);

impl TryFrom<String> for Repository {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Repository> {
        if !spots::is_repository(&text) {
            bail!("{text:?} is not a repository such as \"rancher/mirrored-pause\", without a tag");
        }
        Ok(Repository(text))
    }
}

/// The reference that replaces another one.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum NewImage {
    /// `{pause_image}`
    PauseImage,
    Given(Reference),
}

impl TryFrom<String> for NewImage {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<NewImage> {
        if text == PAUSE_IMAGE {
            Ok(NewImage::PauseImage)
        } else {
            Reference::parse(&text).map(NewImage::Given)
        }
    }
}

/// Reason why an edit does not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such file.
    NoFile(TreePath),
    /// The file to be added exists.
    Occupied(TreePath),
    /// One of two files is to be below the other.
    Nested { file: TreePath, below: TreePath },
    /// The file is not UTF-8.
    NotText(TreePath),
    /// The text or reference does not occur as often as declared.
    Count { needle: String, files: Vec<TreePath>, declared: usize, at: Vec<String>, nearest: Option<String> },
    /// A diff does not fit.
    Diff { file: String, reason: String, nearest: Option<String> },
}

impl std::error::Error for Refusal {}

impl TextEdit {
    /// Returns the text with every occurrence replaced, if there are as many as declared.
    pub fn apply(&self, text: &str, values: &Values) -> Result<String, Refusal> {
        let find: &str = &self.find;
        let line = |offset| text[..offset].matches('\n').count() + 1;
        let at: Vec<String> =
            text.match_indices(find).map(|(offset, _)| format!("{}:{}", self.file, line(offset))).collect();
        if at.len() != self.count.get() {
            let nearest = nearest(&[(&self.file, text)], missing_line(find, text));
            let files = vec![self.file.clone()];
            return Err(Refusal::count(find, files, self.count, at, nearest));
        }
        Ok(text.replace(find, &values.expand(&self.replace)))
    }
}

impl InsertEdit {
    /// Returns the replacement that inserts this text.
    pub fn replacement(&self, text: &str) -> TextEdit {
        let replace = format!("{text}{}", &*self.before);
        TextEdit { file: self.file.clone(), find: self.before.clone(), count: NonZeroUsize::MIN, replace }
    }
}

impl ImageEdit {
    /// Returns the texts with every reference replaced, if there are as many as declared in all of them.
    pub fn apply(&self, texts: &[(&TreePath, &str)], values: &Values) -> Result<Vec<String>, Refusal> {
        let Repository(repository) = &self.repository;
        let of_repository = |text| -> Vec<Spot<'_>> {
            spots::spots(text).into_iter().filter(|spot| spot.repository == repository).collect()
        };
        let found: Vec<_> = texts.iter().map(|(_, text)| of_repository(text)).collect();
        if found.iter().map(Vec::len).sum::<usize>() != self.count.get() {
            let at = texts
                .iter()
                .zip(&found)
                .flat_map(|((file, _), spots)| spots.iter().map(move |spot| format!("{file}:{}", spot.line)));
            let at = at.collect();
            return Err(Refusal::count(
                repository,
                self.files.clone(),
                self.count,
                at,
                nearest(texts, repository),
            ));
        }
        let reference = match &self.with {
            NewImage::PauseImage => &values.pause_image,
            NewImage::Given(reference) => reference,
        };
        Ok(texts
            .iter()
            .zip(&found)
            .map(|((_, text), spots)| spots::replace(text, spots, reference))
            .collect())
    }
}

impl Refusal {
    fn count(
        needle: &str,
        files: Vec<TreePath>,
        declared: NonZeroUsize,
        at: Vec<String>,
        nearest: Option<String>,
    ) -> Refusal {
        Refusal::Count { needle: needle.to_owned(), files, declared: declared.get(), at, nearest }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoFile(file) => write!(f, "{file}: there is no such file"),
            Refusal::Occupied(file) => write!(f, "{file}: is to be added, but exists"),
            Refusal::Nested { file, below } => {
                write!(f, "{below}: cannot be there beside {file}, which is a file and no directory")
            }
            Refusal::NotText(file) => write!(f, "{file}: is not UTF-8 text"),
            Refusal::Count { needle, files, declared, at, nearest } => {
                let files: Vec<&str> = files.iter().map(TreePath::as_str).collect();
                let (files, declared, found) = (files.join(", "), times(*declared), times(at.len()));
                write!(f, "{files}: {needle:?} is expected {declared} and occurs {found}")?;
                at.iter().try_for_each(|place| write!(f, ", {place}"))?;
                if at.is_empty() { write_nearest(f, nearest.as_deref()) } else { Ok(()) }
            }
            Refusal::Diff { file, reason, nearest } => {
                write!(f, "{file}: {reason}")?;
                write_nearest(f, nearest.as_deref())
            }
        }
    }
}

fn times(count: usize) -> String {
    match count {
        0 => "not at all".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

fn write_nearest(f: &mut fmt::Formatter<'_>, nearest: Option<&str>) -> fmt::Result {
    match nearest {
        Some(place) => write!(f, "; nearest is {place}"),
        None => f.write_str("; nothing there resembles it"),
    }
}

/// Returns the line to look for if a text of several lines is not found: its first one that is missing.
fn missing_line<'n>(needle: &'n str, text: &str) -> &'n str {
    let mut lines = needle.lines().filter(|line| !line.trim().is_empty());
    lines.clone().find(|line| !text.contains(line)).or_else(|| lines.next()).unwrap_or(needle)
}

/// Returns the line most similar to a text, as `file:line: text`, if any is similar. A text that is one word of a
/// line, such as a repository, is compared with the words.
pub(super) fn nearest(texts: &[(&TreePath, &str)], needle: &str) -> Option<String> {
    /// Below this share of common letter pairs (Sørensen and Dice) two texts have little in common.
    const ALIKE: f64 = 0.4;
    let needle = needle.trim();
    let likeness = |line: &str| {
        let words = line.split(|c: char| c.is_whitespace() || "\"'`:,".contains(c));
        let wholes = std::iter::once(line.trim()).chain(words.filter(|word| !word.is_empty()));
        wholes.map(|part| strsim::sorensen_dice(part, needle)).fold(0.0, f64::max)
    };
    let lines = texts.iter().flat_map(|(file, text)| {
        text.lines().enumerate().map(move |(index, line)| (likeness(line), *file, index + 1, line))
    });
    let best = lines.reduce(|best, next| if next.0 > best.0 { next } else { best });
    let (likeness, file, line, text) = best?;
    (likeness >= ALIKE).then(|| format!("{file}:{line}: {}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values { pause_image: Reference::parse("me/pause:v1").unwrap(), releases: None }
    }

    fn text_edit(find: &str, count: usize, replace: &str) -> TextEdit {
        let edit = serde_json::json!({ "file": "run.go", "find": find, "count": count, "replace": replace });
        serde_json::from_value(edit).unwrap()
    }

    fn image_edit(count: usize) -> ImageEdit {
        let edit = serde_json::json!({
            "files": ["a.go", "b.go"],
            "repository": "rancher/mirrored-pause",
            "count": count,
            "with": PAUSE_IMAGE,
        });
        serde_json::from_value(edit).unwrap()
    }

    fn path(text: &str) -> TreePath {
        TreePath::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn replaces_declared_number_of_texts() {
        let edit = text_edit("two", 2, "{pause_image}");
        assert_eq!(
            edit.apply("one two two {three}", &values()).unwrap(),
            "one me/pause:v1 me/pause:v1 {three}"
        );
    }

    #[test]
    fn inserts_before_a_text_that_occurs_once() {
        let insert: InsertEdit =
            serde_json::from_str(r#"{"file": "run.go", "before": "two\n", "from": "x/a.txt"}"#).unwrap();
        let edit = insert.replacement("{releases}\n");
        let url = "https://releases.invalid";
        assert_eq!(edit.apply("one\ntwo\n", &values()).unwrap(), format!("one\n{url}\ntwo\n"));
        assert!(edit.apply("two\ntwo\n", &values()).is_err());
    }

    #[test]
    fn missing_text_is_refused_with_nearest_line() {
        let edit = text_edit("\treturn PreloadImages(ctx, cfg)\n", 1, "");
        let text = "func Run() error {\n\treturn preloadImages(ctx, cfg)\n}\n";
        assert_eq!(
            edit.apply(text, &values()).unwrap_err().to_string(),
            "run.go: \"\\treturn PreloadImages(ctx, cfg)\\n\" is expected once and occurs not at all; \
             nearest is run.go:2: return preloadImages(ctx, cfg)"
        );
        let error = edit.apply("quite\nother\n", &values()).unwrap_err().to_string();
        assert!(error.ends_with("; nothing there resembles it"), "{error}");
    }

    #[test]
    fn frequent_text_is_refused_with_its_lines() {
        let error = text_edit("go(x)", 1, "y").apply("go(x)\nno\ngo(x)\n", &values()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "run.go: \"go(x)\" is expected once and occurs twice, run.go:1, run.go:3"
        );
    }

    #[test]
    fn looks_for_missing_line_of_several() {
        let error = text_edit("begin\n\tmiddle(1)\nend", 1, "").apply("begin\n\tmiddle(2)\nend\n", &values());
        assert!(error.unwrap_err().to_string().ends_with("nearest is run.go:2: middle(2)"));
    }

    #[test]
    fn counts_references_in_all_files() {
        let (a, b) = (path("a.go"), path("b.go"));
        let here = "x = \"rancher/mirrored-pause:3.6\"\n";
        let texts = [(&a, here), (&b, here)];
        let replaced = "x = \"me/pause:v1\"\n";
        assert_eq!(image_edit(2).apply(&texts, &values()).unwrap(), [replaced, replaced]);
        let error = image_edit(1).apply(&texts, &values()).unwrap_err().to_string();
        assert!(error.contains("is expected once and occurs twice, a.go:1, b.go:1"), "{error}");
    }

    #[test]
    fn missing_reference_is_refused_with_nearest() {
        let (a, b) = (path("a.go"), path("b.go"));
        let texts = [(&a, "package x\n"), (&b, "\tValue:  \"rancher/mirrored-pauses:3.6\",\n")];
        let error = image_edit(1).apply(&texts, &values()).unwrap_err().to_string();
        assert!(error.ends_with("nearest is b.go:1: Value:  \"rancher/mirrored-pauses:3.6\","), "{error}");
    }

    #[test]
    fn rejects_unusable_edits_when_reading() {
        let read = |edit: &str| serde_json::from_str::<Edit>(edit).unwrap_err().to_string();
        for (edit, fault) in [
            (r#"{"text": {"file": "a", "find": " \n", "count": 1, "replace": ""}}"#, "has to say something"),
            (r#"{"text": {"file": "a", "find": "x", "count": 0, "replace": ""}}"#, "nonzero"),
            (r#"{"text": {"file": "../a", "find": "x", "count": 1, "replace": ""}}"#, "inside the tree"),
            (r#"{"text": {"file": "a", "find": "x", "replace": ""}}"#, "missing field `count`"),
            (
                r#"{"image": {"files": ["a"], "repository": "a/b:1", "count": 1, "with": "c/d:1"}}"#,
                "without a tag",
            ),
            (r#"{"image": {"files": ["a"], "repository": "a/b", "count": 1, "with": "{pause}"}}"#, "{pause}"),
            (r#"{"add-file": {"file": "a", "from": {"file": "/etc/passwd"}}}"#, "inside the tree"),
            (r#"{"add-file": {"file": "a", "from": {"parts": "x"}}}"#, "unknown variant `parts`"),
            (r#"{"diff": {"from": "x.patch", "fuzz": 2}}"#, "unknown field `fuzz`"),
            (r#"{"insert": {"file": "a", "before": "x"}}"#, "missing field `from`"),
            (r#"{"delete": {"file": "a"}}"#, "unknown variant `delete`"),
        ] {
            let error = read(edit);
            assert!(error.contains(fault) && error.contains("line 1"), "{edit}: {error}");
        }
    }
}
