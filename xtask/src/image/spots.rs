//! Finds image references in a text, and replaces each in the form in which it is written.
//!
//! k3s writes its references in four forms: a quoted string (Go, and YAML since v1.30), a plain YAML
//! value (before), a line of `image-list.txt`, and the pair `repository:` / `tag:` of a chart's values.
//! In manifests `%{SYSTEM_DEFAULT_REGISTRY}%` precedes the reference, in the list `docker.io/`.

use crate::reference::Reference;
use std::ops::Range;

/// The prefix that k3s' deploy controller replaces by the registry of `--system-default-registry`.
const SYSTEM_DEFAULT_REGISTRY: &str = "%{SYSTEM_DEFAULT_REGISTRY}%";
/// The registry that a reference without one means.
const DOCKER_HUB: &str = "docker.io/";

/// The form in which a reference is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Between two quotation marks of the same kind.
    Quoted,
    /// A YAML value without quotation marks, or a whole line.
    Plain,
    /// `repository:` and, on the next line at the same depth, `tag:`.
    Split,
}

/// A reference in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot<'t> {
    /// The line, counted from 1.
    pub line: usize,
    /// Text before the value on its line, without white space and quotation marks: `image:`.
    pub key: &'t str,
    pub form: Form,
    /// The name without `docker.io/` and tag.
    pub repository: &'t str,
    pub tag: &'t str,
    /// The range that is replaced: the reference, or the repository.
    name: Range<usize>,
    separate_tag: Option<Range<usize>>,
    /// Set if the name begins with `docker.io/`.
    hub: bool,
}

impl Spot<'_> {
    /// Returns the reference without `docker.io/`.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }
}

/// Returns every image reference of a text, in the order of the text.
///
/// A text is searched without knowing its language, so that anything that looks like `name:tag` in one of the forms
/// is found. The caller selects by repository or key.
pub fn spots(text: &str) -> Vec<Spot<'_>> {
    let mut found = Vec::new();
    let lines: Vec<Line> = lines(text).collect();
    for (index, line) in lines.iter().enumerate() {
        let quoted = quoted(text, line.whole.clone()).map(|value| (Form::Quoted, value));
        let values = quoted.chain(line.plain.clone().map(|value| (Form::Plain, value)));
        found.extend(values.filter_map(|(form, value)| {
            let name = behind_registry(text, value);
            // A digest belongs to the tag before it, and is replaced with it.
            let tagged = text[name.clone()].split("@sha256:").next()?;
            let (repository, tag) = tagged.rsplit_once(':').filter(|_| is_reference(tagged))?;
            let (repository, hub) = without_hub(repository);
            let (line, key) = (index + 1, line.key);
            Some(Spot { line, key, form, repository, tag, name, separate_tag: None, hub })
        }));
        found.extend(lines.get(index + 1).and_then(|next| split_spot(text, index + 1, line, next)));
    }
    found
}

/// Returns the reference that `repository:` and `tag:` make together.
fn split_spot<'t>(text: &'t str, number: usize, line: &Line<'t>, next: &Line<'t>) -> Option<Spot<'t>> {
    if line.key != "repository:" || next.key != "tag:" || next.depth != line.depth {
        return None;
    }
    let name = behind_registry(text, line.value(text)?);
    let tag = next.value(text)?;
    let (repository, hub) = without_hub(&text[name.clone()]);
    let spot = Spot {
        line: number,
        key: line.key,
        form: Form::Split,
        repository,
        tag: &text[tag.clone()],
        name,
        separate_tag: Some(tag),
        hub,
    };
    is_reference(&spot.reference()).then_some(spot)
}

