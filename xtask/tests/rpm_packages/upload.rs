//! Tests of the upload of a directory to GitHub: how it is uploaded, and what is refused.

use crate::release::{VERSION, can_release, place_with_product, released};
use crate::test_env::{self, TestEnv, failed, succeeded};
use fs_err as fs;
use std::path::PathBuf;
use xtask::k3s::Optional;
use xtask::release::Mode;

#[test]
fn preview_is_marked_and_not_uploaded() {
    if !can_release("a preview") {
        return;
    }
    let mut env = place_with_product(|manifest| manifest.incomplete = vec![Optional::K3sRoot]);
    let record = gh(&mut env, "");
    let product = env.path("product").display().to_string();
    env.succeeds(["release", "--preview", "--product", &product]);
    assert!(!env.dist().join(VERSION).join("release").exists());
    let directory = env.dist().join(VERSION).join("preview");
    for name in ["NOTES.md", "PREVIEW"] {
        let text = fs::read_to_string(directory.join(name)).unwrap();
        assert!(text.contains("- riscv64: without k3s-root: "), "{name}: {text}");
    }
    assert!(env.succeeds([&"release".into(), &"check".into(), &directory]).contains("not to be published: "));
    let said = failed(&env.xtask([&"release".into(), &"upload".into(), &directory]).output().unwrap());
    assert!(
        said.contains("without k3s-root")
            && said.contains("the directory is a preview and must not be published"),
        "{said}"
    );
    assert!(!record.exists(), "gh was called");

    // A preview stays a preview, even of a complete product.
    let mut env = place_with_product(|_| {});
    let record = gh(&mut env, "");
    let directory = released(&env, Mode::Preview);
    let said = failed(&env.xtask([&"release".into(), &"upload".into(), &directory]).output().unwrap());
    assert!(said.contains("the directory is a preview and must not be published"), "{said}");
    assert!(!record.exists(), "gh was called");
}

#[test]
fn rejects_the_former_name_of_preview() {
    let said = TestEnv::new().fails(["release", "--rehearsal", "--sample"]);
    assert!(said.contains("--rehearsal is now called --preview"), "{said}");
}

/// Puts a gh into the place that returns this commit for every tag, and only records its other calls.
fn gh(env: &mut TestEnv, commit_of_tag: &str) -> PathBuf {
    let record = env.path("record");
    let script = format!(
        "if [ \"$1\" = api ]; then printf '%s\\n' \"$@\" >{0}.api; printf '%s' '{commit_of_tag}'; exit; fi\n\
         printf '%s\\n' \"$PWD\" \"$GH_TOKEN\" \"$@\" >{0}\necho an address",
        record.display()
    );
    env.put_program("gh", &script);
    record
}

/// Returns the commit of this repository that this test was compiled from.
fn commit() -> String {
    xtask::workspace::commit(&test_env::context()).unwrap()
}

#[test]
fn upload_gives_gh_every_file_and_the_tag() {
    if !can_release("an upload") {
        return;
    }
    let mut env = place_with_product(|_| {});
    let record = gh(&mut env, "");
    let directory = released(&env, Mode::Release);
    let upload = |env: &TestEnv| {
        let mut command = env.xtask([&"release".into(), &"upload".into(), &directory]);
        command.env("GH_TOKEN", "a token").env("GITHUB_SHA", "what else was run").output().unwrap()
    };
    assert_eq!(succeeded(upload(&env)).0, "an address\n");
    let called = fs::read_to_string(&record).unwrap();
    let words: Vec<&str> = called.lines().collect();
    let (head, files) = words.split_at(11);
    assert_eq!(head[0], directory.display().to_string());
    assert_eq!(
        head[1..],
        [
            "a token",
            "release",
            "create",
            VERSION,
            "--target",
            &commit(),
            "--title",
            "k3s v1.33.0+k3s1, modified, for riscv64",
            "--notes-file",
            "NOTES.md",
        ]
    );
    assert_eq!(files.len(), fs::read_dir(&directory).unwrap().count());

    // The lockfile decides, also for a directory that was built elsewhere.
    fs::remove_file(&record).unwrap();
    fs::write(env.path("k3s.lock.json"), "{}").unwrap();
    let said = failed(&upload(&env));
    assert!(said.contains("k3s.lock.json does not lock v1.33.0+k3s1"), "{said}");
    assert!(!record.exists(), "gh was called");
}

#[test]
fn rejects_a_tag_of_another_commit() {
    if !can_release("a tag that is there") {
        return;
    }
    let mut env = place_with_product(|_| {});
    let directory = released(&env, Mode::Release);
    let upload =
        |env: &TestEnv| env.xtask([&"release".into(), &"upload".into(), &directory]).output().unwrap();
    let other = "a".repeat(40);
    let record = gh(&mut env, &other);
    let said = failed(&upload(&env));
    assert!(
        said.contains(&format!("the tag {VERSION} names the commit {other}, and this is {}", commit())),
        "{said}"
    );
    assert!(said.contains(&format!("gh release delete {VERSION} --cleanup-tag")), "{said}");
    assert!(!record.exists(), "gh was called to publish");
    let asked = fs::read_to_string(record.with_extension("api")).unwrap();
    assert!(
        asked.starts_with("api\ngraphql\n") && asked.contains(&format!("tag=refs/tags/{VERSION}\n")),
        "{asked}"
    );

    gh(&mut env, &commit());
    assert_eq!(succeeded(upload(&env)).0, "an address\n");
}

#[test]
fn reports_the_error_of_gh() {
    if !can_release("a refused upload") {
        return;
    }
    let mut env = place_with_product(|_| {});
    env.put_program(
        "gh",
        "[ \"$1\" = api ] || { echo 'a release with the same tag name already exists' >&2; exit 1; }",
    );
    let directory = released(&env, Mode::Release);
    let said = failed(&env.xtask([&"release".into(), &"upload".into(), &directory]).output().unwrap());
    assert!(
        said.contains("publishing v1.33.0+k3s1") && said.contains("same tag name already exists"),
        "{said}"
    );
}
