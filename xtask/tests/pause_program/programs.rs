//! Programs under test: ours for three architectures, and the reference in C.

use crate::needs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A command line that starts one of the programs.
pub struct Program {
    /// Name in messages: `riscv64`, …, `reference`.
    pub name: String,
    /// Path of the program, after that of an emulator if the host has another architecture.
    pub argv: Vec<PathBuf>,
}

/// Returns our program for every architecture, which runs natively or under qemu's user emulation.
pub fn ours() -> &'static [Program] {
    static OURS: OnceLock<Vec<Program>> = OnceLock::new();
    OURS.get_or_init(|| {
        let machines = [("riscv64", "riscv64"), ("arm64", "aarch64"), ("amd64", "x86_64")];
        machines.into_iter().filter_map(|(arch, machine)| runnable(arch, machine)).collect()
    })
}

/// Returns our program for the host's architecture, which needs no emulator with its own memory, threads and signals.
pub fn native() -> &'static Program {
    ours()
        .iter()
        .find(|program| program.argv.len() == 1)
        .expect("pause supports the architecture of the host")
}

/// Returns Kubernetes' pause in C, static and optimized for size as in its image, with our version.
pub fn reference() -> &'static Program {
    static REFERENCE: OnceLock<Program> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let source = crate::package().join("reference/pause.c");
        let argv = vec![compile_c(&source, &["-DVERSION=".to_owned() + env!("CARGO_PKG_VERSION")])];
        Program { name: "reference".into(), argv }
    })
}

/// Returns a program that executes another one, to which it leaves a hundred children that have ended.
pub fn orphan() -> PathBuf {
    static ORPHAN: OnceLock<PathBuf> = OnceLock::new();
    ORPHAN.get_or_init(|| compile_c(&beside_this_file("orphan.c"), &[])).clone()
}

/// Returns a program that executes another one, and refuses a system call to it.
pub fn refuse_syscall() -> PathBuf {
    static REFUSE: OnceLock<PathBuf> = OnceLock::new();
    REFUSE.get_or_init(|| compile_c(&beside_this_file("refuse_syscall.c"), &[])).clone()
}

fn beside_this_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pause_program").join(name)
}

fn runnable(arch: &str, machine: &str) -> Option<Program> {
    let mut argv = vec![crate::pause_binary(arch)];
    if machine != std::env::consts::ARCH {
        let emulator = format!("qemu-{machine}-static");
        if !needs::programs(&format!("pause for {arch}"), &[(&emulator, "qemu-user-static")]) {
            return None;
        }
        argv.insert(0, xtask::process::find(&emulator)?);
    }
    Some(Program { name: arch.into(), argv })
}

fn compile_c(source: &Path, options: &[String]) -> PathBuf {
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(source.file_stem().unwrap());
    let flags = ["-static", "-Os", "-s", "-Wall", "-Wextra", "-Werror", "-o"];
    let status = Command::new("gcc").args(flags).arg(&output).arg(source).args(options).status();
    assert!(status.expect("gcc starts").success(), "gcc compiles {}", source.display());
    output
}
