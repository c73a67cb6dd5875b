//! Unified diffs, read and applied by git2.
//!
//! libgit2 applies a hunk only at the line that the diff names and only if every line of context is the same: there is
//! neither fuzz nor offset. Nothing here needs a repository on the disk.

use super::edit::{Refusal, nearest};
use super::tree::{File, Tree};
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, bail};
use git2::{
    ApplyOptions, Delta, Diff, DiffDelta, ErrorCode, FileMode, Index, IndexEntry, IndexTime, Odb, Patch,
    Repository,
};

/// Checks that a text is a diff whose files are inside the tree, and that it makes no links.
///
/// libgit2 needs git's headers, and passes over lines that it does not take for one, so all of them are counted.
pub(super) fn check(text: &[u8]) -> Result<()> {
    require_form_of_git(text)?;
    let text = without_prose(text);
    let heads = |mark: &[u8]| text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(mark)).count();
    let diff = Diff::from_buffer(&text).context("reading it as a unified diff")?;
    let mut hunks = 0;
    for index in 0..diff.deltas().len() {
        hunks += Patch::from_diff(&diff, index)?.map_or(0, |patch| patch.num_hunks());
    }
    if (diff.deltas().len(), hunks) != (heads(HEAD), heads(b"@@")) {
        bail!(
            "of its {} files and {} hunks only {} and {hunks} are well-formed",
            heads(HEAD),
            heads(b"@@"),
            diff.deltas().len()
        );
    }
    for delta in diff.deltas() {
        old_path(&delta)?;
        new_path(&delta)?;
        if matches!(delta.new_file().mode(), FileMode::Link | FileMode::Commit | FileMode::Tree) {
            bail!("makes a symbolic link or a submodule, and patches change files only");
        }
    }
    Ok(())
}

/// The line with which git begins the diff of a file.
const HEAD: &[u8] = b"diff --git ";

/// Refuses a diff in a form that `git apply` would refuse, too, and names the setting or the tool that made it so.
fn require_form_of_git(text: &[u8]) -> Result<()> {
    let heads = || text.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(HEAD));
    if heads().next().is_none() {
        if text.contains(&b'\x1b') {
            bail!("it has a terminal's colour codes: make it again with `git diff --no-color`");
        }
        bail!(
            "no line begins with \"diff --git\": make the diff with `git diff`, \
             or `git diff --no-index OLD NEW`"
        );
    }
    if heads().any(|names| names.ends_with(b"\r")) {
        bail!(
            "its lines end with CR LF, as an editor or a mail program has written them\n  \
             Make it again, or remove the CRs: sed -i 's/\\r$//' FILE"
        );
    }
    // With prefixes the two names differ, in `a/` and `b/`.
    let same = |names: &[u8]| {
        let (old, new) = names.split_at(names.len() / 2);
        new.strip_prefix(b" ") == Some(old)
    };
    if let Some(names) = heads().find(|names| same(names)) {
        bail!(
            "\"diff --git {}\" has no prefixes a/ and b/, as git's setting diff.noprefix leaves them out\n  \
             Make it again: git -c diff.noprefix=false diff",
            String::from_utf8_lossy(names)
        );
    }
    Ok(())
}

/// Returns a diff with its prose blank, before it and between the mails of `git format-patch`: a line of prose may look
/// like one of a diff. Lines keep their numbers.
fn without_prose(text: &[u8]) -> Vec<u8> {
    let mut in_diff = false;
    let mut kept = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        // A mail begins with `From`, and no line of a diff does.
        in_diff = line.starts_with(HEAD) || in_diff && !line.starts_with(b"From ");
        kept.extend_from_slice(if in_diff { line } else { b"\n" });
    }
    kept
}

