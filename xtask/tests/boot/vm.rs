//! VMs for these tests. Only one runs at a time, since two would compete for the processors.

use crate::test_env::TestEnv;
use crate::{needs, test_env};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use xtask::boot::guest::Guest;
use xtask::boot::milestone::Milestone;
use xtask::boot::role::Role;
use xtask::boot::vm::{Memory, Setup, Size, Storage, Vm};
use xtask::boot::watch::{Outcome, watch};
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

/// Returns a lock that is required to boot a VM, or `None` if this machine cannot boot one.
pub fn turn(what: &str) -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    needs::programs(what, PROGRAMS).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Returns a context with the real cache and with all other directories in the test's own one.
pub fn context(directory: &tempfile::TempDir) -> Context {
    let below = |name: &str| directory.path().join(name);
    Context { work: below("work"), dist: below("dist"), logs: below("logs"), ..test_env::context() }
}

pub fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("boot-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Returns the size of the VMs, with the least supported memory.
pub fn size() -> Size {
    Size { memory: Memory(2048), cpus: 2 }
}

/// Boots a guest with a payload and returns the result.
pub fn boot(
    context: &Context,
    guest: &Guest,
    payload: &Path,
    directory: &Path,
    milestones: &[Milestone],
) -> Outcome {
    let setup = Setup { guest, payload, size: &size(), storage: Storage::Temporary, role: Role::Alone };
    let mut vm = Vm::start(context, setup, directory).unwrap();
    watch(&mut vm, None, milestones, &context.progress)
}

pub fn milestone(name: &'static str, seconds: u64) -> Milestone {
    Milestone { name, description: "a milestone", timeout: Duration::from_secs(seconds) }
}

/// Returns the process IDs of VMs that run in a directory or below it.
pub fn running_below(directory: &Path) -> Vec<i32> {
    let directory = std::fs::canonicalize(directory).unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let command = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let cwd: Option<PathBuf> = std::fs::read_link(entry.path().join("cwd")).ok();
        if command.starts_with("qemu-system-riscv64\0") && cwd.is_some_and(|at| at.starts_with(&directory)) {
            found.push(pid);
        }
    }
    found
}

/// Sets TMPDIR to a new directory, which is returned.
pub fn set_tmpdir(env: &mut TestEnv) -> PathBuf {
    let directory = env.path("tmp");
    std::fs::create_dir(&directory).unwrap();
    env.set("TMPDIR", &directory);
    directory
}

/// Returns the names of the files in a directory.
pub fn files_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
