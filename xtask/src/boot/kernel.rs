//! A kernel with the memory and cpuset controllers of cgroup v1, which Debian's riscv64 kernels do not have, and a guest
//! that boots it with the legacy hierarchy.

use super::guest::{About, BUSYBOX, DISK, Guest, INITRD, KERNEL, initrd};
use crate::atomic_dir::AtomicDir;
use crate::code;
use crate::context::Context;
use crate::digest::Digest;
use crate::lockfile::debian::DebianPackage;
use crate::process::cmd;
use crate::toolchain::debian::{self, Apt};
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Options of the kernel that differ from its own defconfig.
const OPTIONS: &str = include_str!("kernel/cgroup-v1.config");

/// Arguments that make systemd 256 and 257 mount the legacy hierarchy, and not the hybrid one. 258 has no support of
/// cgroup v1 (systemd's NEWS).
const ARGUMENTS: &[&str] = &[
    "systemd.unified_cgroup_hierarchy=0",
    "systemd.legacy_systemd_cgroup_controller=1",
    "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
];

const STEP: &str = "kernel";

/// The kernel's image and its release, in its directory.
const IMAGE: &str = "Image";
const RELEASE: &str = "release";

/// Returns a guest with the disk of another one, which boots this kernel with cgroup v1. It is written to an empty
/// directory.
pub fn guest(context: &Context, base: &Guest, directory: &Path) -> Result<Guest> {
    let kernel = build_cached(context).context("building a kernel with cgroup v1")?;
    fs::write(directory.join(INITRD), initrd::build(&base.busybox(), &[])?)?;
    for (name, from) in [(KERNEL, kernel.join(IMAGE)), (DISK, base.disk()), (BUSYBOX, base.busybox())] {
        symlink(from, directory.join(name))?;
    }
    let about = About { kernel: fs::read_to_string(kernel.join(RELEASE))?, ..base.about.clone() };
    Ok(Guest { directory: directory.to_owned(), about, platform: base.platform, arguments: ARGUMENTS })
}

/// Returns the directory of the kernel in the cache, which is built unless the cache has it.
fn build_cached(context: &Context) -> Result<PathBuf> {
    let source = source_package(context)?;
    let directory = context.cache.join("kernels").join(name(&source));
    if directory.is_dir() {
        return Ok(directory);
    }
    let running = context.progress.step(STEP);
    running.doing("fetching its sources");
    let package = debian::fetch(context, &source)?;
    let unfinished = AtomicDir::create(context, &directory)?;
    if !directory.is_dir() {
        running.doing("unpacking its sources");
        let scratch = unfinished.path().join("scratch");
        let tree = unpack(context, &package, &scratch)?;
        running.doing("compiling it, which takes ten minutes on two processors");
        build(context, &tree, unfinished.path())?;
        fs::remove_dir_all(&scratch)?;
        unfinished.commit()?;
    }
    running.done(fs::read_to_string(directory.join(RELEASE))?);
    Ok(directory)
}

/// Returns the newest source package of the pinned release, which the package without a version depends on.
fn source_package(context: &Context) -> Result<DebianPackage> {
    let apt = Apt::open(context, &context.pins.debian.suite, &[super::target()?.debian])?;
    let newest = one(apt.exactly(&["linux-source"])?)?;
    one(apt.exactly(&[&format!("linux-source-{}", series(&newest.version()))])?)
}

fn one(packages: Vec<DebianPackage>) -> Result<DebianPackage> {
    packages.into_iter().next().context("apt names no package")
}