/// Replaces the given references by another one.
///
/// `docker.io/` is kept, unless the new reference names a registry itself.
pub fn replace(text: &str, spots: &[Spot<'_>], reference: &Reference) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut copied = 0;
    for spot in spots {
        let whole = match reference.host() {
            None if spot.hub => reference.normalised(),
            _ => reference.as_str().to_owned(),
        };
        replaced.push_str(&text[copied..spot.name.start]);
        copied = spot.name.end;
        match &spot.separate_tag {
            None => replaced.push_str(&whole),
            Some(tag) => {
                replaced
                    .push_str(whole.rsplit_once(':').map_or(whole.as_str(), |(repository, _)| repository));
                replaced.push_str(&text[copied..tag.start]);
                replaced.push_str(reference.tag());
                copied = tag.end;
            }
        }
    }
    replaced.push_str(&text[copied..]);
    replaced
}

/// Returns true if this can be a repository: a name without tag and digest.
pub fn is_repository(text: &str) -> bool {
    !text.contains('@') && Reference::parse(&format!("{text}:tag")).is_ok()
}

fn is_reference(text: &str) -> bool {
    text.contains(':') && !text.contains(char::is_whitespace) && Reference::parse(text).is_ok()
}

/// Returns a value without the placeholder that stands for a registry.
fn behind_registry(text: &str, value: Range<usize>) -> Range<usize> {
    let whole = &text[value.clone()];
    value.end - whole.strip_prefix(SYSTEM_DEFAULT_REGISTRY).unwrap_or(whole).len()..value.end
}

fn without_hub(name: &str) -> (&str, bool) {
    name.strip_prefix(DOCKER_HUB).map_or((name, false), |bare| (bare, true))
}

/// A line, read as YAML would: `- key: value # comment`.
struct Line<'t> {
    whole: Range<usize>,
    depth: usize,
    key: &'t str,
    /// The value, if it is a single word without quotation marks.
    plain: Option<Range<usize>>,
}

impl Line<'_> {
    /// Returns the value, with quotation marks or without.
    fn value(&self, text: &str) -> Option<Range<usize>> {
        self.plain.clone().or_else(|| quoted(text, self.whole.clone()).next())
    }
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let whole = start..start + line.trim_end().len();
        start += line.len();
        let indented = &text[whole.clone()];
        let mut rest = indented.trim_start();
        while let Some(item) = rest.strip_prefix("- ") {
            rest = item.trim_start();
        }
        let depth = indented.len() - rest.len();
        let word = rest.split_whitespace().next().unwrap_or_default();
        let key = if word.ends_with(':') { word } else { "" };
        let value = rest[key.len()..].trim_start();
        let start = whole.end - value.len();
        let value = value.split(" #").next().unwrap_or_default().trim_end();
        let is_word = !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || "\"'`".contains(c));
        Line { whole, depth, key, plain: is_word.then(|| start..start + value.len()) }
    })
}

