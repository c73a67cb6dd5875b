//! VMs for these tests, one at a time: two of them would compete for the processor.

use crate::place::Place;
use crate::{needs, place};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use xtask::boot::guest::Guest;
use xtask::boot::machine::{self, Memory, Size};
use xtask::boot::milestone::Milestone;
use xtask::boot::watch::{self, Outcome};
use xtask::context::Context;

/// Executables that a boot needs, with their Debian packages.
const PROGRAMS: &[(&str, &str)] = &[
    ("qemu-system-riscv64", "qemu-system-misc"),
    ("mke2fs", "e2fsprogs"),
    ("depmod", "kmod"),
    ("rpmbuild", "rpm"),
    ("apt-get", "apt"),
    ("dpkg-deb", "dpkg"),
];

/// Returns the right to boot, held until it is dropped, or `None` where this machine cannot boot a VM.
pub fn turn(what: &str) -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    needs::programs(what, PROGRAMS).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Returns a context with the real cache, which writes everything else to the test's own directory.
pub fn context(directory: &tempfile::TempDir) -> Context {
    let below = |name: &str| directory.path().join(name);
    Context { work: below("work"), dist: below("dist"), logs: below("logs"), ..place::context() }
}

pub fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("boot-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Returns the smallest size that a VM may have.
pub fn size() -> Size {
    Size { memory: Memory(2048), cpus: 2 }
}

/// Boots a guest with a payload and returns the result.
pub fn follow(
    context: &Context,
    guest: &Guest,
    payload: &Path,
    directory: &Path,
    milestones: &[Milestone],
) -> Outcome {
    let machine = machine::start(context, guest, payload, &size(), directory).unwrap();
    watch::follow(&machine, milestones, &context.progress)
}

pub fn milestone(name: &'static str, seconds: u64) -> Milestone {
    Milestone { name, what: "what is awaited", limit: Duration::from_secs(seconds) }
}

/// Returns the process IDs of VMs that run in a directory or below it.
pub fn running_below(directory: &Path) -> Vec<i32> {
    let directory = std::fs::canonicalize(directory).unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let command = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let place: Option<PathBuf> = std::fs::read_link(entry.path().join("cwd")).ok();
        if command.starts_with("qemu-system-riscv64\0") && place.is_some_and(|at| at.starts_with(&directory))
        {
            found.push(pid);
        }
    }
    found
}

/// Makes everything that is run in a place keep its scratch files in a directory that nothing else uses.
pub fn elsewhere(place: &mut Place) -> PathBuf {
    let directory = place.path("elsewhere");
    std::fs::create_dir(&directory).unwrap();
    place.set("TMPDIR", &directory);
    directory
}

/// Returns the names of the files in a directory.
pub fn files_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
