//! The VM: qemu with options for everything that would otherwise depend on the host.

use super::disk;
use super::guest::Guest;
use super::platform::Platform;
use super::role::Role;
use super::write_log::WriteLog;
use crate::context::Context;
use crate::process::{Child, cmd};
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

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

/// The disk of the guest's that a VM writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// An unnamed file over the guest's own disk, which is gone with the VM.
    Temporary,
    /// The same, with the rates of an SD card.
    Slow,
    /// A copy, which is kept when the VM is restarted. A restart loses what was written after the last flush.
    Kept,
}

/// Options of the unnamed file: no flush waits for the host's disk.
const UNNAMED: &str = "snapshot=on,cache=unsafe";

/// The rates that a card of the application performance class A1 has to reach (SD Physical Layer Specification 5.1): writes
/// and reads of 4 KiB per second, and bytes written per second. qemu's rate of writes also holds for large ones.
const SD_CARD: &str = "throttling.iops-write=500,throttling.iops-read=1500,throttling.bps-write=10000000";

/// A kept disk, the log of what a VM has written since it was started, and both as options of qemu: all writes go to an
/// unnamed file over the disk, and to the log. The log is synchronized by no flush, since it is the VM that is killed
/// and not the host.
const DISK: &str = "guest.ext4";
const LOG: &str = "guest.log";
const UNDER_LOG: &str = "if=none,id=written,format=raw,snapshot=on,cache=unsafe,file=guest.ext4";
const LOGGED: &str = r#"if=none,id=guest,cache=writeback,file=json:{"driver":"blklogwrites",,"file":"written",,"log":{"driver":"file",,"filename":"guest.log",,"cache":{"no-flush":true}}}"#;

/// Options of a disk. blklogwrites may put other entries between the entry of a request for zeroes and the zeroes, and such a
/// log cannot be read. Without these requests, a guest writes zeroes as any other data. If the host's disk is full, the guest
/// gets an error, which is in its log; by default qemu would stop the VM without a message.
const DISK_OPTIONS: &str = ",write-zeroes=off,discard=off,werror=report";

/// The console's log and its socket, in the VM's directory.
const CONSOLE: &str = "console.log";
pub const SOCKET: &str = "console.sock";

/// The socket of the network between two VMs, from the directory of each. qemu does not connect again, and a VM whose qemu
/// has found no socket runs without a network.
const LINK: &str = "../link.sock";
/// Time for a qemu that was started to create its socket.
const START: Duration = Duration::from_secs(60);

/// Command line of every kernel, which systemd reads, too.
const COMMAND_LINE: &[&str] = &[
    "console=ttyS0",
    // No colours: the console's log would contain escape sequences (systemd(1), `TERM`).
    "TERM=dumb",
    // A panic resets the VM, and with -no-reboot a reset ends it.
    "panic=-1",
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

/// A running VM. Dropping it stops qemu.
pub struct Vm<'a> {
    context: &'a Context,
    setup: Setup<'a>,
    /// qemu, whose standard output is the scenario's console.
    pub process: Child,
    /// Directory of the files that qemu writes.
    pub directory: PathBuf,
}

/// Settings of a VM.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    pub guest: &'a Guest,
    pub payload: &'a Path,
    pub size: &'a Size,
    pub storage: Storage,
    pub role: Role,
}

impl<'a> Vm<'a> {
    /// Starts a VM, which writes to `directory`, and never to the guest's own disk.
    pub fn start(context: &'a Context, setup: Setup<'a>, directory: &Path) -> Result<Vm<'a>> {
        if setup.storage == Storage::Kept {
            disk::copy(&setup.guest.disk(), &directory.join(DISK)).context("copying the guest's disk")?;
        }
        let link = directory.join(LINK);
        let start = Instant::now();
        while setup.role == Role::Agent && !link.exists() {
            ensure!(start.elapsed() < START, "the server's VM has no socket {}", link.display());
            std::thread::sleep(Duration::from_millis(100));
        }
        let process = setup.launch(context, directory, &[])?;
        Ok(Vm { context, setup, process, directory: directory.to_owned() })
    }

    /// Starts a VM that has ended again, with further arguments of the kernel, on its disk as far as it was flushed.
    /// Returns the number of bytes that were written afterwards.
    pub fn restart(&mut self, arguments: &[String]) -> Result<u64> {
        ensure!(self.setup.storage == Storage::Kept, "its disk is not kept");
        let path = self.directory.join(LOG);
        let unflushed = || -> Result<u64> {
            let log = fs::File::open(&path)?;
            let disk = fs::OpenOptions::new().write(true).open(self.directory.join(DISK))?;
            let writes = WriteLog::read(&log, disk.metadata()?.len())?;
            writes.replay(&log, &disk)?;
            Ok(writes.unflushed())
        };
        let unflushed = unflushed().with_context(|| format!("replaying {}", path.display()))?;
        self.process = self.setup.launch(self.context, &self.directory, arguments)?;
        Ok(unflushed)
    }

    /// Returns the role in the scenario.
    pub fn role(&self) -> Role {
        self.setup.role
    }

    /// Returns the path of the console's log, from the kernel and systemd.
    pub fn console_log(&self) -> PathBuf {
        self.directory.join(CONSOLE)
    }
}

