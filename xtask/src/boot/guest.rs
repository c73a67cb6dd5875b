//! The guest: a kernel, its initrd and a disk, made once of a distribution's packages and never written to.

pub mod cpio;
pub mod initrd;
pub mod packages;
pub mod postinst;
pub mod rootfs;

use super::disk;
use crate::context::{Context, Network};
use crate::digest::Digest;
use crate::file_lock::FileLock;
use crate::toolchain::debian;
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use packages::Fetched;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// An assembled guest.
#[derive(Debug)]
pub struct Guest {
    pub directory: PathBuf,
    pub about: About,
}

/// What a guest is made of, for the record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    /// `Debian trixie`.
    pub distribution: String,
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: String,
    /// Each package's file, which names its version; none where the root file system is the user's own.
    pub packages: Vec<String>,
}

const KERNEL: &str = "kernel";
const INITRD: &str = "initrd";
const DISK: &str = "disk.ext4";
const ABOUT: &str = "about.json";
const PATHS: &str = "paths";

/// How large the guest takes its disk to be, in bytes. The file has holes: it takes what is in it.
const SIZE: u64 = 8 << 30;

/// Starts the proof that the payload brings, once the guest is up.
const UNIT: &str = include_str!("guest/proof.service");
const FSTAB: &str = "LABEL=payload /proof ext4 ro 0 0\n";

/// What decides what is in a guest, beside the packages themselves: whatever of it is changed makes another one.
const RECIPE: [&str; 8] = [
    include_str!("guest/cpio.rs"),
    include_str!("disk.rs"),
    include_str!("guest.rs"),
    include_str!("guest/init.sh"),
    include_str!("guest/proof.service"),
    include_str!("guest/initrd.rs"),
    include_str!("guest/packages.rs"),
    include_str!("guest/postinst.rs"),
];

impl Guest {
    /// What the directory of a release's guest is called, in the cache's `guests`.
    pub fn name(suite: &str) -> String {
        format!("{suite}-{}", Digest::of(RECIPE.join("\n")).short())
    }

    /// The guest of the best release there is one of, assembled now or by an earlier run.
    pub fn get(context: &Context) -> Result<Guest> {
        let all = context.cache.join("guests");
        let directory = |suite: &str| all.join(Guest::name(suite));
        let made =
            || context.pins.debian.guests.iter().map(|suite| directory(suite)).find(|path| path.is_dir());
        if let Some(directory) = made() {
            let guest = Guest::open(directory)?;
            guest.tell_of_stand_in(context);
            return Ok(guest);
        }
        if context.network == Network::Forbidden {
            bail!("Debian's riscv64 packages are not in the cache, and --offline forbids fetching them");
        }
        let _lock = FileLock::acquire(context, &all.join("lock"))?;
        if let Some(directory) = made() {
            return Guest::open(directory);
        }
        let running = context.progress.step("guest");
        running.doing("fetching its packages");
        let fetched = packages::fetch(context)?;
        running.doing("unpacking its packages");
        let directory = directory(&fetched.suite);
        assemble(context, &fetched, &directory).context("assembling the guest")?;
        let guest = Guest::open(directory)?;
        running.done(format!("{}, Linux {}", guest.about.distribution, guest.about.kernel));
        Ok(guest)
    }

    /// A guest made now, of packages that are fetched where the cache lacks them, in a new directory.
    pub fn make(context: &Context, directory: &Path) -> Result<Guest> {
        assemble(context, &packages::fetch(context)?, directory).context("assembling the guest")?;
        Guest::open(directory.to_owned())
    }

    /// Says so where it is not of the release that is asked first, which could lend none when it was made.
    fn tell_of_stand_in(&self, context: &Context) {
        let first = context.pins.debian.guests.first().map(|suite| format!("Debian {suite}"));
        if let Some(first) = first.filter(|first| *first != self.about.distribution) {
            context.progress.print(format!(
                "the guest is {}, as {first} could not lend one; to ask it again, remove {}",
                self.about.distribution,
                self.directory.display()
            ));
        }
    }

    fn open(directory: PathBuf) -> Result<Guest> {
        let about = serde_json::from_slice(&fs::read(directory.join(ABOUT))?)
            .with_context(|| format!("reading {}", directory.join(ABOUT).display()))?;
        Ok(Guest { directory, about })
    }

    pub fn kernel(&self) -> PathBuf {
        self.directory.join(KERNEL)
    }