/// Returns the text before the diff itself, where `git format-patch` and users write the reason.
pub(super) fn prose(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let before = text.lines().take_while(|line| !line.starts_with("diff --git "));
    before.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// Applies a diff that has been checked, file by file.
pub(super) fn apply(text: &[u8], tree: &mut Tree<'_>) -> Result<()> {
    let diff = Diff::from_buffer(&without_prose(text)).context("reading a unified diff")?;
    for (index, delta) in diff.deltas().enumerate() {
        let (old, new) = (old_path(&delta)?, new_path(&delta)?);
        let before = match &old {
            Some(path) => Some(tree.read(path)?.ok_or_else(|| Refusal::NoFile(path.clone()))?),
            None => None,
        };
        if let Some(path) = new.as_ref().filter(|path| old.as_ref() != Some(path))
            && tree.read(path)?.is_some()
        {
            return Err(Refusal::Occupied(path.clone()).into());
        }
        let after = apply_one(&diff, index, old.as_ref().zip(before.as_ref()), new.as_ref())?;
        if let Some(path) = &old {
            tree.set(path, None)?;
        }
        if let Some(path) = &new {
            tree.set(path, after)?;
        }
    }
    Ok(())
}

/// Applies one file of a diff; returns none if it is deleted.
fn apply_one(
    diff: &Diff<'_>,
    index: usize,
    before: Option<(&TreePath, &File)>,
    new: Option<&TreePath>,
) -> Result<Option<File>> {
    let patch = Patch::from_diff(diff, index).context("reading a unified diff")?;
    let mismatch = |reason: &str| -> anyhow::Error {
        let file = before.map(|(path, _)| path).or(new).map_or("", TreePath::as_str);
        let mismatch =
            before.zip(patch.as_ref()).and_then(|((path, file), patch)| first_mismatch(path, file, patch));
        let (reason, nearest) = match mismatch {
            Some((line, nearest)) => (format!("{reason}: {line}"), nearest),
            None => (reason.to_owned(), None),
        };
        Refusal::Diff { file: file.to_owned(), reason, nearest }.into()
    };
    let Some(new) = new else {
        let removed = patch.as_ref().map_or_else(Vec::new, |patch| removed_text(patch));
        let whole = before.is_some_and(|(_, file)| file.bytes == removed);
        return if whole {
            Ok(None)
        } else {
            Err(mismatch("is deleted, but is not what the diff says it is"))
        };
    };
    let repository = in_memory().context("making a place to apply a diff")?;
    let mut seen = 0;
    let mut only_this = |_: Option<DiffDelta<'_>>| {
        seen += 1;
        seen - 1 == index
    };
    let mut options = ApplyOptions::new();
    options.delta_callback(&mut only_this);
    let preimage = tree_of(&repository, before).context("handing git a file")?;
    let applied = match repository.apply_to_tree(&preimage, diff, Some(&mut options)) {
        Ok(applied) => applied,
        Err(error) if error.code() == ErrorCode::ApplyFail => return Err(mismatch(error.message())),
        Err(error) => return Err(anyhow::Error::new(error).context(format!("patching {new}"))),
    };
    let entry = applied
        .get_path(new.as_str().as_ref(), 0)
        .with_context(|| format!("applying a diff has not made {new}"))?;
    let bytes = repository.find_blob(entry.id).context("taking a file from git")?.content().to_vec();
    Ok(Some(File { bytes, executable: executable(diff, index, before) }))
}

/// Returns true if a file is executable afterwards: as the diff says, if it names a mode.
fn executable(diff: &Diff<'_>, index: usize, before: Option<(&TreePath, &File)>) -> bool {
    let delta = diff.get_delta(index);
    let mode = delta.map(|delta| (delta.old_file().mode(), delta.new_file().mode()));
    match (mode, before) {
        (Some((old, new)), Some((_, file))) if old == new => file.executable,
        (Some((_, FileMode::BlobExecutable)), _) => true,
        (Some((_, FileMode::Blob)), _) => false,
        (_, before) => before.is_some_and(|(_, file)| file.executable),
    }
}

/// Describes the first line of a diff's old text that is not where it should be, and finds the most similar line.
fn first_mismatch(path: &TreePath, file: &File, patch: &Patch<'_>) -> Option<(String, Option<String>)> {
    let text = String::from_utf8_lossy(&file.bytes);
    let lines: Vec<&str> = text.lines().collect();
    for hunk in 0..patch.num_hunks() {
        for line in 0..patch.num_lines_in_hunk(hunk).ok()? {
            let line = patch.line_in_hunk(hunk, line).ok()?;
            let (' ' | '-', Some(number)) = (line.origin(), line.old_lineno()) else { continue };
            let expected = String::from_utf8_lossy(line.content());
            let expected = expected.trim_end_matches(['\n', '\r']);
            let found = lines.get(number as usize - 1).copied();
            if found != Some(expected) {
                let found = found.map_or_else(|| "is not there".to_owned(), |found| format!("is {found:?}"));
                let mismatch = format!("line {number} should be {expected:?} and {found}");
                return Some((mismatch, nearest(&[(path, &text)], expected)));
            }
        }
    }
    None
}

fn removed_text(patch: &Patch<'_>) -> Vec<u8> {
    let mut removed = Vec::new();
    for hunk in 0..patch.num_hunks() {
        for line in 0..patch.num_lines_in_hunk(hunk).unwrap_or(0) {
            if let Ok(line) = patch.line_in_hunk(hunk, line)
                && line.origin() == '-'
            {
                removed.extend_from_slice(line.content());
            }
        }
    }
    removed
}

