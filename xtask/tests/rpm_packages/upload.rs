//! Tests of the upload of a directory to GitHub: how it is uploaded, and what is refused.

use crate::booted::{booted_release, booted_release_of};
use crate::release::{VERSION, can_release, place_with_product, released};
use crate::test_env::{self, TestEnv, failed, succeeded};
use fs_err as fs;
use serde_json::{Value, json};
use std::path::PathBuf;
use xtask::digest::Digest;
use xtask::k3s::Optional;
use xtask::release::Mode;

#[test]
fn preview_is_marked_and_not_uploaded() {
    if !can_release("a preview") {
        return;
    }
    let mut env = place_with_product(|manifest| manifest.incomplete = vec![Optional::K3sRoot]);
    let record = gh(&mut env, &no_tag());
    let product = env.path("product").display().to_string();
    env.succeeds(["release", "--preview", "--skip-boot", "--product", &product]);
    assert!(!env.dist().join(VERSION).join("release").exists());
    let directory = env.dist().join(VERSION).join("preview");
    for name in ["NOTES.md", "PREVIEW"] {
        let text = fs::read_to_string(directory.join(name)).unwrap();
        assert!(text.contains("- riscv64: without k3s-root: "), "{name}: {text}");
    }
    let said = failed(&env.xtask([&"release".into(), &"check".into(), &directory]).output().unwrap());
    assert!(said.contains("must not be published") && said.contains("without k3s-root"), "{said}");
    let said = failed(&env.xtask([&"release".into(), &"upload".into(), &directory]).output().unwrap());
    assert!(
        said.contains("without k3s-root")
            && said.contains("the directory is a preview and must not be published"),
        "{said}"
    );
    assert!(!record.exists(), "gh was called");

    // A preview stays a preview, even of a complete product.
    let mut env = place_with_product(|_| {});
    let record = gh(&mut env, &no_tag());
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

/// Returns what GitHub knows of a tag that is not there.
fn no_tag() -> Value {
    json!({
        "isArchived": false, "viewerPermission": "WRITE", "release": null, "latestRelease": null,
        "releases": {"nodes": []}, "ref": null,
    })
}

/// Returns what GitHub knows of a tag without a release.
fn tag_of(commit: &str) -> Value {
    let mut state = no_tag();
    state["ref"] = json!({"target": {"oid": "an annotated tag", "target": {"oid": commit}}});
    state
}

/// Puts a gh into the place that knows this of every tag, and only records its other calls.
fn gh(env: &mut TestEnv, state: &Value) -> PathBuf {
    let record = env.path("record");
    let script = format!(
        "if [ \"$1\" = api ]; then printf '%s\\n' \"$@\" >{0}.api; printf '%s' '{state}'; exit; fi\n\
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
    let record = gh(&mut env, &no_tag());
    let directory = booted_release(&env);
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
            "--title",
            "k3s v1.33.0+k3s1, modified, for riscv64",
            "--notes-file",
            "NOTES.md",
            "--target",
            &commit(),
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
    let directory = booted_release(&env);
    let upload =
        |env: &TestEnv| env.xtask([&"release".into(), &"upload".into(), &directory]).output().unwrap();
    let other = "a".repeat(40);
    let record = gh(&mut env, &tag_of(&other));
    let said = failed(&upload(&env));
    assert!(
        said.contains(&format!("the tag {VERSION} names the commit {other}, and this is {}", commit())),
        "{said}"
    );
    assert!(!record.exists(), "gh was called to publish");
    let asked = fs::read_to_string(record.with_extension("api")).unwrap();
    assert!(
        asked.starts_with("api\ngraphql\n") && asked.contains(&format!("ref=refs/tags/{VERSION}\n")),
        "{asked}"
    );

    let record = gh(&mut env, &tag_of(&commit()));
    assert_eq!(succeeded(upload(&env)).0, "an address\n");
    assert!(!fs::read_to_string(record).unwrap().contains("--target"), "the tag is there");
}

#[test]
fn reports_the_error_of_gh() {
    if !can_release("a refused upload") {
        return;
    }
    let mut env = place_with_product(|_| {});
    env.put_program(
        "gh",
        &format!("[ \"$1\" != api ] || {{ echo '{}'; exit; }}; echo 'no space left' >&2; exit 1", no_tag()),
    );
    let directory = booted_release(&env);
    let said = failed(&env.xtask([&"release".into(), &"upload".into(), &directory]).output().unwrap());
    assert!(said.contains("publishing v1.33.0+k3s1") && said.contains("no space left"), "{said}");
}

#[test]
fn preflight_asks_what_github_would_refuse() {
    let mut env = TestEnv::new();
    let tag = "v1.33.0+k3s1-2";
    gh(&mut env, &tag_of(&commit()));
    assert_eq!(env.succeeds(["release", "preflight", tag]), "k3s=v1.33.0+k3s1\nrelease=2\n");
    let changed = |key: &str, value: Value| {
        let mut state = no_tag();
        state[key] = value;
        state
    };
    let published = json!({"url": "https://host.example/releases/2", "isDraft": false});
    let draft = json!({"url": "https://host.example/releases/3", "isDraft": true});
    for (state, error) in [
        (tag_of(&"b".repeat(40)), "the tag v1.33.0+k3s1-2 names the commit bbb"),
        (changed("isArchived", json!(true)), "the repository on GitHub is archived"),
        (changed("viewerPermission", json!("READ")), "may not write to the repository (READ)"),
        (changed("release", published.clone()), "a tag of its own: v1.33.0+k3s1-3, with --release 3"),
    ] {
        gh(&mut env, &state);
        let said = env.fails(["release", "preflight", tag]);
        assert!(said.contains(error), "{said}");
    }
    gh(&mut env, &changed("release", draft));
    env.succeeds(["release", "preflight", tag]);
    gh(&mut env, &changed("viewerPermission", json!("READ")));
    env.set("GITHUB_ACTIONS", "true");
    env.succeeds(["release", "preflight", tag]);
    let output = env.xtask(["release", "preflight", "v1.33.0+k3s1-1"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the second build of v1.33.0+k3s1 is v1.33.0+k3s1-2"), "{said}");
}

#[test]
fn preflight_fetches_repositories_of_the_last_release() {
    let mut env = TestEnv::new();
    let mut state = no_tag();
    // A draft, a candidate and what is no release of k3s are passed over.
    let release = |tag: &str, is_draft: bool| json!({"tagName": tag, "isDraft": is_draft});
    let passed_over = [("v1.32.5+k3s1", true), ("v1.33.0-rc1+k3s1", false), ("a-board", false)];
    let nodes = passed_over.into_iter().chain([("v1.32.4+k3s1", false), ("v1.32.3+k3s1", false)]);
    let nodes: Vec<Value> = nodes.map(|(tag, is_draft)| release(tag, is_draft)).collect();
    state["releases"] = json!({"nodes": nodes});
    let download = |sum: &str| {
        format!(
            "[ \"$1\" != api ] || {{ echo '{state}'; exit; }}\n\
             [ \"$1 $2 $3 $4\" = 'release download v1.32.4+k3s1 --dir' ] || exit 9; cd \"$5\"\n\
             printf 'archive' >repository-oe2403-riscv64.tar; echo '{sum}' >SHA256SUMS"
        )
    };
    let name = "repository-oe2403-riscv64.tar";
    let right = format!("{}  {name}", Digest::of("archive"));
    env.put_program("gh", &download(&right));
    let directory = env.path("earlier");
    let preflight = ["release", "preflight", VERSION, "--earlier", directory.to_str().unwrap()];
    env.succeeds(preflight);
    assert_eq!(fs::read_to_string(directory.join("release.txt")).unwrap(), "v1.32.4+k3s1");
    assert_eq!(fs::read_to_string(directory.join(name)).unwrap(), "archive");

    env.put_program("gh", &download(&format!("{}  {name}", Digest::of("other"))));
    let said = env.fails(preflight);
    assert!(
        said.contains("fetching the repositories of v1.32.4+k3s1")
            && said.contains(&format!("checksum mismatch for {name}")),
        "{said}"
    );

    gh(&mut env, &no_tag());
    env.succeeds(preflight);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "there is no release");
    fs::write(directory.join("thesis.txt"), "").unwrap();
    let said = env.fails(preflight);
    assert!(said.contains("would be replaced, and no earlier run has written"), "{said}");
    assert!(directory.join("thesis.txt").is_file() && directory.join("release.txt").is_file());
}

#[test]
fn older_line_does_not_become_the_latest_release() {
    if !can_release("a release of an older line") {
        return;
    }
    let mut env = place_with_product(|_| {});
    let directory = booted_release(&env);
    for (latest, stays) in [("v1.34.1+k3s1", true), ("v1.32.4+k3s1", false), ("a-board", false)] {
        let mut state = no_tag();
        state["latestRelease"] = json!({"tagName": latest});
        let record = gh(&mut env, &state);
        succeeded(env.xtask([&"release".into(), &"upload".into(), &directory]).output().unwrap());
        let called = fs::read_to_string(&record).unwrap();
        assert_eq!(called.contains("\n--latest=false\n"), stays, "{latest}: {called}");
    }
}

#[test]
fn later_build_has_a_tag_of_its_own() {
    if !can_release("a later build") {
        return;
    }
    let mut env = place_with_product(|_| {});
    let record = gh(&mut env, &no_tag());
    let directory = booted_release_of(&env, 2);
    succeeded(env.xtask([&"release".into(), &"upload".into(), &directory]).output().unwrap());
    let called = fs::read_to_string(&record).unwrap();
    assert!(
        called.contains("create\nv1.33.0+k3s1-2\n")
            && called.contains("k3s-1.33.0+k3s1-2.oe2403.riscv64.rpm"),
        "{called}"
    );
}
