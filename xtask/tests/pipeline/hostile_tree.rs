//! Trees whose files and links are meant to harm: what is theirs stays apart from what is ours.

use super::place::Place;
use super::upstream::make_repository;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// A repository of the sample's tree with additions, which are put there first.
fn source(place: &Place, name: &str, add: impl FnOnce(&PathBuf)) -> String {
    let source = place.path(name);
    std::fs::create_dir(&source).unwrap();
    add(&source);
    make_repository(&source, &["k3s/base", "k3s/embed"]);
    source.to_str().unwrap().to_owned()
}

/// The names that we give to files of our own beside a tree.
const OURS: [&str; 2] = ["stamp.json", "applied.json"];

#[test]
fn our_state_files_are_not_written_through_links() {
    let place = Place::new();
    let victim = place.path("victim");
    std::fs::write(&victim, "precious").unwrap();
    let source = source(&place, "links", |source| {
        OURS.iter().for_each(|name| symlink(&victim, source.join(name)).unwrap());
    });
    let _ = place.xtask(["build", "--dry-run", "--source", &source]).output().unwrap();
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "precious");
}

#[test]
fn files_named_as_our_state_files_are_kept() {
    let place = Place::new();
    let source = source(&place, "files", |source| {
        OURS.iter().for_each(|name| std::fs::write(source.join(name), "theirs").unwrap());
    });
    place.succeeds(["images", "--source", &source]);
    let steps = std::fs::read_dir(place.work().join("source")).unwrap();
    let results = steps.map(|entry| entry.unwrap().path().join("output"));
    let trees: Vec<_> = results.filter(|result| result.is_dir()).collect();
    assert_eq!(trees.len(), 1);
    for name in OURS {
        assert_eq!(std::fs::read_to_string(trees[0].join(name)).unwrap(), "theirs", "{name}");
    }
}
