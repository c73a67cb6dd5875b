//! A sandbox for child processes that run foreign code: no network, files only where they are allowed, no
//! signals, bounded memory and file size.
//!
//! This executable confines itself and then becomes the command, so that everything the command starts is
//! confined as well. It takes no privileges, and no user namespace, which many distributions forbid. Landlock
//! rules over files; what it leaves open (UDP and Unix sockets, modes and owners of files, signals on older
//! kernels) is refused by a seccomp filter.

use anyhow::{Context as _, Result, anyhow, bail};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The hidden first argument under which this executable confines itself and becomes another.
pub const SANDBOX: &str = "__sandbox";

/// The files that a confined child process may reach. Directories count with everything below them.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Sandbox {
    /// Files and directories that may be read.
    pub read: Vec<PathBuf>,
    /// Files and directories that may be read and executed.
    pub execute: Vec<PathBuf>,
    /// Directories in which plain files may be created, changed and removed.
    pub write: Vec<PathBuf>,
}

/// The largest file that a confined process writes, its output among them.
const LARGEST_FILE: u64 = 16 << 20;
/// The address space of one confined process.
const MEMORY: u64 = 2 << 30;
/// The processes that may be started beside those that run already; the kernel enforces it for all users but root.
const MORE_PROCESSES: u64 = 4096;

/// Checks that this machine supports the sandbox; the error names the reason.
pub fn available() -> Result<()> {
    ruleset()?;
    denied_calls().map(drop)
}

/// Confines this process as `arguments[0]` describes (a [`Sandbox`] in JSON) and becomes the command that
/// follows.
pub fn enter(arguments: &[OsString]) -> Result<ExitCode> {
    let [sandbox, command, rest @ ..] = arguments else { bail!("{SANDBOX} is an internal command") };
    let sandbox: Sandbox = serde_json::from_str(&sandbox.to_string_lossy()).context("reading a sandbox")?;
    sandbox.confine().context("entering the sandbox")?;
    Err(Command::new(command).args(rest).exec())
        .with_context(|| format!("starting {} in the sandbox", command.display()))
}

impl Sandbox {
    /// Returns the form in which [`enter`] reads it.
    pub(super) fn to_argument(&self) -> Result<String> {
        serde_json::to_string(self).context("a path that a sandbox cannot name")
    }

    fn confine(&self) -> Result<()> {
        limit(Resource::RLIMIT_FSIZE, LARGEST_FILE)?;
        limit(Resource::RLIMIT_AS, MEMORY)?;
        limit(Resource::RLIMIT_CORE, 0)?;
        limit(Resource::RLIMIT_NPROC, running_processes()? + MORE_PROCESSES)?;
        give_up_root()?;
        let calls = denied_calls()?;
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let write =
            read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
        let null = PathBeneath::new(
            PathFd::new("/dev/null").context("opening /dev/null")?,
            AccessFs::ReadFile | AccessFs::WriteFile,
        );
        let status = ruleset()?
            .add_rules(path_beneath_rules(&self.read, read))?
            .add_rules(path_beneath_rules(&self.execute, read | AccessFs::Execute))?
            .add_rules(path_beneath_rules(&self.write, write))?
            .add_rule(null)?
            .restrict_self()?;
        if status.ruleset == RulesetStatus::NotEnforced {
            bail!("the kernel did not enforce Landlock's rules");
        }
        seccompiler::apply_filter(&calls).context("installing a seccomp filter")
    }
}

/// Rules that allow nothing yet. File rights of the first Landlock are required; newer rights apply where the
/// kernel knows them.
fn ruleset() -> Result<RulesetCreated> {
    let required = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map_err(|_| anyhow!("this kernel has no Landlock (Linux 5.13 or newer, `landlock` among `lsm=`)"))?;
    let newer = required
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))?;
    newer.create().context("making Landlock's rules")
}

/// Returns a filter under which these system calls fail with EPERM.
fn denied_calls() -> Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| anyhow!("no seccomp filter is known for {}", std::env::consts::ARCH))?;
    let denied = DENIED.iter().chain(&DENIED_BY_NUMBER).chain(DENIED_BY_OLD_NAMES);
    let rules = denied.map(|call| (*call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?;
    filter.try_into().context("compiling a seccomp filter")
}

/// System calls that Landlock does not cover, or not on every kernel that has it.
#[rustfmt::skip]
const DENIED: &[libc::c_long] = &[
    // The network, and the sockets of other processes (docker's, the session's).
    libc::SYS_socket, libc::SYS_socketpair, libc::SYS_io_uring_setup,
    // Other processes, and leaving the process group that ends with us.
    libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal, libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev,
    libc::SYS_setpgid, libc::SYS_setsid,
    // Sizes, modes, owners, times and attributes of files that may only be read, or not even that.
    libc::SYS_truncate, libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_fchown,
    libc::SYS_fchownat, libc::SYS_utimensat, libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr,
    libc::SYS_removexattr, libc::SYS_lremovexattr, libc::SYS_fremovexattr,
    // Keys, and the machine itself.
    libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl, libc::SYS_bpf, libc::SYS_perf_event_open,
    libc::SYS_unshare, libc::SYS_setns,
];

/// Newer ones, which have the same number everywhere and are not named by libc on every architecture: fchmodat2,
/// setxattrat, removexattrat and file_setattr.
const DENIED_BY_NUMBER: [libc::c_long; 4] = [452, 463, 466, 469];

/// Those among them that only older architectures have.
#[cfg(target_arch = "x86_64")]
const DENIED_BY_OLD_NAMES: &[libc::c_long] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_BY_OLD_NAMES: &[libc::c_long] = &[];

fn limit(resource: Resource, value: u64) -> Result<()> {
    let (_, most) = getrlimit(resource)?;
    let limit = value.min(most);
    setrlimit(resource, limit, limit).with_context(|| format!("setting {resource:?}"))
}

/// Returns the number of processes and threads of this machine (proc_loadavg(5), the fourth field).
fn running_processes() -> Result<u64> {
    let text = fs_err::read_to_string("/proc/loadavg")?;
    let running = text.split(['/', ' ']).nth(4).and_then(|number| number.parse().ok());
    running.with_context(|| format!("/proc/loadavg in a form that is not known: {text}"))
}

/// Takes root's capabilities from whatever is executed next.
fn give_up_root() -> Result<()> {
    use caps::{CapSet, Capability};
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        caps::clear(None, CapSet::Bounding).context("giving up root's capabilities")?;
        caps::clear(None, CapSet::Inheritable).context("giving up root's capabilities")?;
    }
    Ok(())
}
