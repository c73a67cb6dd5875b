//! The terminal lent to the guest's console.

use super::machine::SOCKET;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use nix::sys::termios::{self, SetArg, Termios};
use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsRawFd;
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
pub fn lend(folder: &Path) -> Result<()> {
    // A socket's name has room for 107 characters (unix(7)); that of a folder may be longer.
    let opened = fs::File::open(folder)?;
    let place = format!("/proc/self/fd/{}/{SOCKET}", opened.file().as_raw_fd());
    let console = UnixStream::connect(place).context("reaching the guest's console")?;
    let _raw = Raw::begin()?;
    let mut typed = console.try_clone()?;
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        while let Ok(count @ 1..) = std::io::stdin().read(&mut buffer) {
            if buffer[..count].contains(&LEAVE) || typed.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // Reading ends too, and with it the loan.
        let _ = typed.shutdown(std::net::Shutdown::Both);
    });
    let mut written = console;
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = written.read(&mut buffer) {
        std::io::stdout().write_all(&buffer[..count])?;
        std::io::stdout().flush()?;
    }
    Ok(())
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
