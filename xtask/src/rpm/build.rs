//! rpmbuild, told everything that would otherwise depend on the machine it runs on.

use super::Packaging;
use super::sources::Topdir;
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

/// Where packages are built, as far as their header tells.
pub const BUILD_HOST: &str = "reproducible";

/// Builds the packages from a laid out topdir and returns them, by name.
pub fn run(packaging: &Packaging, topdir: &Topdir) -> Result<Vec<PathBuf>> {
    let running = packaging.context.progress.step("rpmbuild");
    let spec = topdir.spec();
    program(packaging, topdir, "rpmbuild", &["-bb"], &spec)?
        .log("rpmbuild")
        .run()
        .context("building the packages")?;
    let mut made = Vec::new();
    for entry in walkdir::WalkDir::new(topdir.packages()).sort_by_file_name() {
        let path = entry?.into_path();
        if path.extension().is_some_and(|extension| extension == "rpm") {
            made.push(path);
        }
    }
    running.done(format!("{} packages", made.len()));
    Ok(made)
}

/// The spec as rpm expands it for these packages.
pub fn expanded_spec(packaging: &Packaging, topdir: &Topdir) -> Result<String> {
    program(packaging, topdir, "rpmspec", &["-P"], &topdir.spec())?.read().context("expanding the spec")
}

/// `rpmbuild` or `rpmspec` on a spec, with what both have to know.
fn program<'a>(
    packaging: &Packaging<'a>,
    topdir: &Topdir,
    name: &str,
    mode: &[&str],
    spec: &Path,
) -> Result<Program<'a>> {
    let definitions = [
        format!("_topdir {}", topdir.path.display()),
        format!("dist .{}", packaging.dist.name),
        "_vendor openEuler".to_owned(),
        "use_source_date_epoch_as_buildtime 1".to_owned(),
        "clamp_mtime_to_source_date_epoch 1".to_owned(),
        format!("_buildhost {BUILD_HOST}"),
        format!("_binary_payload {PAYLOAD}"),
    ];
    let definitions = definitions.iter().flat_map(|definition| ["--define", definition]);
    let target = packaging.target.rpm;
    let shell = packaging.context.shell()?;
    let program = cmd!(shell, "{name} {mode...} --with prebuilt --target {target} {definitions...} {spec}");
    // The user's own ~/.rpmmacros are for the user's own packages.
    Ok(Program::new(packaging.context, program)
        .env("HOME", &topdir.path)
        .env("SOURCE_DATE_EPOCH", packaging.time().to_string()))
}
