//! The VM: qemu with options for everything that would otherwise depend on the host.

use super::guest::Guest;
use crate::context::Context;
use crate::process::{Child, cmd};
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Size of the VM.
#[derive(Clone, Debug)]
pub struct Size {
    pub memory: Memory,
    pub cpus: u8,
}

/// An amount of memory, in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory(pub u32);

/// Linux with systemd does not boot with less, in MiB.
const MINIMUM: u32 = 512;

impl FromStr for Memory {
    type Err = anyhow::Error;

    /// Parses `4G` or `2048M`.
    fn from_str(text: &str) -> Result<Memory> {
        let parse =
            |suffix: char, factor: u32| text.strip_suffix(suffix)?.parse::<u32>().ok()?.checked_mul(factor);
        let mib = parse('G', 1024).or_else(|| parse('M', 1)).unwrap_or(0);
        ensure!(mib >= MINIMUM, "{text:?} is no amount of memory from {MINIMUM}M up, such as 4G or 2048M");
        Ok(Memory(mib))
    }
}

/// The console's log and its socket, in the VM's directory.
const CONSOLE: &str = "console.log";
pub const SOCKET: &str = "console.sock";

/// Command line of every kernel, which systemd reads, too.
const COMMAND_LINE: &[&str] = &[
    "console=ttyS0",
    // No colours: the console's log would contain escape sequences (systemd(1), `TERM`).
    "TERM=dumb",
    // A panic resets the VM, and with -no-reboot a reset ends it.
    "panic=-1",
    // Three levels of page tables, as on today's boards (Sv39). An emulator that offers five would walk all five.
    "no4lvl",
    "systemd.unit=multi-user.target",
    // A getty opens the consoles again, which hangs up the processes that write to them (vhangup(2)).
    // systemd.getty_auto also keeps it off the scenario's console.
    "systemd.getty_auto=no",
    "systemd.mask=serial-getty@ttyS0.service",
    // Fails in a root whose packages' scripts have not run, and is not needed: every library is where the loader
    // searches by default.
    "systemd.mask=ldconfig.service",
    // Rebuilds the database of hardware names, which takes half a minute under emulation and is not used.
    "systemd.mask=systemd-hwdb-update.service",
];

/// The processor. Without physical memory protection, since that is between firmware and kernel, neither of which is
/// under test, and an emulator checks it at every step of a page table walk.
const CPU: &str = "rv64,pmp=off";

/// A running VM. Dropping it stops qemu.
pub struct Vm {
    /// qemu, whose standard output is the scenario's console.
    pub process: Child,
    /// Directory of the files that qemu writes.
    pub directory: PathBuf,
}

impl Vm {
    /// Starts a VM, which writes to `directory`.
    ///
    /// The guest's disk is not written to: changes go to an unnamed file in the same directory.
    pub fn start(
        context: &Context,
        guest: &Guest,
        payload: &Path,
        size: &Size,
        directory: &Path,
    ) -> Result<Vm> {
        let (kernel, initrd, append) = (guest.kernel(), guest.initrd(), command_line(guest.arguments));
        let cpus = size.cpus.to_string();
        let memory = format!("{}M", size.memory.0);
        let disk = |id: &str, path: &Path, options: &str| {
            let drive = format!("if=none,id={id},format=raw,{options},file={}", escaped(path));
            ["-drive".to_owned(), drive, "-device".to_owned(), format!("virtio-blk-device,drive={id}")]
        };
        let disks = [
            disk("guest", &guest.disk(), "snapshot=on,cache=unsafe"),
            disk("payload", payload, "readonly=on"),
        ]
        .concat();
        let console = format!("socket,id=console,path={SOCKET},server=on,wait=off,logfile={CONSOLE}");
        let qemu = cmd!(
            context,
            "qemu-system-riscv64 -machine virt -cpu {CPU} -accel tcg,thread=multi -smp {cpus} -m {memory}
             -nodefaults -no-user-config -display none -no-reboot
             -kernel {kernel} -initrd {initrd} -append {append} {disks...}
             -chardev {console} -serial chardev:console
             -chardev file,id=events,path=/dev/stdout -device virtio-serial-device
             -device virtconsole,chardev=events -device virtio-rng-device"
        );
        // The unnamed file is in TMPDIR. The socket's path is relative, since it has to be short (unix(7)).
        let process = qemu.dir(directory).env("TMPDIR", directory).stream()?;
        Ok(Vm { process, directory: directory.to_owned() })
    }

    /// Returns the path of the console's log, from the kernel and systemd.
    pub fn console_log(&self) -> PathBuf {
        self.directory.join(CONSOLE)
    }
}

/// Returns the command line of the kernel, with arguments of the guest's own.
fn command_line(arguments: &[&str]) -> String {
    [COMMAND_LINE, arguments].concat().join(" ")
}

/// Escapes a path for qemu, whose options are separated by commas.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_memory() {
        assert_eq!("4G".parse::<Memory>().unwrap(), Memory(4096));
        assert_eq!("2048M".parse::<Memory>().unwrap(), Memory(2048));
        for bad in ["", "4", "G", "-1G", "64M", "9999999G", "4g", "4 G"] {
            let error = bad.parse::<Memory>().unwrap_err().to_string();
            assert!(error.contains("no amount of memory"), "{bad}: {error}");
        }
    }

    #[test]
    fn command_line_ends_with_the_guests_arguments() {
        assert_eq!(command_line(&["a=1", "b"]), format!("{} a=1 b", COMMAND_LINE.join(" ")));
    }

    #[test]
    fn escapes_commas_in_paths() {
        assert_eq!(escaped(Path::new("/a,b/c")), "/a,,b/c");
    }
}
