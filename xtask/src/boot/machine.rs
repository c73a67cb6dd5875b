//! The machine: qemu, told everything that would otherwise depend on the host it runs on.

use super::guest::Guest;
use crate::context::Context;
use crate::process::{Child, cmd};
use anyhow::{Result, ensure};
use std::path::Path;
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

/// Less, and Linux with systemd does not come up.
const LEAST: u32 = 512;

impl FromStr for Memory {
    type Err = anyhow::Error;

    /// `4G` or `2048M`.
    fn from_str(text: &str) -> Result<Memory> {
        let read =
            |suffix: char, factor: u32| text.strip_suffix(suffix)?.parse::<u32>().ok()?.checked_mul(factor);
        let mib = read('G', 1024).or_else(|| read('M', 1)).unwrap_or(0);
        ensure!(mib >= LEAST, "{text:?} is no amount of memory from {LEAST}M up, such as 4G or 2048M");
        Ok(Memory(mib))
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} MiB", self.0)
    }
}

/// The console's log and its socket, in the directory the machine runs in.
pub const CONSOLE: &str = "console.log";
pub const SOCKET: &str = "console.sock";

/// Command line of the kernel, which systemd reads, too.
const COMMAND_LINE: &[&str] = &[
    "console=ttyS0",
    // Colours would stand in the console's log as escape sequences (systemd(1), `TERM`).
    "TERM=dumb",
    // A panic ends the machine, which -no-reboot keeps from starting anew.
    "panic=-1",
    // Three levels of page tables, as today's boards have (Sv39): an emulator that offers five walks through five.
    "no4lvl",
    "systemd.unit=multi-user.target",
    // A getty would open the consoles anew, and with that hang up whoever is writing to them (vhangup(2));
    // systemd.getty_auto also keeps it from the console of the proof.
    "systemd.getty_auto=no",
    "systemd.mask=serial-getty@ttyS0.service",
    // Fails in a root whose packages' scripts have not run, and is not needed: every library lies where the
    // loader looks by itself.
    "systemd.mask=ldconfig.service",
    // Builds the database of hardware names anew, half a minute under emulation; nothing asks for one.
    "systemd.mask=systemd-hwdb-update.service",
];

/// The processor. Physical memory protection is between firmware and kernel, neither of which is on trial, and an
/// emulator asks it anew at every step of every walk through page tables.
const CPU: &str = "rv64,pmp=off";

/// Switches the machine on in a directory, which holds what it writes. What it says is said by the proof.
///
/// The guest's disk is not written to: changes go to a file without a name in the same directory.
pub fn start(
    context: &Context,
    guest: &Guest,
    payload: &Path,
    size: &Size,
    directory: &Path,
) -> Result<Child> {
    let (kernel, initrd, append) = (guest.kernel(), guest.initrd(), COMMAND_LINE.join(" "));
    let cpus = size.cpus.to_string();
    let memory = format!("{}M", size.memory.0);
    let drive =
        |id: &str, path: &Path, how: &str| format!("if=none,id={id},format=raw,{how},file={}", escaped(path));
    let disks = [
        ("guest", drive("guest", &guest.disk(), "snapshot=on,cache=unsafe")),
        ("payload", drive("payload", payload, "readonly=on")),
    ];
    let disks = disks.into_iter().flat_map(|(id, drive)| {
        ["-drive".to_owned(), drive, "-device".to_owned(), format!("virtio-blk-device,drive={id}")]
    });
    let console = format!("socket,id=console,path={SOCKET},server=on,wait=off,logfile={CONSOLE}");
    let qemu = cmd!(context,
        "qemu-system-riscv64 -machine virt -cpu {CPU} -accel tcg,thread=multi -smp {cpus} -m {memory}
         -nodefaults -no-user-config -display none -no-reboot
         -kernel {kernel} -initrd {initrd} -append {append} {disks...}
         -chardev {console} -serial chardev:console
         -chardev file,id=proof,path=/dev/stdout -device virtio-serial-device -device virtconsole,chardev=proof
         -device virtio-rng-device"
    );
    // The file of changes lies where TMPDIR points, and the socket's name has to be short (unix(7)).
    qemu.dir(directory).env("TMPDIR", directory).stream()
}

/// A path as a value among qemu's options, where commas part them.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_as_qemu_takes_it() {
        assert_eq!("4G".parse::<Memory>().unwrap(), Memory(4096));
        assert_eq!("2048M".parse::<Memory>().unwrap(), Memory(2048));
        for bad in ["", "4", "G", "-1G", "64M", "9999999G", "4g", "4 G"] {
            let error = bad.parse::<Memory>().unwrap_err().to_string();
            assert!(error.contains("no amount of memory"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_comma_in_a_path_does_not_end_it() {
        assert_eq!(escaped(Path::new("/a,b/c")), "/a,,b/c");
    }
}
