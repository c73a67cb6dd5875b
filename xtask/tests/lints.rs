//! Tests of the sources with rustfmt and clippy.

#[allow(dead_code, reason = "these tests need a context")]
#[path = "support/test_env.rs"]
mod test_env;

use xtask::command::cargo;
use xtask::process::cmd;
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
