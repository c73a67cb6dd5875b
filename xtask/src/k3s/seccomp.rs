//! libseccomp for the target, static: compiled by zig from the pinned release, in seconds, without
//! its configure script.

use super::Build;
use crate::context::Context;
use crate::digest::Digest;
use crate::dir;
use crate::fetch::{Download, FileName};
use crate::process::{Command, cmd};
use crate::step::Step;
use crate::toolchain::debian::{self, Apt};
use crate::toolchain::zig::CFLAGS;
use crate::upstream::release::Origin;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Returns the pinned release, by the URL of upstream's own archive.
pub fn download(build: &Build) -> Result<Download> {
    let pin = &build.context.pins.libseccomp;
    let name: FileName = format!("libseccomp-{}.tar.gz", pin.version).parse()?;
    Ok(Download { name, url: pin.url.clone(), sha256: pin.sha256.clone() })
}

/// Returns whether upstream's host is asked for the archive. The sample takes nothing from it where apt has Debian's
/// packages.
fn asks_upstream(origin: Origin, apt_has_debian: impl FnOnce() -> bool) -> bool {
    origin != Origin::Sample || !apt_has_debian()
}

/// Returns the archive of the pinned release: from the cache, upstream, or Debian's source package, through the user's
/// own apt. All have the same bytes.
pub fn archive(build: &Build) -> Result<PathBuf> {
    let context = build.context;
    let download = download(build)?;
    if download.is_cached(context)? {
        return Ok(download.path(context));
    }
    let mut errors = Vec::new();
    if asks_upstream(build.source.origin, || debian::is_here(context)) {
        match download.get(context) {
            Ok(file) => return Ok(file),
            Err(error) => errors.push(crate::error::chain(&error)),
        }
    }
    if let Err(error) = apt_source(context, &download) {
        let error = error.context("cannot fetch Debian's source package through apt");
        errors.push(crate::error::chain(&error));
        bail!("cannot fetch {}\n- {}", download.name, errors.join("\n- "));
    }
    Ok(download.path(context))
}

/// Puts the file of Debian's source package that has the same bytes where the download would be.
fn apt_source(context: &Context, download: &Download) -> Result<()> {
    let suite = &context.pins.debian.suite;
    let directory = Apt::open(context, suite, &["amd64"])?.source("libseccomp")?;
    for file in dir::entries(&directory)? {
        if Digest::of_file(&file)? == download.sha256 {
            download.take(context, &file)?;
            context
                .progress
                .print(format!("{}: taken from Debian's source package, through apt", download.name));
            return Ok(());
        }
    }
    bail!("Debian {suite} has another libseccomp than {}", download.name)
}

/// The step's name.
pub const STEP: &str = "libseccomp";

/// Returns the step that fills a sysroot with `include/`, `lib/libseccomp.a` and a `pkg-config`.
pub fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let pin = &build.context.pins.libseccomp;
    download(build)?.require_offline(build.context)?;
    let inputs = vec![
        format!("libseccomp {} sha256:{}", pin.version, pin.sha256),
        format!("zig {} cc -target {} {CFLAGS}", build.context.pins.zig.version, build.target.zig),
    ];
    Ok(Step::of_commands(STEP, inputs).work(move |directory, _| compile(build, directory)))
}

fn compile(build: &Build, directory: &Path) -> Result<()> {
    let context = build.context;
    let pin = &context.pins.libseccomp;
    let archive = archive(build)?;
    let scratch = tempfile::tempdir_in(directory)?;
    let tree = scratch.path().join(format!("libseccomp-{}", pin.version));
    let into = scratch.path();
    cmd!(context, "tar --extract --no-same-owner --file {archive} --directory {into}").log(STEP).run()?;

    let makefile = fs::read_to_string(tree.join("src/Makefile.am"))?;
    let sources = sources(&makefile)?;
    // The one question of the configure script whose answer the sources read, and the answer of the
    // Linux headers that zig brings along.
    fs::write(tree.join("src/configure.h"), "#define HAVE_LINUX_SECCOMP_H 1\n")?;
    let target = build.target.zig;
    let flags = CFLAGS.split(' ');
    let environment = build.zig.environment(None)?;
    let zig = |command: Command<'_>| command.dir(tree.join("src")).envs(environment.clone()).log(STEP).run();
    let objects: Vec<String> = sources.iter().map(|source| source.replace(".c", ".o")).collect();
    // One at a time: of several files with -c, zig keeps the first object only.
    for source in &sources {
        let flags = flags.clone();
        zig(cmd!(context, "zig cc -target {target} {flags...} -I. -I../include -c {source}"))?;
    }
    fs::create_dir_all(directory.join("lib"))?;
    fs::create_dir_all(directory.join("include"))?;
    // By its name alone, since LLVM would replace a `%` in the path.
    zig(cmd!(context, "zig ar rcsD {LIBRARY} {objects...}"))?;
    fs::rename(tree.join("src").join(LIBRARY), directory.join("lib").join(LIBRARY))?;
    for header in ["seccomp.h", "seccomp-syscalls.h"] {
        fs::copy(tree.join("include").join(header), directory.join("include").join(header))?;
    }
    write_pkg_config(directory, &pin.version)
}

/// Returns the C files of `SOURCES_ALL` in libseccomp's src/Makefile.am.
fn sources(makefile: &str) -> Result<Vec<String>> {
    let list = makefile.replace("\\\n", " ");
    let line = list
        .lines()
        .find_map(|line| line.strip_prefix("SOURCES_ALL = "))
        .context("src/Makefile.am has no SOURCES_ALL")?;
    let files: Vec<String> =
        line.split_whitespace().filter(|word| word.ends_with(".c")).map(str::to_owned).collect();
    if files.is_empty() {
        bail!("SOURCES_ALL of src/Makefile.am names no C file");
    }
    Ok(files)
}

/// The file name of the library.
const LIBRARY: &str = "libseccomp.a";

/// Writes a `pkg-config` that knows this one library, so that none has to be installed. It finds the sysroot
/// by its own place, since a step's directory is renamed when it is done; quotes keep a place with spaces whole.
fn write_pkg_config(directory: &Path, version: &str) -> Result<()> {
    let script = format!(
        "#!/bin/sh\n\
         # pkg-config(1) as far as cgo uses it, for the libseccomp beside this file.\n\
         here=$(dirname \"$0\")\n\
         case \"$*\" in\n\
         *--cflags*libseccomp) echo \"'-I$here/include'\" ;;\n\
         *--libs*libseccomp) echo \"'-L$here/lib' -lseccomp\" ;;\n\
         *--modversion*libseccomp) echo {version} ;;\n\
         *) echo \"pkg-config: only libseccomp is here, not: $*\" >&2; exit 1 ;;\n\
         esac\n"
    );
    let path = directory.join("pkg-config");
    fs::write(&path, script)?;
    fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_asks_only_debian() {
        assert!(!asks_upstream(Origin::Sample, || true));
        assert!(asks_upstream(Origin::Sample, || false), "where there is no such apt");
        assert!(asks_upstream(Origin::Release, || true));
    }

    #[test]
    fn the_sources_are_the_c_files_of_the_list() {
        let makefile =
            "x = 1\nSOURCES_ALL = \\\n\tapi.c system.h system.c \\\n\tsyscalls.perf.c\n\nother = no.c\n";
        assert_eq!(sources(makefile).unwrap(), ["api.c", "system.c", "syscalls.perf.c"]);
        assert!(sources("SOURCES = a.c\n").is_err());
    }
}
