//! The guard: a process between us and each command, which keeps the command from outliving us.

use anyhow::{Context as _, Result};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// The hidden first argument under which this executable is its own guard.
pub const GUARD: &str = "__guard";
/// Begins the report on a command that could not be started.
pub(super) const CANNOT_START: &str = "cannot start: ";

/// Runs a command so that it and all its descendants end when the parent ends, however that happens (Ctrl-C,
/// kill -9, a panic).
///
/// The guard leads a process group of its own and holds one end of a socket whose other end is the parent's. When the
/// parent is gone, the socket reports end of file, and the guard kills the whole group: go's compilers and linkers
/// too, which a parent-death signal (prctl(2)) would not reach, since it is not inherited. A terminal's Ctrl-C
/// reaches only the parent. When the command ends first, the socket ends with the guard.
pub fn guard(argv: &[OsString]) -> Result<std::process::ExitCode> {
    use nix::sys::signal;
    use nix::unistd::Pid;
    nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0)).context("leading a process group")?;
    let line = UnixStream::from(std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned()?);
    let mut parent = line.try_clone()?;
    std::thread::spawn(move || {
        let mut nothing = [0];
        while matches!(parent.read(&mut nothing), Ok(n) if n > 0) {}
        // Killing the group ends this process, too, so a failure cannot be reported.
        let _ = signal::killpg(nix::unistd::getpgrp(), signal::Signal::SIGKILL);
    });
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).stdin(Stdio::null());
    let mut line = line;
    let status = match command.status() {
        Ok(status) => status,
        Err(error) => {
            writeln!(line, "{CANNOT_START}{error}")?;
            return Ok(std::process::ExitCode::FAILURE);
        }
    };
    if let Some(number) = status.signal() {
        // The parent sees the same signal.
        let signal = signal::Signal::try_from(number).context("a signal of the kernel's")?;
        signal::raise(signal).context("passing on a signal")?;
    }
    Ok(u8::try_from(status.code().unwrap_or(1)).map_or(std::process::ExitCode::FAILURE, Into::into))
}
