//! rpmbuild, told everything that would otherwise depend on the machine it runs on.

use super::Packaging;
use super::sources::{SPEC, Topdir};
use crate::process::Program;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use xshell::cmd;

/// How the payload is compressed: zstd at level 19, on one thread, since with more threads there are other bytes.
///
/// Measured on a k3s of 67.7 MB, most of which is compressed already: 59.2 MB in 29 s of processor time. Level 7
/// takes 0.8 s for 59.8 MB. xz at level 7 has 58.5 MB after 48 s, and takes twenty times as long to unpack, which
/// boards would pay for.
const PAYLOAD: &str = "w19.zstdio";

/// The macro files of rpm itself, and none of the machine's (`/etc/rpm`, `macros.d`, a vendor's): those may move
/// directories, choose other digests, or put a foreign packager and bug URL into a header (rpm, macros(5) and
/// `MACROFILES` in configure.ac).
const MACRO_FILES: &str =
    "/usr/lib/rpm/macros:/usr/lib/rpm/platform/%{_target}/macros:/usr/lib/rpm/fileattrs/*.attr";

/// rpm's own table of architectures, without `/etc/rpmrc` and the user's.
const RC_FILE: &str = "/usr/lib/rpm/rpmrc";

/// Where packages are built, as far as their header tells.
pub const BUILD_HOST: &str = "reproducible";

/// How the source package's own payload is compressed: hardly, since it is made of archives.
const SOURCE_PAYLOAD: &str = "w3.zstdio";

/// Which half of the spec is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `--with prebuilt`: the binary packages of a finished product.
    Prebuilt,
    /// The default build: the source package.
    Source,
}

/// Builds the packages from a laid out topdir and returns them, by name.
pub fn run(packaging: &Packaging, topdir: &Topdir) -> Result<Vec<PathBuf>> {
    let running = packaging.context.progress.step("rpmbuild");
    program(packaging, topdir, "rpmbuild", &["-bb"], Mode::Prebuilt)?
        .log("rpmbuild")
        .run()
        .context("building the packages")?;
    let made = packages_in(&topdir.packages())?;
    running.done(format!("{} packages", made.len()));
    Ok(made)
}

/// Builds the source package from a topdir that holds its sources.
pub fn source(packaging: &Packaging, topdir: &Topdir) -> Result<PathBuf> {
    program(packaging, topdir, "rpmbuild", &["-bs"], Mode::Source)?
        .log("rpmbuild-source")
        .run()
        .context("building the source package")?;
    packages_in(&topdir.source_packages())?.pop().context("rpmbuild has made no source package")
}

fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let path = entry?.into_path();
        if path.extension().is_some_and(|extension| extension == "rpm") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The spec as rpm expands it for these packages.
pub fn expanded_spec(packaging: &Packaging, topdir: &Topdir, mode: Mode) -> Result<String> {
    program(packaging, topdir, "rpmspec", &["-P"], mode)?.read().context("expanding the spec")
}

/// The binary packages of the spec as rpm reads it, in this format.
pub fn queried_spec(packaging: &Packaging, topdir: &Topdir, format: &str) -> Result<String> {
    let query = ["--query", "--rpms", "--queryformat", format];
    program(packaging, topdir, "rpmspec", &query, Mode::Prebuilt)?.read().context("querying the spec")
}

/// `rpmbuild` or `rpmspec` on a spec, with what both have to know.
fn program<'a>(
    packaging: &Packaging<'a>,
    topdir: &Topdir,
    name: &str,
    action: &[&str],
    mode: Mode,
) -> Result<Program<'a>> {
    let definitions = [
        format!("_topdir {}", topdir.alias.path().display()),
        // A killed rpmbuild leaves its scripts there.
        format!("_tmppath {}", topdir.alias.path().display()),
        format!("dist .{}", packaging.dist.name),
        "_vendor openEuler".to_owned(),
        "use_source_date_epoch_as_buildtime 1".to_owned(),
        "clamp_mtime_to_source_date_epoch 1".to_owned(),
        format!("_buildhost {BUILD_HOST}"),
        format!("_binary_payload {PAYLOAD}"),
        format!("_source_payload {SOURCE_PAYLOAD}"),
    ];
    let definitions = definitions.iter().flat_map(|definition| ["--define", definition]);
    let choice: &[&str] = match mode {
        Mode::Prebuilt => &["--with", "prebuilt"],
        Mode::Source => &[],
    };
    let configuration = [format!("--macros={MACRO_FILES}"), format!("--rcfile={RC_FILE}")];
    let (target, spec) = (packaging.target.rpm, topdir.alias.path().join(SPEC));
    let shell = packaging.context.shell()?;
    let program = cmd!(
        shell,
        "{name} {configuration...} {action...} {choice...} --target {target} {definitions...} {spec}"
    );
    // gpg and others that rpm calls have nothing to look for at the user's home.
    Ok(Program::new(packaging.context, program)
        .env("HOME", &topdir.path)
        .env("SOURCE_DATE_EPOCH", packaging.time().to_string()))
}