/// Returns the texts between two equal quotation marks. Any mark may be the opening one, since a text is read without
/// knowing its language; the caller ignores values that are no reference.
fn quoted(text: &str, line: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let marks = text[line.clone()].match_indices(['"', '\'', '`']);
    marks.filter_map(move |(at, mark)| {
        let start = line.start + at + 1;
        let length = text[start..line.end].find(mark)?;
        Some(start..start + length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns all references of one repository replaced, and how many there were.
    fn renamed(text: &str, repository: &str, reference: &str) -> (usize, String) {
        let all = spots(text);
        let ours: Vec<Spot> = all.into_iter().filter(|spot| spot.repository == repository).collect();
        (ours.len(), replace(text, &ours, &Reference::parse(reference).unwrap()))
    }

    fn pause(text: &str) -> (usize, String) {
        renamed(text, "rancher/mirrored-pause", "me/pause:v1")
    }

    #[test]
    fn replaces_go_string_with_any_tag() {
        for tag in ["3.6", "3.10.2", "v3_x-1"] {
            let text = format!("\tDefaultPauseImage  = \"rancher/mirrored-pause:{tag}\"\n");
            assert_eq!(pause(&text), (1, "\tDefaultPauseImage  = \"me/pause:v1\"\n".to_owned()));
        }
        let (count, text) =
            pause("\t\tValue:       \"rancher/mirrored-pause:3.6\",\n\tx := `rancher/mirrored-pause:1`");
        assert_eq!((count, text.as_str()), (2, "\t\tValue:       \"me/pause:v1\",\n\tx := `me/pause:v1`"));
    }

    #[test]
    fn replaces_quoted_and_plain_yaml_values() {
        for quote in ["", "\"", "'"] {
            let line =
                |name| format!("      - image: {quote}%{{SYSTEM_DEFAULT_REGISTRY}}%{name}{quote}  # why\n");
            assert_eq!(pause(&line("rancher/mirrored-pause:3.6")), (1, line("me/pause:v1")));
        }
        assert_eq!(pause("image: rancher/mirrored-pause:3.6").1, "image: me/pause:v1");
    }

    #[test]
    fn keeps_docker_hub_unless_registry_is_given() {
        let list = "docker.io/rancher/klipper-lb:v1\ndocker.io/rancher/mirrored-pause:3.6\n";
        let head = "docker.io/rancher/klipper-lb:v1\n";
        for (given, expected) in [
            ("me/pause:v1", "docker.io/me/pause:v1"),
            ("busybox:1.37.0", "docker.io/library/busybox:1.37.0"),
            ("r.example:5000/pause:v1", "r.example:5000/pause:v1"),
        ] {
            let (count, text) = renamed(list, "rancher/mirrored-pause", given);
            assert_eq!((count, text), (1, format!("{head}{expected}\n")));
        }
    }

    #[test]
    fn joins_repository_and_tag_lines() {
        for quote in ["", "\""] {
            let text = |name: &str, tag: &str| {
                format!(
                    "  image:\n    repository: {quote}{name}{quote}\n    tag: {quote}{tag}{quote}\n  x: y\n"
                )
            };
            let found = renamed(
                &text("rancher/mirrored-library-traefik", "2.11.8"),
                "rancher/mirrored-library-traefik",
                "traefik:2.11.10",
            );
            assert_eq!(found, (1, text("traefik", "2.11.10")));
        }
        let apart = "repository: a/b\n  tag: \"1\"\n";
        assert_eq!(renamed(apart, "a/b", "c/d:2"), (0, apart.to_owned()));
    }

    #[test]
    fn ignores_partial_references() {
        for other in [
            "\"my-rancher/mirrored-pause:3.6\"",
            "\"rancher/mirrored-pause-extra:3.6\"",
            "\"rancher/mirrored-pause:3.6 and more\"",
            "\"see rancher/mirrored-pause:3.6\"",
            "// rancher/mirrored-pause:3.6 is the default",
            "\"rancher/mirrored-pause\"",
            "\"rancher/mirrored-pause:\"",
            "\"quay.io/rancher/mirrored-pause:3.6\"",
            "image: x/rancher/mirrored-pause:3.6",
        ] {
            assert_eq!(pause(other), (0, other.to_owned()));
        }
    }

    #[test]
    fn digest_is_replaced_with_tag() {
        let text = format!("image: rancher/mirrored-pause:3.6@sha256:{}\n", "0".repeat(64));
        assert_eq!(pause(&text), (1, "image: me/pause:v1\n".to_owned()));
    }

    #[test]
    fn finds_line_key_and_form() {
        let text = "a:\n  image: \"x/y:1\"\n  repository: x/z\n  tag: 2\nq/r:3\n";
        let found: Vec<_> = spots(text).iter().map(|s| (s.line, s.key, s.form, s.reference())).collect();
        let expected = [
            (2, "image:", Form::Quoted, "x/y:1".to_owned()),
            (3, "repository:", Form::Split, "x/z:2".to_owned()),
            (5, "", Form::Plain, "q/r:3".to_owned()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn repository_has_no_tag_digest_or_space() {
        assert!(is_repository("rancher/mirrored-pause") && is_repository("r.example:5000/a/b"));
        for bad in ["", "a:1", "a@sha256:0", "a b", "/a", "a/", "A/b"] {
            assert!(!is_repository(bad), "{bad:?}");
        }
    }
}
