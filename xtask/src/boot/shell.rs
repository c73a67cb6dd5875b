//! The terminal lent to the guest's console.

use super::machine::SOCKET;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, SetArg, Termios};
use std::io::{IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Ctrl-], which ends the loan, as in telnet(1).
const LEAVE: u8 = 0x1d;

/// Makes sure that there is a terminal to lend.
pub fn require_terminal() -> Result<()> {
    ensure!(std::io::stdin().is_terminal(), "--shell needs a terminal for the shell");
    Ok(())
}

/// Passes on what is typed and what the guest writes, until Ctrl-] is typed or the machine is off.
pub fn lend(directory: &Path) -> Result<()> {
    // A socket's name has room for 107 characters (unix(7)); that of a directory may be longer.
    let opened = fs::File::open(directory)?;
    let place = format!("/proc/self/fd/{}/{SOCKET}", opened.file().as_raw_fd());
    let console = UnixStream::connect(place).context("reaching the guest's console")?;
    let _raw = Raw::begin()?;
    let (stdin, mut stdout) = (std::io::stdin(), std::io::stdout());
    let mut buffer = [0; 4096];
    loop {
        let mut ready =
            [PollFd::new(stdin.as_fd(), PollFlags::POLLIN), PollFd::new(console.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::NONE).context("waiting for the terminal and the guest's console")?;
        let [typed, written] = ready.map(|descriptor| descriptor.any().unwrap_or(true));
        if written {
            match (&console).read(&mut buffer)? {
                0 => return Ok(()),
                count => stdout.write_all(&buffer[..count])?,
            }
            stdout.flush()?;
        }
        if typed {
            // Not by way of the standard library's buffer, of whose content poll would not know.
            match nix::unistd::read(&stdin, &mut buffer).context("reading from the terminal")? {
                0 => return Ok(()),
                count if buffer[..count].contains(&LEAVE) => return Ok(()),
                count => (&console).write_all(&buffer[..count])?,
            }
        }
    }
}

/// A terminal that passes on every key, Ctrl-C too, and is put right again when this is dropped.
struct Raw(Termios);

impl Raw {
    fn begin() -> Result<Raw> {
        let before = termios::tcgetattr(std::io::stdin()).context("asking for the terminal's settings")?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, &raw).context("setting the terminal")?;
        Ok(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Whoever has closed the terminal meanwhile does not miss its settings.
        let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.0);
    }
}
