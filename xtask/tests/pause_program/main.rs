//! The pause program, as a kernel and a container runtime meet it, side by side with Kubernetes' own in C.

mod compile;
mod processes;
mod programs;

mod as_first_process;
mod at_rest;
mod beside_the_reference;
mod elf;
mod when_things_go_wrong;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

/// The pause program for `arch`, by the name OCI gives it, built once for all tests.
fn pause_binary(arch: &str) -> PathBuf {
    static BUILT: OnceLock<[(&str, PathBuf); 3]> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        ["riscv64", "arm64", "amd64"].map(|arch| {
            let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pause-{arch}"));
            compile::compile(&package(), arch, &output);
            (arch, output)
        })
    });
    built.iter().find(|(name, _)| *name == arch).expect("a known architecture").1.clone()
}

/// The sources of the pause program.
fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pause")
}

const WARNING: &str = "Warning: pause should be the first process\n";
const INTERRUPT: &str = "Shutting down, got signal: Interrupt\n";
const TERMINATED: &str = "Shutting down, got signal: Terminated\n";

/// Holds `output` against the exit status and the text expected on standard output and standard error.
#[track_caller]
fn assert_outcome(who: &str, output: &Output, expected: (i32, &str, &str)) {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let (status, expected_stdout, expected_stderr) = expected;
    assert_eq!((&*stdout, &*stderr), (expected_stdout, expected_stderr), "{who} writes");
    assert_eq!(output.status.code(), Some(status), "{who} ends with {}", output.status);
}
