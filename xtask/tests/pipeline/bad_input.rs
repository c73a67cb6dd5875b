//! Tests of what cannot be built: each ends in one error with a remedy, and leaves nothing.

use super::test_env::{TestEnv, failed};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Returns a patch of the user's own, of one edit.
fn patch(find: &str) -> String {
    let edit = serde_json::json!({"text": {"file": "main.go", "find": find, "count": 1, "replace": "x"}});
    let variants = serde_json::json!([{"layout": "any", "edits": [edit]}]);
    serde_json::json!({"name": "own", "why": "a test", "retire": "now", "variants": variants}).to_string()
}

#[test]
fn wrong_command_lines_are_refused_first() {
    let env = TestEnv::new();
    let nowhere = env.path("nowhere").display().to_string();
    let digest = format!("me/pause@sha256:{}", "0".repeat(64));
    let cases: [(&[&str], &str); 5] = [
        (&["--arch", "sparc"], "unknown architecture \"sparc\"; known are riscv64, arm64, amd64"),
        (&["--pause-image", "me/pause"], "write it as NAME:TAG"),
        (&["--pause-image", "Me/pause:1"], "it must be lower case"),
        (&["--pause-image", &digest], "write a tag in its place: me/pause:TAG"),
        (&["--pause-image", ""], "write it as NAME:TAG"),
    ];
    for (options, why) in cases {
        // No server answers at this port, so that continuing would fail in another way.
        let message = env.usage_error(["--offline", "build", "--k3s", "v0.0.1+k3s1"].iter().chain(options));
        assert!(message.contains(why), "{options:?}: {why:?} is missing: {message}");
    }
    let message = env.fails(["--offline", "build", "--k3s", "v0.0.1+k3s1", "--patches", &nowhere]);
    assert!(message.contains(&nowhere), "{message}");
    assert!(!env.work().exists());
}

#[test]
fn malformed_patch_is_named_with_its_line() {
    let env = TestEnv::new();
    let directory = env.path("patches");
    std::fs::create_dir(&directory).unwrap();
    let unknown = patch("x").replacen("\"why\"", "\"wyh\": \"\", \"why\"", 1);
    for (file, text, why) in [
        ("own.json", "{", "EOF while parsing"),
        ("own.json", unknown.as_str(), "unknown field `wyh`"),
        ("own.json", "{\"name\": \"own\"}", "missing field"),
        ("own.patch", "no diff at all\n", "own.patch"),
    ] {
        std::fs::write(directory.join(file), text).unwrap();
        let message = env.fails(["build", "--sample", "--patches", directory.to_str().unwrap()]);
        assert!(message.contains(file) && message.contains(why), "{why:?} is missing: {message}");
        std::fs::remove_file(directory.join(file)).unwrap();
    }
}

#[test]
fn patch_with_another_count_stops_the_build() {
    let env = TestEnv::new();
    let directory = env.path("patches");
    std::fs::create_dir(&directory).unwrap();
    for (find, why) in [
        ("nothing of the kind", "is expected once and occurs not at all"),
        ("main", "is expected once and occurs"),
    ] {
        std::fs::write(directory.join("own.json"), patch(find)).unwrap();
        let message = env.fails(["build", "--sample", "--patches", directory.to_str().unwrap()]);
        assert!(message.contains("own.json") && message.contains(why), "{why:?} is missing: {message}");
        assert!(message.contains("main.go"), "{message}");
        assert!(!env.work().join("riscv64/server").exists(), "compiling was begun");
    }
}

#[test]
fn unreadable_patch_directory_is_named() {
    let env = TestEnv::new();
    let directory = env.path("patches");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("own.json"), patch("x")).unwrap();
    let permit = |mode| std::fs::set_permissions(&directory, PermissionsExt::from_mode(mode)).unwrap();
    permit(0o000);
    // Root may read everything, unless it is started without that capability.
    let words: &[&str] = match nix::unistd::geteuid().is_root() {
        true => &[
            "setpriv",
            "--bounding-set=-dac_override,-dac_read_search",
            "--inh-caps=-dac_override,-dac_read_search",
        ],
        false => &[],
    };
    let arguments = ["build", "--sample", "--patches", directory.to_str().unwrap()];
    let message = failed(&env.under(words, arguments).output().unwrap());
    permit(0o755);
    assert!(
        message.contains(directory.to_str().unwrap()) && message.contains("Permission denied"),
        "{message}"
    );
}

#[test]
fn old_or_broken_go_is_named_with_the_remedy() {
    for (script, found) in
        [("echo go1.19.8", "is go1.19.8, which cannot fetch"), ("exit 3", "ended with status 3")]
    {
        let mut env = TestEnv::new();
        env.set("K3S_XTASK_CACHE", env.path("cache"));
        env.put_program("go", script);
        let message = env.fails(["--offline", "build", "--sample"]);
        let go = env.program("go").display().to_string();
        for printed in [&go, found, "Any Go of 1.21 or newer will do", "cargo xtask doctor --fix"] {
            assert!(message.contains(printed), "{printed:?} is missing: {message}");
        }
    }
}

#[test]
fn a_level_that_go_does_not_know_is_named() {
    let env = TestEnv::new();
    let message = env.fails(["build", "--sample", "--level", "rva99"]);
    assert!(message.contains("invalid GORISCV64: must be rva20u64, rva22u64, rva23u64"), "{message}");
}

#[test]
fn offline_names_everything_that_is_missing() {
    let mut env = TestEnv::new();
    env.set("K3S_XTASK_CACHE", env.path("cache"));
    // A zig of another version than the pinned one counts as missing.
    env.put_program("zig", "echo 0.1.0");
    let message = env.fails(["--offline", "build", "--sample"]);
    for printed in ["zig 0.17.1 is not in the cache", "libseccomp-2.6.0.tar.gz is not in the cache"] {
        assert!(message.contains(printed), "{printed:?} is missing: {message}");
    }
}

#[test]
fn incomplete_repository_is_an_error() {
    let env = TestEnv::new();
    let context = xtask::context::Context { root: env.path("nothing"), ..env.context() };
    let error = xtask::sample::prepare(context, xtask::sample::Layout::Embed).err().unwrap();
    let message = xtask::error::chain(&error);
    assert!(message.contains(Path::new(&env.path("nothing/sample")).to_str().unwrap()), "{message}");
}