fn old_path(delta: &DiffDelta<'_>) -> Result<Option<TreePath>> {
    let absent = delta.status() == Delta::Added;
    if absent { Ok(None) } else { tree_path(&delta.old_file()).map(Some) }
}

fn new_path(delta: &DiffDelta<'_>) -> Result<Option<TreePath>> {
    let absent = delta.status() == Delta::Deleted;
    if absent { Ok(None) } else { tree_path(&delta.new_file()).map(Some) }
}

fn tree_path(file: &git2::DiffFile<'_>) -> Result<TreePath> {
    let path = file.path().and_then(|path| path.to_str()).context("a file of the diff has no UTF-8 name")?;
    TreePath::try_from(path.to_owned())
}

/// Creates a repository that exists only in memory.
fn in_memory() -> Result<Repository, git2::Error> {
    let objects = Odb::new()?;
    objects.add_new_mempack_backend(1)?;
    Repository::from_odb(objects)
}

fn tree_of<'r>(
    repository: &'r Repository,
    file: Option<(&TreePath, &File)>,
) -> Result<git2::Tree<'r>, git2::Error> {
    let mut index = Index::new()?;
    if let Some((path, file)) = file {
        let time = IndexTime::new(0, 0);
        let mode = if file.executable { FileMode::BlobExecutable } else { FileMode::Blob };
        index.add(&IndexEntry {
            ctime: time,
            mtime: time,
            dev: 0,
            ino: 0,
            mode: mode.into(),
            uid: 0,
            gid: 0,
            file_size: 0,
            id: repository.blob(&file.bytes)?,
            flags: 0,
            flags_extended: 0,
            path: path.as_str().as_bytes().to_vec(),
        })?;
    }
    repository.find_tree(index.write_tree_to(repository)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err as fs;

    const TEXT: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";
    const DIFF: &str = "diff --git a/dir/file b/dir/file\n--- a/dir/file\n+++ b/dir/file\n\
                        @@ -3,3 +3,3 @@\n three\n-four\n+FOUR\n five\n";

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("dir")).unwrap();
        fs::write(directory.path().join("dir/file"), TEXT).unwrap();
        directory
    }

    fn path(text: &str) -> TreePath {
        TreePath::try_from(text.to_owned()).unwrap()
    }

    fn applied<'t>(diff: &str, directory: &'t tempfile::TempDir) -> Result<Tree<'t>, String> {
        check(diff.as_bytes()).map_err(|error| format!("{error:#}"))?;
        let mut tree = Tree::new(directory.path()).unwrap();
        match apply(diff.as_bytes(), &mut tree) {
            Ok(()) => Ok(tree),
            Err(error) => Err(error.downcast::<Refusal>().unwrap().to_string()),
        }
    }

    fn content(tree: &Tree<'_>, file: &str) -> Option<String> {
        tree.read(&path(file)).unwrap().map(|file| String::from_utf8(file.bytes).unwrap())
    }

    #[test]
    fn applies_matching_diff() {
        let directory = directory();
        let indexed = DIFF.replacen("\n---", "\nindex 1111111..2222222 100644\n---", 1);
        for diff in [DIFF.to_owned(), indexed, format!("Why it is there.\n\n{DIFF}-- \n2.47\n")] {
            let tree = applied(&diff, &directory).unwrap();
            assert_eq!(content(&tree, "dir/file").unwrap(), TEXT.replace("four", "FOUR"));
        }
    }

    #[test]
    fn reads_mails() {
        let directory = directory();
        let mail = |message: &str, diff: &str| {
            format!("From 1234 Mon Sep 17 00:00:00 2001\nSubject: x\n\n{message}\n---\n{diff}-- \n2.47.0\n\n")
        };
        let second = DIFF.replace("-four\n+FOUR", "-FOUR\n+4");
        let message = "@@ this hunk\n@@ -1 +1 @@\n--- a/dir/file\n+++ b/dir/file";
        let mails = mail(message, DIFF) + &mail(message, &second);
        let tree = applied(&mails, &directory).unwrap();
        assert_eq!(content(&tree, "dir/file").unwrap(), TEXT.replace("four", "4"));
    }

    #[test]
    fn names_forms_that_git_rejects() {
        let coloured = DIFF.replacen("diff", "\u{1b}[1mdiff", 1);
        for (diff, cause) in [
            (DIFF.replace("a/dir", "dir").replace("b/dir", "dir"), "git -c diff.noprefix=false diff"),
            (DIFF.replace('\n', "\r\n"), "CR LF"),
            (coloured, "git diff --no-color"),
        ] {
            let error = check(diff.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(cause), "{error}");
        }
    }

    #[test]
    fn rejects_file_below_file() {
        let directory = directory();
        let add = "diff --git a/dir/file/x b/dir/file/x\nnew file mode 100644\n--- /dev/null\n\
                   +++ b/dir/file/x\n@@ -0,0 +1 @@\n+x\n";
        let error = applied(add, &directory).err().unwrap();
        assert!(error.contains("dir/file/x: cannot be there beside dir/file"), "{error}");
    }

    #[test]
    fn other_context_is_refused_with_nearest_line() {
        let directory = directory();
        let error = applied(&DIFF.replace(" five", " fife"), &directory).err().unwrap();
        let expected = "dir/file: hunk at line 3 did not apply: line 5 should be \"fife\" and is \"five\"";
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn other_line_is_refused_with_the_right_one() {
        let directory = directory();
        let error = applied(&DIFF.replace("@@ -3,3 +3,3 @@", "@@ -2,3 +2,3 @@"), &directory).err().unwrap();
        assert!(
            error.contains("line 2 should be \"three\" and is \"two\"; nearest is dir/file:3: three"),
            "{error}"
        );
    }

    #[test]
    fn adds_deletes_and_renames_files() {
        let directory = directory();
        let add =
            "diff --git a/new b/new\nnew file mode 100755\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n";
        let tree = applied(add, &directory).unwrap();
        assert!(tree.read(&path("new")).unwrap().unwrap().executable);
        fs::write(directory.path().join("new"), "x\n").unwrap();
        assert!(applied(add, &directory).err().unwrap().contains("but exists"));

        let delete =
            "diff --git a/new b/new\ndeleted file mode 100644\n--- a/new\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n";
        assert_eq!(content(&applied(delete, &directory).unwrap(), "new"), None);
        fs::write(directory.path().join("new"), "x\ny\n").unwrap();
        assert!(applied(delete, &directory).err().unwrap().contains("is not what the diff says"));

        let rename =
            "diff --git a/dir/file b/other\nsimilarity index 100%\nrename from dir/file\nrename to other\n";
        let tree = applied(rename, &directory).unwrap();
        assert_eq!((content(&tree, "dir/file"), content(&tree, "other")), (None, Some(TEXT.to_owned())));
    }

    #[test]
    fn names_mismatching_file_of_two() {
        let directory = directory();
        fs::write(directory.path().join("zoo"), "a\n").unwrap();
        let both = format!("{DIFF}diff --git a/zoo b/zoo\n--- a/zoo\n+++ b/zoo\n@@ -1 +1 @@\n-b\n+c\n");
        assert!(applied(&both, &directory).err().unwrap().starts_with("zoo: "));
        let both = both.replace("-b", "-a");
        let tree = applied(&both, &directory).unwrap();
        assert_eq!(content(&tree, "zoo").unwrap(), "c\n");
        assert!(applied(&both.replace("zoo", "zebra"), &directory).err().unwrap().contains("no such file"));
    }

    #[test]
    fn rejects_unusable_diffs_when_reading() {
        let link = "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n\
                    @@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n";
        for (bad, fault) in [
            ("just words\n", "git diff"),
            ("", "git diff"),
            (DIFF.split_once('\n').unwrap().1, "git diff"),
            (DIFF.strip_suffix(" five\n").unwrap(), "expected 3 old lines and 3 new lines"),
            (&DIFF.replace("@@ -3", "@@ -three"), "line 4"),
            (&format!("{DIFF}@@ 40 @@\n-x\n+y\n"), "of its 1 files and 2 hunks only 1 and 1"),
            (&format!("{DIFF}diff --git a/zoo\n"), "of its 2 files and 1 hunks only 1 and 1"),
            (&DIFF.replace("dir/file", "../file"), "inside the tree"),
            (&DIFF.replace("dir/file", "dir/../../file"), "inside the tree"),
            (&DIFF.replace("dir/file", ".git/config"), "inside the tree"),
            (link, "symbolic link"),
        ] {
            let error = format!("{:#}", check(bad.as_bytes()).expect_err(bad));
            assert!(error.contains(fault), "{bad:?}: {error}");
        }
    }

    #[test]
    fn reads_reason_before_diff() {
        assert_eq!(prose(format!("Why.\nMore.\n\n{DIFF}").as_bytes()), "Why.\nMore.");
        assert_eq!(prose(DIFF.as_bytes()), "");
    }
}