    pub fn initrd(&self) -> PathBuf {
        self.directory.join(INITRD)
    }

    pub fn disk(&self) -> PathBuf {
        self.directory.join(DISK)
    }

    /// The static busybox of the guest's distribution.
    pub fn busybox(&self) -> PathBuf {
        self.directory.join("busybox")
    }

    /// Every path of the guest, without the leading slash; unknown where its own rpm knows what it has.
    pub fn paths(&self) -> Result<Option<BTreeSet<String>>> {
        let file = self.directory.join(PATHS);
        if !file.is_file() {
            return Ok(None);
        }
        Ok(Some(fs::read_to_string(file)?.lines().map(str::to_owned).collect()))
    }
}

/// Makes a guest in a directory that appears whole.
fn assemble(context: &Context, fetched: &Fetched, directory: &Path) -> Result<()> {
    let parent = directory.parent().context("a guest has a directory")?;
    let name = directory.file_name().context("a guest has a name")?.to_string_lossy();
    let prefix = format!(".making-{name}-");
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        // What killed runs have left of the same guest; the process that builds one holds its lock.
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    let making = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)?;
    let root = making.path().join("root");
    debian::unpack(context, &in_order(&fetched.files), &root)?;
    let modules = postinst::complete(context, &root)?;
    add_unit(&root)?;
    let guest = making.path().join("guest");
    fs::create_dir(&guest)?;
    let release =
        modules.file_name().context("modules lie in the directory of their kernel")?.to_string_lossy();
    fs::copy(kernel(&root, &modules, &release)?, guest.join(KERNEL))?;
    fs::write(guest.join(INITRD), initrd::make(context, &root, &release)?)?;
    fs::copy(root.join("usr/bin/busybox"), guest.join("busybox"))?;
    fs::write(guest.join(PATHS), paths(&root)?)?;
    disk::write(context, &root, "guest", SIZE, &guest.join(DISK))?;
    let mut names: Vec<String> = fetched
        .files
        .iter()
        .filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    let about = About {
        distribution: format!("Debian {}", fetched.suite),
        kernel: release.into_owned(),
        packages: names,
    };
    fs::write(guest.join(ABOUT), serde_json::to_vec_pretty(&about)?)?;
    fs::rename(&guest, directory)?;
    Ok(())
}

/// Adds what starts the proof to a root.
fn add_unit(root: &Path) -> Result<()> {
    let room = |path: &str| TreePath::parse(path)?.room_below(root);
    TreePath::parse("proof")?.directory_below(root)?;
    fs::write(room("etc/fstab")?, FSTAB)?;
    fs::write(room("etc/systemd/system/proof.service")?, UNIT)?;
    let wanted = room("etc/systemd/system/multi-user.target.wants/proof.service")?;
    Ok(fs::os::unix::fs::symlink("../proof.service", wanted)?)
}

/// In the order of unpacking: base-files before all others, since its links `/bin` and `/lib` have to be there before
/// anything is unpacked through them, and then the kernel, which takes longer than all the rest.
fn in_order(packages: &[PathBuf]) -> Vec<PathBuf> {
    let mut packages = packages.to_vec();
    packages.sort_by_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ["base-files_", "linux-image-"].iter().position(|first| name.starts_with(first)).unwrap_or(2)
    });
    packages
}

/// The kernel's image, which lies beside its modules in newer packages.
fn kernel(root: &Path, modules: &Path, release: &str) -> Result<PathBuf> {
    let places = [
        modules.join("vmlinuz"),
        root.join(format!("boot/vmlinux-{release}")),
        root.join(format!("boot/vmlinuz-{release}")),
    ];
    let found = places.into_iter().find(|path| path.is_file());
    let found = found.with_context(|| format!("the guest has modules of Linux {release}, but no kernel"))?;
    // qemu starts an image whose header is that of Documentation/arch/riscv/boot-image-header.rst, and takes a
    // compressed one for something else, which then hangs without a word.
    let header = fs::read(&found)?;
    ensure!(header.get(0x38..0x3c) == Some(b"RSC\x05"), "{} is no plain riscv64 kernel", found.display());
    Ok(found)
}

fn paths(root: &Path) -> Result<String> {
    let mut text = String::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        text.push_str(&entry.path().strip_prefix(root)?.to_string_lossy());
        text.push('\n');
    }
    Ok(text)
}
