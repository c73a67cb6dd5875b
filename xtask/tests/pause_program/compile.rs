//! Compiling our program: one object file by rustc, linked by the toolchain's own lld.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles the program whose package lies in `package` for `arch` into the file `output`.
pub fn compile(package: &Path, arch: &str, output: &Path) {
    let sysroot = PathBuf::from(rustc_print(&["--print", "sysroot"]));
    let host = rustc_print(&["--print", "host-tuple"]);
    let object = output.with_extension("o");

    run(Command::new("rustc")
        .args([
            "--edition=2024",
            "--crate-name=pause",
            "--crate-type=bin",
            "--emit=obj",
            "--target",
            target(arch),
        ])
        .args(["-Copt-level=z", "-Cpanic=abort", "-Ccodegen-units=1", "-Cdebuginfo=0"])
        .args(["-Crelocation-model=static", "-Ccode-model=small", "-Cforce-unwind-tables=no"])
        .arg("-o")
        .arg(&object)
        .arg(package.join("src/main.rs"))
        .env("CARGO_PKG_VERSION", env!("CARGO_PKG_VERSION")));
    run(Command::new(sysroot.join("lib/rustlib").join(host).join("bin/rust-lld"))
        .args(["-flavor", "gnu", "-static", "--gc-sections", "--strip-all", "--build-id=none"])
        .args(["--orphan-handling=error", "-z", "nosectionheader", "-T"])
        .arg(package.join("pause.ld"))
        .arg("-o")
        .arg(output)
        .arg(&object));
    drop_tail(output);
}

/// Cuts off the empty room that lld leaves for the section headers it was told to omit.
fn drop_tail(output: &Path) {
    let image = fs::read(output).unwrap();
    let end = crate::elf::end_of_last_segment(&image);
    assert!(image[end..].iter().all(|byte| *byte == 0), "only padding is cut off");
    fs::write(output, &image[..end]).unwrap();
}

/// A target for `arch` whose libcore is installed. All of them give the same bytes.
fn target(arch: &str) -> &'static str {
    let candidates: &[&str] = match arch {
        "riscv64" => {
            &["riscv64gc-unknown-none-elf", "riscv64gc-unknown-linux-gnu", "riscv64gc-unknown-linux-musl"]
        }
        "arm64" => &["aarch64-unknown-none", "aarch64-unknown-linux-gnu", "aarch64-unknown-linux-musl"],
        "amd64" => &["x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "x86_64-unknown-none"],
        other => panic!("no pause for {other}"),
    };
    let installed =
        |target: &&&str| Path::new(&rustc_print(&["--print", "target-libdir", "--target", target])).exists();
    candidates.iter().find(installed).unwrap_or_else(|| panic!("none of {candidates:?} is installed"))
}

fn rustc_print(arguments: &[&str]) -> String {
    let output = Command::new("rustc").args(arguments).output().expect("rustc starts");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn run(command: &mut Command) {
    assert!(command.status().expect("the command starts").success(), "{command:?} succeeds");
}