impl Setup<'_> {
    /// Starts qemu in a directory.
    fn launch(&self, context: &Context, directory: &Path, arguments: &[String]) -> Result<Child> {
        let (kernel, initrd) = (self.guest.kernel(), self.guest.initrd());
        let platform = self.guest.platform;
        let append = command_line(
            &[platform.kernel_arguments, self.guest.arguments].concat(),
            &[self.role.arguments().as_slice(), arguments].concat(),
        );
        let cpus = self.size.cpus.to_string();
        let memory = format!("{}M", self.size.memory.0);
        let Platform { machine, bus, .. } = *platform;
        let device = |id: &str| ["-device".to_owned(), format!("virtio-blk-{bus},drive={id}{DISK_OPTIONS}")];
        let drive = |options: String| ["-drive".to_owned(), options];
        let disk = |id: &str, path: &Path, options: &str| {
            drive(format!("if=none,id={id},format=raw,{options},file={}", escaped(path)))
        };
        let mut disks = match self.storage {
            Storage::Temporary => disk("guest", &self.guest.disk(), UNNAMED).to_vec(),
            Storage::Slow => disk("guest", &self.guest.disk(), &format!("{UNNAMED},{SD_CARD}")).to_vec(),
            Storage::Kept => {
                fs::File::create(directory.join(LOG))?;
                [drive(UNDER_LOG.to_owned()), drive(LOGGED.to_owned())].concat()
            }
        };
        disks.extend(
            [device("guest"), disk("payload", self.payload, "readonly=on"), device("payload")].concat(),
        );
        let network = match self.role {
            Role::Alone => Vec::new(),
            Role::Server => network(platform, "server=on", "52:54:00:00:00:01").to_vec(),
            Role::Agent => network(platform, "server=off", "52:54:00:00:00:02").to_vec(),
        };
        let console =
            format!("socket,id=console,path={SOCKET},server=on,wait=off,logfile={CONSOLE},logappend=on");
        let emulator = platform.emulator();
        let [serial, random] = ["serial", "rng"].map(|name| format!("virtio-{name}-{bus}"));
        let qemu = cmd!(
            context,
            "{emulator} {machine...} -smp {cpus} -m {memory}
             -nodefaults -no-user-config -display none -no-reboot
             -kernel {kernel} -initrd {initrd} -append {append} {disks...}
             -chardev {console} -serial chardev:console
             -chardev file,id=events,path=/dev/stdout -device {serial}
             -device virtconsole,chardev=events -device {random} {network...}"
        );
        // The unnamed file is in TMPDIR. The socket's path is relative, since it has to be short (unix(7)).
        qemu.dir(directory).env("TMPDIR", directory).stream()
    }
}

/// Returns the options of an end of the network between two VMs.
fn network(platform: &Platform, end: &str, mac: &str) -> [String; 4] {
    let backend = format!("stream,id=network,{end},addr.type=unix,addr.path={LINK}");
    let device = format!("virtio-net-{},netdev=network,mac={mac}", platform.bus);
    ["-netdev".to_owned(), backend, "-device".to_owned(), device]
}

/// Returns the command line of the kernel, with arguments of the guest's own and of this VM.
fn command_line(of_guest: &[&str], of_vm: &[String]) -> String {
    let words = COMMAND_LINE.iter().chain(of_guest).copied().chain(of_vm.iter().map(String::as_str));
    words.collect::<Vec<_>>().join(" ")
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
    fn command_line_ends_with_further_arguments() {
        let line = command_line(&["a=1", "b"], &["c".to_owned()]);
        assert_eq!(line, format!("{} a=1 b c", COMMAND_LINE.join(" ")));
    }

    #[test]
    fn escapes_commas_in_paths() {
        assert_eq!(escaped(Path::new("/a,b/c")), "/a,,b/c");
    }
}
