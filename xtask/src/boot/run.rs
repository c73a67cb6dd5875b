//! Runs scenarios, each on a VM of its own, and writes the results.

use super::artifacts::Artifacts;
use super::guest::{Guest, rootfs};
use super::payload::{self, KEEP_RUNNING, POWER_CUTS};
use super::platform::{RISCV64, X86_64};
use super::results::{RESULTS, Results, console_log};
use super::role::Role;
use super::scenario::Scenario;
use super::vm::{Memory, SOCKET, Setup, Size, Vm};
use super::watch::watch;
use super::{kernel, page, shell};
use crate::atomic_dir::AtomicDir;
use crate::context::Context;
use crate::dir;
use crate::process::Event;
use crate::progress::Progress;
use crate::run_directory::RunDirectory;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The state of a VM after its scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// It is switched off.
    Off,
    /// It keeps running, with a shell on its console, until it is switched off.
    Keep,
    /// The same, and the terminal is attached to the shell.
    Attach,
}

/// The VMs.
#[derive(Clone, Debug)]
pub struct Machine {
    pub size: Size,
    /// A directory with a root file system in place of Debian's packages.
    pub rootfs: Option<PathBuf>,
    pub afterwards: Afterwards,
    /// Power cuts of the scenario power-loss.
    pub power_cuts: u16,
}

impl Default for Machine {
    /// Two processors and 4 GiB, of a small board.
    fn default() -> Machine {
        let size = Size { memory: Memory(4096), cpus: 2 };
        Machine { size, rootfs: None, afterwards: Afterwards::Off, power_cuts: 30 }
    }
}

/// Runs scenarios until one fails. The results, which name a failure, are in the returned directory.
pub fn run(
    context: &Context,
    artifacts: Artifacts,
    scenarios: &[Scenario],
    machine: &Machine,
) -> Result<(Results, PathBuf)> {
    let run_directory = RunDirectory::create(context, &context.work.join("boot"))?;
    let artifacts = artifacts.copy_to(&run_directory.path().join("artifacts"))?;
    let guest = guest(context, scenarios, machine, run_directory.path())?;
    let has_server = scenarios.contains(&Scenario::Mixed);
    let server = has_server.then(|| Guest::get(context, &X86_64)).transpose()?;
    let mut results = Results::new(&artifacts, &guest.about, &machine.size);
    let consoles = tempfile::tempdir_in(run_directory.path())?;
    let directory = context.dist.join(&artifacts.version).join("boot");
    if scenarios.is_empty() {
        publish(context, &results, consoles.path(), &directory)?;
    }
    for scenario in scenarios {
        let scratch = tempfile::tempdir_in(run_directory.path())?;
        let guest_of = |role: &Role| match (scenario, role) {
            (Scenario::Mixed, Role::Server) => server.as_ref().unwrap_or(&guest),
            _ => &guest,
        };
        let roles = scenario.roles();
        let guests: Vec<&Guest> = roles.iter().map(guest_of).collect();
        let prepare = |role: &Role| -> Result<PathBuf> {
            let payload = scratch.path().join(role.name()).join("payload");
            fs::create_dir(scratch.path().join(role.name()))?;
            payload::gather(context, guest_of(role), &guests, &artifacts, *scenario, &payload)?;
            if *scenario == Scenario::PowerLoss {
                fs::write(payload.join(POWER_CUTS), format!("{}\n", machine.power_cuts))?;
            }
            if machine.afterwards != Afterwards::Off {
                fs::write(payload.join(KEEP_RUNNING), "")?;
            }
            payload::pack(context, &payload)
        };
        let payloads = roles.iter().map(prepare).collect::<Result<Vec<_>>>()?;
        let start = |role: &Role, payload| {
            let storage = scenario.storage();
            let setup = Setup { guest: guest_of(role), payload, size: &machine.size, storage, role: *role };
            Vm::start(context, setup, &scratch.path().join(role.name()))
        };
        let vms = roles.iter().zip(&payloads).map(|(role, payload)| start(role, payload));
        let mut vms = vms.collect::<Result<Vec<_>>>()?;
        let (vm, others) = vms.split_first_mut().context("a scenario has a VM")?;
        let outcome = watch(vm, others.first(), &scenario.milestones(), &context.progress);
        results.add(*scenario, artifacts.digests(*scenario)?, outcome);
        for vm in std::iter::once(&*vm).chain(&*others) {
            // A VM that could not be started has no console.
            if vm.console_log().is_file() {
                let copy = consoles.path().join(console_log(&vm.role().named(scenario.name())));
                fs::copy(vm.console_log(), copy)?;
            }
        }
        // Published now, so that results can be read while the VM is kept, and even if the run fails later.
        publish(context, &results, consoles.path(), &directory)?;
        machine.afterwards.apply(vm, &results, &context.progress);
        if results.failure().is_some() {
            break;
        }
    }
    Ok((results, directory))
}

/// Returns Debian's guest, or one with the user's root file system. A scenario may need another kernel in it.
fn guest(
    context: &Context,
    scenarios: &[Scenario],
    machine: &Machine,
    run_directory: &Path,
) -> Result<Guest> {
    let mut guest = Guest::get(context, &RISCV64)?;
    if let Some(root) = &machine.rootfs {
        let directory = run_directory.join("guest");
        fs::create_dir(&directory)?;
        guest = rootfs::build(context, &guest, root, &directory)?;
    }
    if scenarios.iter().any(|scenario| scenario.needs_kernel()) {
        let directory = run_directory.join("guest-cgroup-v1");
        fs::create_dir(&directory)?;
        guest = kernel::guest(context, &guest, &directory)?;
    }
    Ok(guest)
}

/// Replaces older results by these, with the console logs.
fn publish(context: &Context, results: &Results, consoles: &Path, directory: &Path) -> Result<()> {
    let published = AtomicDir::create(context, directory)?;
    dir::copy(consoles, published.path())?;
    fs::write(published.path().join(RESULTS), serde_json::to_vec_pretty(results)?)?;
    fs::write(published.path().join("report.html"), page::page(results, consoles).html())?;
    published.commit()
}

impl Afterwards {
    /// Keeps a VM running until it is switched off or the terminal is detached, if it is to be kept.
    fn apply(self, vm: &Vm, results: &Results, progress: &Progress) {
        if self == Afterwards::Off {
            return;
        }
        if let Some((_, failure)) = results.failure() {
            progress.print(page::failure_text(failure));
        }
        if self == Afterwards::Attach {
            if let Err(error) = shell::attach(vm) {
                progress.print(format!("cannot attach to the shell: {error:#}"));
            }
        } else {
            progress.print(format!(
                "the VM keeps running; its console is {}",
                vm.directory.join(SOCKET).display()
            ));
            while vm.process.next(Duration::from_secs(3600)) != Event::End {}
        }
    }
}
