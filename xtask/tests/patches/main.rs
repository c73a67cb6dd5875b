//! Tests of the committed patches on trees in the shape of every era of k3s, and of the errors on trees that they
//! do not fit.

mod eras;

use eras::{CONSTANT, CONTAINERD, ERAS, FLAG, KUBELET, Kubelet, PRELOAD, Pause};
use fs_err as fs;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;
use xtask::patch::{BuiltFile, Outcome, PatchSet, Values};
use xtask::reference::Reference;

const PAUSE: &str = "carvicsforth/pause:v3.10-v1.31.1";

fn tree<N: AsRef<Path>>(files: &BTreeMap<N, String>) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(directory.path(), name.as_ref(), text);
    }
    directory
}

fn write(directory: &Path, name: impl AsRef<Path>, text: &str) {
    let file = directory.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// Returns every file of a tree, byte for byte.
fn content(tree: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(tree).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| !entry.file_type().is_dir());
    files
        .map(|entry| {
            let name = entry.path().strip_prefix(tree).unwrap().to_str().unwrap().to_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn text(tree: &TempDir, name: &str) -> String {
    fs::read_to_string(tree.path().join(name)).unwrap()
}

fn values() -> Values {
    Values { pause_image: Reference::parse(PAUSE).unwrap(), releases: None }
}

/// Returns the patches of this repository.
fn committed() -> PatchSet {
    PatchSet::load(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap(), None).unwrap()
}

/// Returns a set of the given patches only.
fn set(patches: &[(&str, String)]) -> PatchSet {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in patches {
        write(root.path(), Path::new("patches").join(name), text);
    }
    PatchSet::load(root.path(), None).unwrap()
}

/// Returns a patch of one edit in each variant.
fn patch(name: &str, variants: &[&str]) -> (String, String) {
    let variant = |(index, edit)| format!("{{\"layout\": \"layout {index}\", \"edits\": [{edit}]}}");
    let variants: Vec<String> = variants.iter().enumerate().map(variant).collect();
    let variants = variants.join(",");
    let head = format!("\"name\": \"{name}\", \"why\": \"a test\", \"retire\": \"now\"");
    let text = format!("{{{head}, \"variants\": [{variants}]}}");
    (format!("{name}.json"), text)
}

fn replacing(file: &str, find: &str, replace: &str) -> String {
    serde_json::json!({ "text": { "file": file, "find": find, "count": 1, "replace": replace } }).to_string()
}

/// Returns the error with which a set is refused, and checks that the tree did not change.
fn refusal(set: &PatchSet, tree: &TempDir, values: &Values) -> String {
    let before = content(tree.path());
    let error = format!("{:#}", set.apply(tree.path(), values).expect_err("the set does not fit"));
    assert_eq!(before, content(tree.path()), "a refused set has changed the tree");
    error
}

fn layouts(outcome: &Outcome) -> BTreeMap<&str, &str> {
    outcome.applied.iter().map(|patch| (patch.name.as_str(), patch.layout.as_str())).collect()
}

#[test]
fn each_layout_has_its_variant() {
    for era in ERAS {
        let tree = era.tree();
        let outcome = committed().apply(tree.path(), &values()).unwrap();
        let (place, layout) = match era.pause {
            Pause::Constant => (CONSTANT, "the constant DefaultPauseImage"),
            Pause::Flag(_) => (FLAG, "the default of the flag"),
        };
        let applied = layouts(&outcome);
        assert!(applied["pause-image"].starts_with(layout), "{}", era.name);
        assert!(applied["builtin-images"].starts_with(PRELOAD), "{}", era.name);
        assert_eq!(applied.contains_key("tcpproxy"), era.dead_module, "{}", era.name);
        let has_setting = era.kubelet == Kubelet::Configuration;
        assert_eq!(applied.contains_key("cgroup-v1"), has_setting, "{}", era.name);
        assert_eq!(
            text(&tree, KUBELET).contains("\tallowCgroupV1(defaultConfig)\n"),
            has_setting,
            "{}",
            era.name
        );

        assert!(text(&tree, place).contains(&format!("\"{PAUSE}\"")), "{}", era.name);
        let call = format!("\tstageBuiltinImages(cfg)\n\treturn {}(ctx, cfg)\n", PRELOAD);
        assert!(text(&tree, CONTAINERD).contains(&call), "{}", era.name);
        let archives = [
            ("pkg/agent/containerd/k3s-builtin-images.tar.zst".to_owned(), BuiltFile::BuiltinImages),
            ("pkg/agent/containerd/k3s-builtin-pause.tar".to_owned(), BuiltFile::PauseImage),
        ];
        for (archive, _) in &archives {
            assert!(tree.path().join(archive).is_file(), "{}", era.name);
        }
        assert_eq!(outcome.built_files, BTreeMap::from(archives));
        for (name, before) in era.files() {
            let touched = outcome.applied.iter().any(|patch| patch.files.iter().any(|file| file == name));
            assert_eq!(touched, text(&tree, name) != before, "{}: {name}", era.name);
        }
        let left =
            content(tree.path()).into_values().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert_eq!(left.filter(|text| text.contains("mirrored-pause")).count(), 0, "{}", era.name);
    }
}

#[test]
fn replaces_dead_module_path() {
    let tree = ERAS[0].tree();
    let outcome = committed().apply(tree.path(), &values()).unwrap();
    let version = "v0.0.0-20200125044825-b6bb9b5b8252";
    let replace =
        format!("replace (\n\tinet.af/tcpproxy => github.com/inetaf/tcpproxy {version}\n\ta => b v1\n)");
    assert!(text(&tree, "go.mod").contains(&replace));
    let sum =
        format!("\ngithub.com/inetaf/tcpproxy {version} h1:jeqlfkFa5h+Ak/I33QpU4p01nFhw0G5IFm/Rsenne2Y=\n");
    assert!(text(&tree, "go.sum").contains(&sum));
    let skipped = committed().check(ERAS[1].tree().path(), &values()).unwrap().skipped;
    let because: Vec<&str> = skipped.iter().map(|patch| patch.because.as_str()).collect();
    let no_setting = format!("{KUBELET} does not contain \"kubeletconfig.KubeletConfiguration\"");
    assert_eq!(because, [no_setting.as_str(), "go.mod does not contain \"inet.af/tcpproxy\""]);
    assert!(outcome.skipped.iter().all(|patch| patch.name == "cgroup-v1"), "{:?}", outcome.skipped);
}

#[test]
fn check_reports_and_writes_nothing() {
    let tree = ERAS[2].tree();
    let before = content(tree.path());
    let checked = committed().check(tree.path(), &values()).unwrap();
    assert_eq!(before, content(tree.path()));
    assert_eq!(checked, committed().apply(tree.path(), &values()).unwrap());
    let pause = checked.applied.iter().find(|patch| patch.name == "pause-image").unwrap();
    assert!(pause.diff.contains("-\t\tValue:       \"rancher/mirrored-pause:3.6\",\n"), "{}", pause.diff);
    assert!(pause.diff.contains(&format!("+\t\tValue:       \"{PAUSE}\",\n")), "{}", pause.diff);
}

#[test]
fn the_pause_image_in_both_places_is_refused() {
    let mut files = ERAS[0].files();
    files.insert(FLAG, ERAS[2].files().remove(FLAG).unwrap());
    let error = refusal(&committed(), &tree(&files), &values());
    assert!(error.contains("patches/pause-image.json: 2 variants apply, and exactly one may"), "{error}");
}

#[test]
fn reports_nearest_line_of_each_variant() {
    let mut files = ERAS[2].files();
    let moved = files[FLAG].replace("rancher/mirrored-pause", "rancher/mirrored-pause-image");
    files.insert(FLAG, moved);
    let error = refusal(&committed(), &tree(&files), &values());
    assert!(error.contains("1 of 7 patches cannot be applied"), "{error}");
    assert!(error.contains("patches/pause-image.json: no variant applies"), "{error}");
    assert!(error.contains("is expected once and occurs not at all; nothing there resembles it"), "{error}");
    assert!(
        error.contains(&format!("nearest is {FLAG}:2: Value:       \"rancher/mirrored-pause-image")),
        "{error}"
    );
}

#[test]
fn every_patch_that_does_not_fit_is_named_at_once() {
    let mut files = ERAS[0].files();
    files.remove("go.sum");
    files.insert(CONTAINERD, "package containerd\n".to_owned());
    let error = refusal(&committed(), &tree(&files), &values());
    assert!(error.contains("2 of 7 patches cannot be applied"), "{error}");
    assert!(error.contains("patches/builtin-images.json: no variant applies"), "{error}");
    assert!(error.contains("go.sum: there is no such file"), "{error}");
}

#[test]
fn a_patched_tree_is_not_patched_again() {
    let tree = ERAS[2].tree();
    committed().apply(tree.path(), &values()).unwrap();
    let error = refusal(&committed(), &tree, &values());
    assert!(error.contains("builtin_images.go: is to be added, but exists"), "{error}");
}

#[test]
fn partly_applying_variant_does_not_count() {
    let (name, text) = patch(
        "both",
        &[&format!("{}, {}", replacing("a", "1", "2"), replacing("a", "x", "y")), &replacing("a", "1", "3")],
    );
    let tree = tree(&BTreeMap::from([("a", "1\n".to_owned())]));
    let outcome = set(&[(&name, text)]).apply(tree.path(), &values()).unwrap();
    assert_eq!(layouts(&outcome)["both"], "layout 1");
    assert_eq!(fs::read_to_string(tree.path().join("a")).unwrap(), "3\n");
}

#[test]
fn failing_patch_leaves_tree_unchanged() {
    let (first, one) = patch("a-first", &[&replacing("a", "1", "2")]);
    let (second, two) = patch("b-second", &[&replacing("a", "1", "3")]);
    let tree = tree(&BTreeMap::from([("a", "1\n".to_owned())]));
    let error = refusal(&set(&[(&first, one), (&second, two)]), &tree, &values());
    assert!(error.contains("b-second.json") && !error.contains("a-first.json"), "{error}");
}

#[test]
fn user_patches_apply_after_ours() {
    let tree = ERAS[2].tree();
    let user = tempfile::tempdir().unwrap();
    let (name, own) = patch("own", &[&replacing(FLAG, PAUSE, "me/pause:1")]);
    write(user.path(), name, &own);
    let line = format!("return {}(ctx, cfg)", PRELOAD);
    let diff = format!(
        "Mine.\n\ndiff --git a/{CONTAINERD} b/{CONTAINERD}\n--- a/{CONTAINERD}\n+++ b/{CONTAINERD}\n\
         @@ -2,2 +2,2 @@\n-\tstageBuiltinImages(cfg)\n+\tstageBuiltinImages(cfg) // first\n \t{line}\n"
    );
    write(user.path(), "words.patch", &diff);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let both = PatchSet::load(root, Some(user.path())).unwrap();
    let outcome = both.apply(tree.path(), &values()).unwrap();
    assert!(text(&tree, FLAG).contains("\"me/pause:1\""));
    assert!(text(&tree, CONTAINERD).contains("stageBuiltinImages(cfg) // first\n"));
    assert_eq!(outcome.applied.last().unwrap().why, "Mine.");
}

#[test]
fn conditions_read_the_unpatched_tree() {
    let tree = tree(&BTreeMap::from([("a", "one\n".to_owned())]));
    let (first, adds) = patch("first", &[&replacing("a", "one", "two")]);
    let (second, changes) = patch("second", &[&replacing("a", "two", "three")]);
    let when = |text: &str| {
        let when = serde_json::json!([{"contains": {"file": "a", "text": text}}]);
        changes.replacen("\"why\"", &format!("\"when\": {when}, \"why\""), 1)
    };
    let set = |text| set(&[(&first, adds.clone()), (&second, when(text))]);
    let outcome = set("two").check(tree.path(), &values()).unwrap();
    assert_eq!((outcome.applied.len(), outcome.skipped.len()), (1, 1));
    let outcome = set("one").check(tree.path(), &values()).unwrap();
    assert_eq!((outcome.applied.len(), outcome.skipped.len()), (2, 0));
}

#[test]
fn patched_file_stays_executable() {
    let diff = "diff --git a/b b/b\n--- a/b\n+++ b/b\n@@ -1 +1 @@\n-one\n+two\n";
    let (ours, user) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (name, own) = patch("text", &[&replacing("a", "one", "two")]);
    write(ours.path(), Path::new("patches").join(name), &own);
    write(user.path(), "diff.patch", diff);
    let set = PatchSet::load(ours.path(), Some(user.path())).unwrap();
    for executable in [true, false] {
        let files = ["a", "b"];
        let tree = tree(&files.map(|name| (name, "one\n".to_owned())).into());
        let mode = if executable { 0o755 } else { 0o644 };
        for name in files {
            fs::set_permissions(tree.path().join(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        set.apply(tree.path(), &values()).unwrap();
        for name in files {
            let found = fs::metadata(tree.path().join(name)).unwrap().permissions().mode();
            assert_eq!((text(&tree, name), found & 0o777), ("two\n".to_owned(), mode), "{name}");
        }
    }
}

#[test]
fn a_symbolic_link_in_the_tree_is_not_followed() {
    let outside = ERAS[2].tree();
    let tree = ERAS[2].tree();
    fs::remove_file(tree.path().join(FLAG)).unwrap();
    fs::os::unix::fs::symlink(outside.path().join(FLAG), tree.path().join(FLAG)).unwrap();
    let before = content(outside.path());
    let error = refusal(&committed(), &tree, &values());
    assert!(error.contains("is a symbolic link, and none is followed here"), "{error}");
    assert_eq!(before, content(outside.path()));
}

#[test]
fn rejects_binary_file_and_missing_tree() {
    let tree = ERAS[2].tree();
    fs::write(tree.path().join(FLAG), b"\xff\xfe").unwrap();
    assert!(refusal(&committed(), &tree, &values()).contains("agent.go: is not UTF-8 text"));
    let nowhere = tree.path().join("nowhere");
    let error = committed().check(&nowhere, &values()).unwrap_err().to_string();
    assert!(error.ends_with("nowhere is not a directory, so there is nothing to patch"), "{error}");
}
