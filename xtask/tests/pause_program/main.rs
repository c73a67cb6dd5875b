//! Tests of pause as a kernel and a container runtime run it, compared with Kubernetes' own in C.

mod processes;
mod programs;

#[path = "../support/needs.rs"]
mod needs;
#[path = "../support/wait.rs"]
mod wait;

mod elf;
mod failures;
mod idle;
mod pid1;
mod reference;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;
use xtask::context::{Context, Network};
use xtask::target::Target;

/// Returns pause for an architecture, by its OCI name, built once for all tests.
fn pause_binary(arch: &str) -> PathBuf {
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    let _guard = ONE_BY_ONE.lock().expect("no test panics while it builds");
    build_in(&repository(), &Path::new(env!("CARGO_TARGET_TMPDIR")).join("pause_program"), arch)
}

/// Builds pause from the sources below a repository's root, as `cargo xtask pause` does. Each test that builds has
/// outputs of its own, since a step removes the log of an earlier run.
fn build_in(root: &Path, outputs: &Path, arch: &str) -> PathBuf {
    let context = Context {
        work: outputs.join("work"),
        logs: outputs.join("logs"),
        root: root.to_owned(),
        guard: env!("CARGO_BIN_EXE_xtask").into(),
        ..Context::new(None, Network::Allowed).expect("a valid environment")
    };
    xtask::pause::build(&context, Target::named(arch).expect("a known architecture")).expect("pause compiles")
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a directory of the repository").to_owned()
}

/// Returns the directory of pause's sources.
fn package() -> PathBuf {
    repository().join("pause")
}

const WARNING: &str = "Warning: pause should be the first process\n";
const INTERRUPT: &str = "Shutting down, got signal: Interrupt\n";
const TERMINATED: &str = "Shutting down, got signal: Terminated\n";

/// Checks `output` for the expected exit status, standard output and standard error.
#[track_caller]
fn assert_outcome(who: &str, output: &Output, expected: (i32, &str, &str)) {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let (status, expected_stdout, expected_stderr) = expected;
    assert_eq!((&*stdout, &*stderr), (expected_stdout, expected_stderr), "{who} writes");
    assert_eq!(output.status.code(), Some(status), "{who} ends with {}", output.status);
}
