//! Changes as unified diffs, for users and for the documents of the product.

use super::tree::{Change, File};
use anyhow::{Context as _, Result};
use git2::{DiffOptions, Patch};

/// Renders a change as a unified diff that `git apply` and `patch -p1` accept.
///
/// The header is ours and the hunks are git's, because git2 cannot express that one of two texts is no
/// file at all, and because a diff made in a repository would depend on the user's git settings.
pub(super) fn render(change: &Change) -> Result<String> {
    let Change { path, before, after } = change;
    let bytes = |file: &Option<File>| file.as_ref().map_or_else(Vec::new, |file| file.bytes.clone());
    let mut options = DiffOptions::new();
    options.context_lines(3);
    let (old, new) = (bytes(before), bytes(after));
    let mut patch = Patch::from_buffers(&old, None, &new, None, Some(&mut options))
        .with_context(|| format!("comparing {path} before and after"))?;
    let mode = |file: &File| if file.executable { "100755" } else { "100644" };
    let mut text = format!("diff --git a/{path} b/{path}\n");
    match (before, after) {
        (None, Some(file)) => text.push_str(&format!("new file mode {}\n", mode(file))),
        (Some(file), None) => text.push_str(&format!("deleted file mode {}\n", mode(file))),
        (Some(old), Some(new)) if old.executable != new.executable => {
            text.push_str(&format!("old mode {}\nnew mode {}\n", mode(old), mode(new)));
        }
        _ => {}
    }
    let name = |side: &str, file: &Option<File>| {
        if file.is_some() { format!("{side}/{path}") } else { "/dev/null".to_owned() }
    };
    let (a, b) = (name("a", before), name("b", after));
    if patch.delta().flags().is_binary() {
        text.push_str(&format!("Binary files {a} and {b} differ\n"));
    } else if patch.num_hunks() > 0 {
        let whole = patch.to_buf().with_context(|| format!("writing the diff of {path}"))?;
        let whole = String::from_utf8_lossy(&whole);
        let hunks = whole.find("\n@@").map_or("", |at| &whole[at + 1..]);
        text.push_str(&format!("--- {a}\n+++ {b}\n{hunks}"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::diff;
    use crate::patch::tree::Tree;
    use crate::tree_path::TreePath;
    use fs_err as fs;

    const TEXT: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";

    fn path(text: &str) -> TreePath {
        TreePath::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn rendered_change_applies_again() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), TEXT).unwrap();
        let file = |text: &str, executable| Some(File { bytes: text.as_bytes().to_vec(), executable });
        for (before, after) in [
            (file(TEXT, false), file(&TEXT.replace("two", "2").replace("seven\n", "7"), false)),
            (None, file("new\n", true)),
            (file(TEXT, false), None),
        ] {
            let name = if before.is_some() { "file" } else { "made" };
            let text = render(&Change { path: path(name), before, after: after.clone() }).unwrap();
            diff::check(text.as_bytes()).unwrap();
            let mut tree = Tree::new(directory.path()).unwrap();
            assert!(diff::apply(text.as_bytes(), &mut tree).is_ok(), "{text}");
            assert_eq!(tree.read(&path(name)).unwrap(), after, "{text}");
        }
    }

    #[test]
    fn binary_file_is_shown_by_name() {
        let after = Some(File { bytes: vec![0, 1, 2], executable: false });
        let text = render(&Change { path: path("image.tar"), before: None, after }).unwrap();
        assert!(
            text.ends_with("new file mode 100644\nBinary files /dev/null and b/image.tar differ\n"),
            "{text}"
        );
    }
}
