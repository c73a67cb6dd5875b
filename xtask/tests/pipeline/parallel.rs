//! Tests of builds that run in parallel.

use super::fixtures::{self, LAYOUTS, Product};
use super::test_env::{TestEnv, failed, succeeded};
use super::wait;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// Makes the pause program's compiler of a place wait, and returns the file that appears when it does, and the one
/// that lets it continue.
fn hold_compiler(env: &mut TestEnv) -> (PathBuf, PathBuf) {
    let rustc = xtask::process::find("rustc").unwrap();
    let (reached, go_on) = (env.path("reached"), env.path("go-on"));
    let hold =
        format!("touch '{}'; while [ ! -e '{}' ]; do sleep 0.05; done", reached.display(), go_on.display());
    let real = rustc.display();
    env.put_program(
        "rustc",
        &format!("case \"$*\" in *--crate-name=pause*) {hold} ;; esac; exec {real} \"$@\""),
    );
    (reached, go_on)
}

/// Waits until a file appears, which a running child process creates.
#[track_caller]
fn wait_for(file: &Path, child: &mut Child) {
    wait::until(|| {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before {}", file.display());
        file.exists().then_some(())
    });
}

#[test]
fn cache_in_use_by_another_target_is_not_pruned() {
    let mut env = TestEnv::new();
    let (reached, go_on) = hold_compiler(&mut env);
    let (cache, work) = (env.path("cache"), env.work());
    env.set("K3S_XTASK_CACHE", &cache);
    let tool = cache.join("toolchain/zig/zig");
    std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
    std::fs::write(&tool, "used").unwrap();
    let mut pause = env.xtask(["pause"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&reached, &mut pause);

    let message = failed(&env.xtask(["cache", "--prune"]).output().unwrap());
    assert!(message.contains("nothing was removed"), "{message}");
    env.set("CARGO_TARGET_DIR", env.path("other-target"));
    let message = failed(&env.xtask(["cache", "--prune", "--all"]).output().unwrap());
    assert!(message.contains(cache.to_str().unwrap()), "{message}");
    assert!(tool.exists() && work.exists());

    std::fs::write(&go_on, "").unwrap();
    succeeded(pause.wait_with_output().unwrap());
    env.succeeds(["cache", "--prune", "--all"]);
    assert!(!tool.exists() && work.exists());
}

#[test]
fn second_run_waits_and_names_the_lock_holder() {
    let mut env = TestEnv::new();
    let (reached, go_on) = hold_compiler(&mut env);
    let start =
        || env.xtask(["build", "--sample"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = start();
    wait_for(&reached, &mut first);
    let mut second = start();
    let mut messages = BufReader::new(second.stderr.take().unwrap());
    let wanted = format!("waiting for process {} to finish the same work", first.id());
    let mut printed = String::new();
    while !printed.contains(&wanted) {
        assert!(messages.read_line(&mut printed).unwrap() > 0, "the second run did not wait:\n{printed}");
    }
    std::fs::write(&go_on, "").unwrap();
    messages.read_to_string(&mut printed).unwrap();
    assert!(second.wait().unwrap().success(), "{printed}");
    succeeded(first.wait_with_output().unwrap());
    assert!(!printed.contains("✓ server "), "it built again what the first had built\n{printed}");
    let (_, version) = LAYOUTS[0];
    let product = Product::read(env.dist().join(version).join("riscv64"), printed);
    assert_eq!(product.sums(), fixtures::product("embed", "riscv64").sums());
}

#[test]
fn builds_that_share_steps_do_not_disturb_each_other() {
    let env = TestEnv::new();
    // The same commit for two architectures, and two commits for the same architecture.
    let choices = [("embed", "riscv64"), ("embed", "arm64"), ("bindata", "riscv64")];
    let start = |(layout, arch)| {
        let mut build = env.xtask(["build", "--sample", "--sample-layout", layout, "--arch", arch]);
        build.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for build in choices.map(start) {
        succeeded(build.wait_with_output().unwrap());
    }
    for (layout, arch) in choices {
        let (_, version) = LAYOUTS.iter().find(|(name, _)| *name == layout).unwrap();
        let product = Product::read(env.dist().join(version).join(arch), String::new());
        assert_eq!(product.sums(), fixtures::product(layout, arch).sums(), "{layout} {arch}");
    }
}
