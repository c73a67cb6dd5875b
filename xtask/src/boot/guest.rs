//! The guest: a kernel, an initrd and a disk, built once from a distribution's packages and never written to.

pub mod cpio;
pub mod initrd;
pub mod packages;
pub mod postinst;
pub mod rootfs;

use super::disk;
use super::platform::Platform;
use crate::atomic_dir::AtomicDir;
use crate::code;
use crate::context::{Context, Network};
use crate::digest::Digest;
use crate::toolchain::debian;
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct Guest {
    pub directory: PathBuf,
    pub about: About,
    pub platform: &'static Platform,
    /// Arguments of the kernel beside those of every VM and of the platform.
    pub arguments: &'static [&'static str],
}

/// Origin and versions of a guest, for the results.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    /// For instance `Debian trixie`.
    pub distribution: String,
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: String,
    /// File names of the packages, with their versions. Empty for a root file system of the user's.
    pub packages: Vec<String>,
}

pub(super) const KERNEL: &str = "kernel";
pub(super) const INITRD: &str = "initrd";
pub(super) const DISK: &str = "disk.ext4";
pub(super) const BUSYBOX: &str = "busybox";
const ABOUT: &str = "about.json";
const PATHS: &str = "paths";

/// Size of the guest's disk, in bytes. The file is sparse.
const SIZE: u64 = 8 << 30;

/// Runs the scenario of the payload when the guest has booted.
const UNIT: &str = include_str!("guest/scenario.service");
/// Mounts the payload, whose disk a busy emulator may take minutes to find (systemd.mount(5)).
const FSTAB: &str = "LABEL=payload /scenario ext4 ro,x-systemd.device-timeout=infinity 0 0\n";

impl Guest {
    /// Returns the name of the guest of a Debian release, which is its directory in the cache's `guests`. It
    /// changes with the code that builds a guest.
    pub fn name(suite: &str, platform: &Platform) -> String {
        let code = ["guest", "disk", "platform"].map(|name| code::below(&format!("xtask/src/boot/{name}")));
        format!("{suite}-{}-{}", platform.name, Digest::of(code.map(String::from).concat()).short())
    }

    /// Returns the guest of the pinned release, which is built unless the cache has it.
    pub fn get(context: &Context, platform: &'static Platform) -> Result<Guest> {
        let (suite, arch) = (&context.pins.debian.suite, platform.name);
        let directory = context.cache.join("guests").join(Guest::name(suite, platform));
        if directory.is_dir() {
            return Guest::open(directory, platform);
        }
        if context.network == Network::Forbidden {
            bail!("Debian's {arch} packages are not in the cache, and --offline forbids fetching them");
        }
        let running = context.progress.step("guest");
        running.doing(format!("fetching its packages for {arch}"));
        let packages = packages::fetch(context, platform)
            .with_context(|| format!("fetching the packages of a guest for {arch} from Debian {suite}"))?;
        let unfinished = AtomicDir::create(context, &directory)?;
        if !directory.is_dir() {
            running.doing(format!("unpacking its packages for {arch}"));
            build(context, platform, &packages, unfinished.path()).context("building the guest")?;
            unfinished.commit()?;
        }
        let guest = Guest::open(directory, platform)?;
        running.done(format!("{}, Linux {}", guest.about.distribution, guest.about.kernel));
        Ok(guest)
    }

    fn open(directory: PathBuf, platform: &'static Platform) -> Result<Guest> {
        let about = serde_json::from_slice(&fs::read(directory.join(ABOUT))?)
            .with_context(|| format!("reading {}", directory.join(ABOUT).display()))?;
        Ok(Guest { directory, about, platform, arguments: &[] })
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

    /// Returns the path of the static busybox of the guest's distribution.
    pub fn busybox(&self) -> PathBuf {
        self.directory.join(BUSYBOX)
    }

    /// Returns every path of the guest, without the leading slash, unless its own rpm has a database of them.
    pub fn paths(&self) -> Result<Option<BTreeSet<String>>> {
        let file = self.directory.join(PATHS);
        if !file.is_file() {
            return Ok(None);
        }
        Ok(Some(fs::read_to_string(file)?.lines().map(str::to_owned).collect()))
    }
}

/// Builds a guest in an empty directory.
fn build(context: &Context, platform: &Platform, packages: &[PathBuf], directory: &Path) -> Result<()> {
    let root = directory.join("root");
    debian::unpack(context, &in_order(packages), &root)?;
    let modules = postinst::complete(context, &root)?;
    add_unit(&root)?;
    let release =
        modules.file_name().context("modules are in a directory of their kernel")?.to_string_lossy();
    fs::copy(kernel(platform, &root, &modules, &release)?, directory.join(KERNEL))?;
    fs::copy(root.join("usr/bin/busybox"), directory.join(BUSYBOX))?;
    let modules = initrd::modules(context, platform, &root, &release)?;
    fs::write(directory.join(INITRD), initrd::build(&directory.join(BUSYBOX), &modules)?)?;
    fs::write(directory.join(PATHS), paths(&root)?)?;
    disk::write(context, &root, "guest", SIZE, &directory.join(DISK))?;
    let mut names: Vec<String> =
        packages.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned())).collect();
    names.sort();
    let about = About {
        distribution: format!("Debian {}", context.pins.debian.suite),
        kernel: release.into_owned(),
        packages: names,
    };
    fs::write(directory.join(ABOUT), serde_json::to_vec_pretty(&about)?)?;
    Ok(fs::remove_dir_all(&root)?)
}

/// Adds the unit of the scenario to a root.
fn add_unit(root: &Path) -> Result<()> {
    let room = |path: &str| TreePath::parse(path)?.room_below(root);
    TreePath::parse("scenario")?.directory_below(root)?;
    fs::write(room("etc/fstab")?, FSTAB)?;
    fs::write(room("etc/systemd/system/scenario.service")?, UNIT)?;
    let wanted = room("etc/systemd/system/multi-user.target.wants/scenario.service")?;
    Ok(fs::os::unix::fs::symlink("../scenario.service", wanted)?)
}

/// Sorts packages for unpacking: base-files is the first, since other packages are unpacked through its links `/bin`
/// and `/lib`. The kernel follows, which takes longer than all others.
fn in_order(packages: &[PathBuf]) -> Vec<PathBuf> {
    let mut packages = packages.to_vec();
    packages.sort_by_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ["base-files_", "linux-image-"].iter().position(|first| name.starts_with(first)).unwrap_or(2)
    });
    packages
}

/// Returns the kernel's image, which newer packages have beside the modules.
fn kernel(platform: &Platform, root: &Path, modules: &Path, release: &str) -> Result<PathBuf> {
    let candidates = [
        modules.join("vmlinuz"),
        root.join(format!("boot/vmlinux-{release}")),
        root.join(format!("boot/vmlinuz-{release}")),
    ];
    let found = candidates.into_iter().find(|path| path.is_file());
    let found = found.with_context(|| format!("the guest has modules of Linux {release}, but no kernel"))?;
    platform
        .check_kernel(&fs::read(&found)?)
        .with_context(|| format!("checking the kernel {}", found.display()))?;
    Ok(found)
}

/// Returns all paths of a root, one per line.
fn paths(root: &Path) -> Result<String> {
    let mut text = String::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        text.push_str(&entry.path().strip_prefix(root)?.to_string_lossy());
        text.push('\n');
    }
    Ok(text)
}
