//! Tests of the sources with rustfmt and clippy, and of the crates with cargo-deny.

#[allow(dead_code, reason = "these tests need a context")]
#[path = "support/test_env.rs"]
mod test_env;

use std::path::Path;
use xtask::command::test::DENY;
use xtask::command::{cargo, cargo_deny};
use xtask::process::{Command, cmd};
use xtask::target::TARGETS;
use xtask::toolchain::rust::Rust;

#[test]
fn rustfmt_changes_nothing() {
    cargo(&test_env::context(), "fmt --all --check").run().unwrap();
}

#[test]
fn clippy_finds_nothing() {
    let context = test_env::context();
    cargo(&context, "clippy --locked --workspace --all-targets -- -D warnings").run().unwrap();
}

#[test]
fn clippy_finds_nothing_in_pause() {
    let context = test_env::context();
    let source = context.root.join("pause/src/main.rs");
    for target in &TARGETS {
        let rust = Rust::for_target(&context, target).unwrap();
        let (clippy, triple) = (rust.program.with_file_name("clippy-driver"), rust.triple);
        let output = tempfile::tempdir().unwrap();
        let output = output.path();
        let pause = "--edition=2024 --crate-name=pause --crate-type=bin --emit=metadata".split(' ');
        cmd!(
            &context,
            "{clippy} {pause...} -Cpanic=abort -Dwarnings --target {triple} --out-dir {output} {source}"
        )
        .env("CARGO_PKG_VERSION", env!("CARGO_PKG_VERSION"))
        .run()
        .unwrap();
    }
}

/// Returns our rules with one text replaced, in a file below a directory.
fn rules(directory: &Path, from: &str, to: &str) -> std::path::PathBuf {
    let text = std::fs::read_to_string(test_env::context().root.join(DENY)).unwrap();
    assert!(text.contains(from), "{from}");
    let path = directory.join(DENY);
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    path
}

/// Returns whether cargo-deny finds nothing, and its output.
fn findings(command: Command) -> (bool, String) {
    let (status, stdout, stderr) = command.capture().unwrap();
    (status.success(), [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat())
}

/// The checks that need no network.
const OFFLINE: &str = "--offline check licenses bans sources";

#[test]
fn cargo_deny_finds_nothing() {
    let context = test_env::context();
    let (passes, text) = findings(cargo_deny(&context, &context.root.join(DENY), OFFLINE).unwrap());
    assert!(passes && text.contains("bans ok, licenses ok, sources ok"), "{text}");
}

#[test]
fn cargo_deny_finds_what_the_rules_forbid() {
    let context = test_env::context();
    for (from, to, found) in [
        ("    \"MIT\",\n", "", "error[rejected]: failed to satisfy license requirements"),
        ("\"native-tls\"", "\"walkdir\"", "error[banned]: crate 'walkdir"),
        ("[sources]\n", "[sources]\nallow-registry = []\n", "error[source-not-allowed]"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let config = rules(directory.path(), from, to);
        let (passes, text) = findings(cargo_deny(&context, &config, OFFLINE).unwrap());
        assert!(!passes && text.contains(found), "{found:?} is missing: {text}");
    }
}

/// An advisory about one of our crates.
const ADVISORY: &str = "```toml
[advisory]
id = \"RUSTSEC-2026-9999\"
package = \"walkdir\"
date = \"2026-01-01\"

[versions]
patched = [\">= PATCHED\"]
```

# A fixture

It is in this test alone.
";

/// Checks the advisories with a database that has the one above.
fn advisories(patched: &str) -> (bool, String) {
    let context = test_env::context();
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("database");
    let mut options = git2::RepositoryInitOptions::new();
    options.initial_head("main");
    let repository = git2::Repository::init_opts(&database, &options).unwrap();
    std::fs::create_dir_all(database.join("crates/walkdir")).unwrap();
    let name = "crates/walkdir/RUSTSEC-2026-9999.md";
    std::fs::write(database.join(name), ADVISORY.replace("PATCHED", patched)).unwrap();
    let mut index = repository.index().unwrap();
    index.add_path(Path::new(name)).unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let author = git2::Signature::now("t", "t@localhost").unwrap();
    repository.commit(Some("HEAD"), &author, &author, "First", &tree, &[]).unwrap();

    // Only the registry knows which crates were yanked.
    let copies = format!("yanked = \"allow\"\ndb-path = {:?}", directory.path().join("copies"));
    let config = rules(directory.path(), "yanked = \"deny\"", &copies);
    let here = format!("url.{}.insteadOf", xtask::url::file_url(&database));
    let command = cargo_deny(&context, &config, "check advisories").unwrap().envs([
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", &here),
        ("GIT_CONFIG_VALUE_0", "https://github.com/RustSec/advisory-db"),
    ]);
    findings(command)
}

#[test]
fn advisories_about_our_crates_are_found() {
    let (passes, text) = advisories("99.0.0");
    assert!(!passes && text.contains("ID: RUSTSEC-2026-9999"), "{text}");
    let (passes, text) = advisories("0.1.0");
    assert!(passes && text.contains("advisories ok"), "{text}");
}
