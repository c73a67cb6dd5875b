//! The pause program, compiled for its target from `pause/`.

use crate::context::Context;
use crate::dir;
use crate::elf;
use crate::file_lock::FileLock;
use crate::step::{Plan, Step};
use crate::target::Target;
use crate::toolchain::rust::Rust;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// The step's name.
pub const STEP: &str = "pause";

/// The file name of the program in its step's directory.
pub const PROGRAM: &str = "pause";

/// For rustc: small, without unwinding, at a fixed address. One crate without dependencies is compiled
/// by rustc itself, since cargo would make the symbol names depend on the package's path.
const COMPILE: &[&str] = &[
    "--edition=2024",
    "--crate-name=pause",
    "--crate-type=bin",
    "--emit=obj",
    "-Copt-level=z",
    "-Cpanic=abort",
    "-Ccodegen-units=1",
    "-Cdebuginfo=0",
    "-Crelocation-model=static",
    "-Ccode-model=small",
    "-Cforce-unwind-tables=no",
];

/// For lld: one segment as `pause/pause.ld` lays it out, and no table that only tools read.
const LINK: &[&str] = &[
    "-static",
    "--gc-sections",
    "--strip-all",
    "--build-id=none",
    "--orphan-handling=error",
    "-z",
    "nosectionheader",
];

/// Returns the program for a target, compiled now or by an earlier run.
pub fn build(context: &Context, target: &'static Target) -> Result<PathBuf> {
    let _lock = FileLock::acquire(context, &context.work.join("locks").join(format!("pause-{}", target.go)))?;
    let plan = Plan::new(vec![step(context, target)?])?;
    let (results, _) = plan.run(context, &context.work.join(target.go))?;
    Ok(results.directory(STEP)?.join(PROGRAM))
}

/// Returns the step that compiles the program.
pub fn step<'a>(context: &'a Context, target: &'static Target) -> Result<Step<'a>> {
    let rust = Rust::for_target(context, target).context("compiling the pause program")?;
    let package = context.root.join("pause");
    let inputs = vec![
        format!("pause {} sha256:{}", env!("CARGO_PKG_VERSION"), dir::digest(&package)?),
        format!("{} --target {}", rust.version, rust.triple),
    ];
    Ok(Step::in_process(STEP, inputs)
        .work(move |directory, _| compile(context, target, &rust, &package, directory)))
}

fn compile(context: &Context, target: &Target, rust: &Rust, package: &Path, directory: &Path) -> Result<()> {
    let (object, program) = ("pause.o", directory.join(PROGRAM));
    let mut arguments: Vec<String> = COMPILE.iter().map(|word| (*word).to_owned()).collect();
    arguments.extend(["--target".to_owned(), rust.triple.to_owned(), "-o".to_owned()]);
    arguments.extend([object.to_owned(), text(&package.join("src/main.rs"))]);
    // Outputs are named relative to their directory, since LLVM would replace a `%` in the path.
    rust.rustc(context, &arguments)
        .dir(directory)
        .env("CARGO_PKG_VERSION", env!("CARGO_PKG_VERSION"))
        .log(STEP)
        .run()?;
    let mut arguments: Vec<String> = LINK.iter().map(|word| (*word).to_owned()).collect();
    arguments.extend(["-T".to_owned(), text(&package.join("pause.ld")), "-o".to_owned()]);
    arguments.extend([PROGRAM.to_owned(), object.to_owned()]);
    rust.linker(context, &arguments)?.dir(directory).log(STEP).run()?;
    fs::remove_file(directory.join(object))?;
    drop_tail(&program)?;
    elf::check(fs::read(&program)?.as_slice(), target.elf_machine).context("the pause program")
}

/// Cuts off the padding that lld leaves in place of the section headers that it omits.
fn drop_tail(program: &Path) -> Result<()> {
    let image = fs::read(program)?;
    let end = elf::end_of_last_segment(&image)?;
    ensure!(
        image[end..].iter().all(|byte| *byte == 0),
        "{}: there is more than padding behind the last segment",
        program.display()
    );
    fs::write(program, &image[..end])?;
    Ok(())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
