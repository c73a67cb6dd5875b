//! Attaches the terminal to the guest's console.

use super::vm::{SOCKET, Vm};
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, SetArg, Termios};
use std::io::{IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;

/// Ctrl-], which detaches, as in telnet(1).
const DETACH: u8 = 0x1d;

/// Checks that standard input is a terminal.
pub fn require_terminal() -> Result<()> {
    ensure!(std::io::stdin().is_terminal(), "--shell needs a terminal for the shell");
    Ok(())
}

/// Connects the terminal to the guest's console until Ctrl-] is typed or the VM ends.
pub fn attach(vm: &Vm) -> Result<()> {
    // A socket's path is at most 107 characters long (unix(7)); that of the directory may be longer.
    let directory = fs::File::open(&vm.directory)?;
    let path = format!("/proc/self/fd/{}/{SOCKET}", directory.file().as_raw_fd());
    let console = UnixStream::connect(path).context("connecting to the guest's console")?;
    let _raw = RawMode::enter()?;
    let (stdin, mut stdout) = (std::io::stdin(), std::io::stdout());
    let mut buffer = [0; 4096];
    loop {
        let mut ready =
            [PollFd::new(stdin.as_fd(), PollFlags::POLLIN), PollFd::new(console.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::NONE).context("waiting for the terminal and the guest's console")?;
        let [has_input, has_output] = ready.map(|descriptor| descriptor.any().unwrap_or(true));
        if has_output {
            match (&console).read(&mut buffer)? {
                0 => return Ok(()),
                count => stdout.write_all(&buffer[..count])?,
            }
            stdout.flush()?;
        }
        if has_input {
            // Read without the standard library's buffer, whose content poll does not see.
            match nix::unistd::read(&stdin, &mut buffer).context("reading from the terminal")? {
                0 => return Ok(()),
                count if buffer[..count].contains(&DETACH) => return Ok(()),
                count => (&console).write_all(&buffer[..count])?,
            }
        }
    }
}

/// A terminal in raw mode, which passes on every key, Ctrl-C too. Dropping it restores the settings.
struct RawMode(Termios);

impl RawMode {
    fn enter() -> Result<RawMode> {
        let before = termios::tcgetattr(std::io::stdin()).context("reading the terminal's settings")?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, &raw).context("setting the terminal")?;
        Ok(RawMode(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Fails if the terminal has been closed meanwhile.
        let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.0);
    }
}
