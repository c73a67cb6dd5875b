//! The product: what a build leaves in `target/dist/<version>/<arch>/`, checked before it appears.

pub mod check;
pub mod elf;
pub mod manifest;
pub mod report;
pub mod run;

use crate::digest::Digest;
use crate::k3s::{Build, binary, pause_image, tree};
use crate::patch::Outcome;
use crate::step::{Outputs, Timing};
use anyhow::{Context as _, Result};
use fs_err as fs;
use manifest::Manifest;
use std::path::{Path, PathBuf};

/// A finished product.
pub struct Product {
    pub folder: PathBuf,
    pub manifest: Manifest,
}

/// One part that was compiled, and where it lies.
pub struct Part {
    pub name: String,
    pub path: PathBuf,
}

impl Product {
    /// Gathers the results of the steps, checks them, and lets the product appear whole.
    pub fn assemble(build: &Build, outputs: &Outputs, timings: &[Timing]) -> Result<Product> {
        let folder = build.context.dist.join(build.source.version.to_string()).join(build.target.go);
        let parts = parts(build, outputs)?;
        let Outcome { applied, .. } =
            serde_json::from_slice(&fs::read(outputs.of("tree")?.join(tree::APPLIED))?)?;
        let running = build.context.progress.step("check");
        let checks =
            check::all(build, outputs, &parts, &running).context("the product is not what it should be")?;
        running.done(format!("{} checks", checks.len()));

        let parent = folder.parent().context("a product has a folder")?;
        fs::create_dir_all(parent)?;
        let making = tempfile::Builder::new().prefix(".making-").tempdir_in(parent)?;
        let mut files = Vec::new();
        for (part, name) in shipped(build, &parts) {
            fs::copy(&part.path, making.path().join(&name))?;
            files.push(name);
        }
        let manifest = Manifest::of(build, &parts, &applied, &checks, making.path(), &files)?;
        fs::write(making.path().join("manifest.json"), manifest.text()?)?;
        files.push("manifest.json".to_owned());
        fs::write(making.path().join("SHA256SUMS"), sums(making.path(), &files)?)?;
        fs::write(
            making.path().join("report.html"),
            report::page(build, &manifest, &applied, timings).html(),
        )?;
        replace(making, &folder)?;
        Ok(Product { folder, manifest })
    }
}

/// The parts that are programs, and the image.
fn parts(build: &Build, outputs: &Outputs) -> Result<Vec<Part>> {
    let file = |step: &str, name: &str| -> Result<Part> {
        Ok(Part { name: name.to_owned(), path: outputs.of(step)?.join(name) })
    };
    let bundle = binary::archive_in(outputs.of("bundle")?)?;
    Ok(vec![
        Part { name: "server".to_owned(), path: outputs.of("server")?.join("k3s") },
        file("shim", "containerd-shim-runc-v2")?,
        file("runc", "runc")?,
        file("cni", "cni")?,
        file("pause", crate::pause::PROGRAM)?,
        Part { name: "pause image".to_owned(), path: outputs.of("pause-image")?.join(pause_image::ARCHIVE) },
        Part { name: "bundle".to_owned(), path: bundle },
        Part { name: "binary".to_owned(), path: outputs.of("binary")?.join(build.target.k3s_binary()) },
    ])
}

/// Which parts are shipped as files of their own, and under which names.
fn shipped<'a>(build: &'a Build, parts: &'a [Part]) -> Vec<(&'a Part, String)> {
    let name = |part: &Part| match part.name.as_str() {
        "binary" => Some(build.target.k3s_binary()),
        "pause" => Some("pause".to_owned()),
        "pause image" => Some(format!("pause-image-{}.tar", build.target.go)),
        _ => None,
    };
    parts.iter().filter_map(|part| Some((part, name(part)?))).collect()
}

/// The text of `SHA256SUMS`, as sha256sum(1) checks it.
fn sums(folder: &Path, files: &[String]) -> Result<String> {
    let mut names: Vec<&String> = files.iter().collect();
    names.sort();
    names.into_iter().map(|name| Ok(format!("{}  {name}\n", Digest::of_file(&folder.join(name))?))).collect()
}

/// Lets a finished folder take the place of an older one.
fn replace(making: tempfile::TempDir, folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(making.path(), std::fs::Permissions::from_mode(0o755))?;
    let old = folder.with_extension("old");
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    if folder.exists() {
        fs::rename(folder, &old)?;
    }
    fs::rename(making.keep(), folder)?;
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    Ok(())
}