/// Returns the first two numbers of a version of Linux, which are part of names of packages.
fn series(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// Returns the name of a kernel, which is its directory in the cache's `kernels`. It changes with its sources and
/// options, and with the code that builds it.
fn name(source: &DebianPackage) -> String {
    let code = code::below("xtask/src/boot/kernel");
    format!("cgroup-v1-{}", Digest::of(format!("{}{code}", source.sha256)).short())
}

/// Unpacks a source package and the archive inside, and returns the directory of the sources.
fn unpack(context: &Context, package: &Path, into: &Path) -> Result<PathBuf> {
    let unpacked = into.join("package");
    debian::unpack(context, &[package.to_owned()], &unpacked)?;
    let archive = fs::read_dir(unpacked.join("usr/src"))?.find_map(|entry| {
        let path = entry.ok()?.path();
        path.to_str()?.contains(".tar.").then_some(path)
    });
    let archive = archive.with_context(|| format!("{} has no archive in /usr/src", package.display()))?;
    let tree = into.join("tree");
    fs::create_dir(&tree)?;
    cmd!(context, "tar --extract --no-same-owner --strip-components 1 --file {archive} --directory {tree}")
        .log(STEP)
        .run()?;
    Ok(tree)
}

/// Compiles the kernel, and writes its image and its release to a directory.
fn build(context: &Context, tree: &Path, directory: &Path) -> Result<()> {
    let jobs = format!("-j{}", context.jobs);
    let make = |targets: &[&str]| {
        cmd!(context, "make ARCH=riscv CROSS_COMPILE=riscv64-linux-gnu- {jobs} {targets...}")
            .dir(tree)
            .log(STEP)
            .run()
    };
    let file = tree.join(".config");
    fs::write(&file, configuration(&fs::read_to_string(tree.join("arch/riscv/configs/defconfig"))?))?;
    make(&["olddefconfig"])?;
    let ignored = ignored(&fs::read_to_string(&file)?);
    ensure!(
        ignored.is_empty(),
        "this Linux does not take these lines of xtask/src/boot/kernel/cgroup-v1.config, because an option was renamed \
         or needs another one:\n  {}",
        ignored.join("\n  ")
    );
    make(&["Image"])?;
    fs::copy(tree.join("arch/riscv/boot/Image"), directory.join(IMAGE))?;
    let release = fs::read_to_string(tree.join("include/config/kernel.release"))?;
    Ok(fs::write(directory.join(RELEASE), release.trim_end())?)
}

/// Returns a configuration with our options. Of two lines for one option, the kernel takes the later one.
fn configuration(defconfig: &str) -> String {
    format!("{defconfig}\n{OPTIONS}")
}

/// Returns our options that a complete configuration does not have, since the kernel drops what it does not know and
/// what depends on an option that is not set.
fn ignored(complete: &str) -> Vec<&'static str> {
    let is_set = |line: &str| complete.lines().any(|other| other == line);
    let is_off = |option: &str| !complete.lines().any(|line| line.starts_with(&format!("{option}=")));
    let has = |line: &str| match line.strip_prefix("# ").and_then(|rest| rest.strip_suffix(" is not set")) {
        Some(option) => is_off(option),
        None => !line.starts_with("CONFIG_") || is_set(line),
    };
    OPTIONS.lines().filter(|line| !has(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn source(sha256: &str) -> DebianPackage {
        let file = "pool/main/l/linux/linux-source-6.12_6.12.117-1_all.deb".to_owned();
        DebianPackage { file, sha256: sha256.repeat(64).parse().unwrap() }
    }

    #[test]
    fn every_source_has_a_kernel_of_its_own() {
        assert_eq!(name(&source("0")), name(&source("0")));
        assert!(name(&source("0")) != name(&source("1")));
    }

    #[test]
    fn options_are_part_of_the_name() {
        assert!(code::below("xtask/src/boot/kernel") != code::below("xtask/src/boot/kernel.rs"));
    }

    #[test]
    fn package_is_named_by_two_numbers() {
        assert_eq!(source("0").version(), "6.12.117-1");
        assert_eq!(series("6.12.117-1"), "6.12");
    }

    #[test]
    fn every_option_is_set_once() {
        let options: Vec<&str> = OPTIONS
            .lines()
            .filter_map(|line| {
                line.split_whitespace().find(|word| word.starts_with("CONFIG_"))?.split('=').next()
            })
            .collect();
        assert_eq!(options.iter().collect::<BTreeSet<_>>().len(), options.len());
        for needed in ["CONFIG_MEMCG_V1", "CONFIG_CPUSETS_V1", "CONFIG_OVERLAY_FS", "CONFIG_VIRTIO_BLK"] {
            assert!(options.contains(&needed) && OPTIONS.contains(&format!("\n{needed}=y\n")), "{needed}");
        }
    }

    #[test]
    fn our_options_follow_those_of_the_kernel() {
        let text = configuration("CONFIG_MODULES=y\nCONFIG_SMP=y");
        assert!(text.starts_with("CONFIG_MODULES=y\nCONFIG_SMP=y\n"));
        assert!(text.ends_with(OPTIONS));
    }

    #[test]
    fn ignored_options_are_found() {
        assert_eq!(ignored(OPTIONS), [""; 0]);
        let without = OPTIONS.replace("CONFIG_MEMCG_V1=y\n", "# CONFIG_MEMCG_V1 is not set\n");
        assert_eq!(ignored(&without), ["CONFIG_MEMCG_V1=y"]);
        let module = OPTIONS.replace("CONFIG_VETH=y", "CONFIG_VETH=m");
        assert_eq!(ignored(&module), ["CONFIG_VETH=y"]);
        let set = format!("{OPTIONS}CONFIG_MODULES=y\n");
        assert_eq!(ignored(&set), ["# CONFIG_MODULES is not set"]);
        // An option that depends on one that is off is not mentioned at all.
        let unmentioned = OPTIONS.replace("# CONFIG_DRM is not set\n", "");
        assert_eq!(ignored(&unmentioned), [""; 0]);
    }
}
