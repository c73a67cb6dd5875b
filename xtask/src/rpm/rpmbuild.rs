//! Runs rpmbuild with a definition of everything that would otherwise depend on the machine.

use super::Packaging;
use super::isolated;
use super::sources::{IMAGES_SPEC, SPEC, Topdir};
use crate::process::Command;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// Compression of the payload: zstd at level 19, on one thread, since more threads write other bytes.
///
/// Measured on a k3s of 67.7 MB, most of which is compressed already: 59.2 MB in 29 s of processor time. Level 7
/// takes 0.8 s for 59.8 MB. xz at level 7 has 58.5 MB after 48 s, and takes twenty times as long to unpack, which
/// boards would pay for.
const PAYLOAD: &str = "w19.zstdio";

/// Host name that the packages' headers give as the build host.
pub const BUILD_HOST: &str = "reproducible";

/// Compression of the source package's own payload: low, since it consists of archives.
const SOURCE_PAYLOAD: &str = "w3.zstdio";

/// A spec, in one of its variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecVariant {
    /// `--with prebuilt`: the binary packages of a finished product.
    Prebuilt,
    /// The default build: the source package.
    Source,
    /// The spec of the default images, which has one variant.
    Images,
}

impl SpecVariant {
    /// Returns the spec below the topdir.
    fn spec(self) -> &'static str {
        match self {
            SpecVariant::Prebuilt | SpecVariant::Source => SPEC,
            SpecVariant::Images => IMAGES_SPEC,
        }
    }

    /// Returns the specs of the binary packages of a packaging.
    pub fn of_packages(packaging: &Packaging) -> Vec<SpecVariant> {
        let images = packaging.images.as_ref().map(|_| SpecVariant::Images);
        [SpecVariant::Prebuilt].into_iter().chain(images).collect()
    }
}

/// Builds the packages from a laid out topdir and returns them, by name.
pub fn run(packaging: &Packaging, topdir: &Topdir) -> Result<Vec<PathBuf>> {
    let running = packaging.context.progress.step("rpmbuild");
    for spec in SpecVariant::of_packages(packaging) {
        program(packaging, topdir, "rpmbuild", &["-bb"], spec)?
            .log("rpmbuild")
            .run()
            .context("building the packages")?;
    }
    let made = packages_in(&topdir.packages())?;
    running.done(format!("{} packages", made.len()));
    Ok(made)
}

/// Builds the source package from a topdir that holds its sources.
pub fn source(packaging: &Packaging, topdir: &Topdir) -> Result<PathBuf> {
    program(packaging, topdir, "rpmbuild", &["-bs"], SpecVariant::Source)?
        .log("rpmbuild-source")
        .run()
        .context("building the source package")?;
    packages_in(&topdir.source_packages())?.pop().context("rpmbuild has built no source package")
}

fn packages_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
        let path = entry?.into_path();
        if path.extension().is_some_and(|extension| extension == "rpm") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Returns the packages of the spec as rpm reads it, in this format: the binary packages or the source package.
pub fn queried_spec(
    packaging: &Packaging,
    topdir: &Topdir,
    variant: SpecVariant,
    format: &str,
) -> Result<String> {
    let packages = match variant {
        SpecVariant::Prebuilt | SpecVariant::Images => "--rpms",
        SpecVariant::Source => "--srpm",
    };
    let query = ["--query", packages, "--queryformat", format];
    program(packaging, topdir, "rpmspec", &query, variant)?.read().context("querying the spec")
}

/// Composes a run of `rpmbuild` or `rpmspec` on the spec, with the definitions that both need.
fn program<'a>(
    packaging: &Packaging<'a>,
    topdir: &Topdir,
    name: &str,
    action: &[&str],
    variant: SpecVariant,
) -> Result<Command<'a>> {
    let definitions = [
        format!("dist .{}", packaging.settings.dist),
        "_vendor openEuler".to_owned(),
        "use_source_date_epoch_as_buildtime 1".to_owned(),
        "clamp_mtime_to_source_date_epoch 1".to_owned(),
        format!("_buildhost {BUILD_HOST}"),
        format!("_binary_payload {PAYLOAD}"),
        format!("_source_payload {SOURCE_PAYLOAD}"),
    ];
    let choice: &[&str] = match variant {
        SpecVariant::Prebuilt => &["--with", "prebuilt"],
        SpecVariant::Source | SpecVariant::Images => &[],
    };
    let spec = topdir.alias.path().join(variant.spec()).display().to_string();
    let arguments = [action, choice, &["--target", packaging.target.rpm, &spec]].concat();
    Ok(isolated::command(packaging.context, name, &topdir.alias, &definitions, &arguments)?
        .env("SOURCE_DATE_EPOCH", packaging.time().to_string()))
}
