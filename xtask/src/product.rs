//! The product: what a build leaves in `target/dist/<version>/<arch>/`, checked before it appears.

pub mod check;
pub mod go_buildinfo;
pub mod licenses;
pub mod load;
pub mod manifest;
pub mod names;
pub mod report;
pub mod run;
pub mod third_party;

use crate::digest::Digest;
use crate::error;
use crate::k3s::{Build, binary, pause_image, source_tree};
use crate::step::{Outputs, Plan, Step, Timing};
use anyhow::{Context as _, Result};
use check::Check;
use fs_err as fs;
use manifest::Manifest;
use std::path::{Path, PathBuf};

/// A finished product.
pub struct Product {
    pub directory: PathBuf,
    pub manifest: Manifest,
}

/// One part that was compiled, and where it lies.
pub struct Part {
    pub name: String,
    pub path: PathBuf,
}

/// Everything that leads to a product: the steps of k3s, and the one that checks what they have made.
pub fn plan<'a>(build: &'a Build<'a>) -> Result<Plan<'a>> {
    let (mut steps, product) = error::both(build.steps(), step(build))?;
    steps.push(product);
    Plan::new(steps)
}

/// The step that checks what the others have made and puts together what is shipped.
fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let conditions = run::conditions(build.context, build.target)?;
    Ok(Step {
        name: "product",
        recipe: &[
            include_str!("product.rs"),
            include_str!("product/check.rs"),
            include_str!("product/load.rs"),
            include_str!("product/licenses.rs"),
            include_str!("product/manifest.rs"),
            include_str!("product/go_buildinfo.rs"),
            include_str!("product/run.rs"),
            include_str!("product/third_party.rs"),
            include_str!("k3s/format.rs"),
        ],
        needs: vec!["binary", "bundle", "server", "shim", "runc", "cni", "pause", "pause-image", "tree"],
        inputs: vec![
            format!("origin {:?}", build.source.origin),
            format!("incomplete {:?}, {conditions}", build.incomplete()),
        ],
        run: Box::new(move |directory, outputs| {
            let parts = parts(build, outputs)?;
            let checks =
                checks(build, outputs, &parts, directory).context("the product is not what it should be")?;
            let mut files = Vec::new();
            for (part, name) in shipped(build, &parts) {
                fs::copy(&part.path, directory.join(&name))?;
                files.push(name);
            }
            let (third_party, notices) = third_party::gather(build, &parts)
                .context("gathering the licences of what is compiled in")?;
            fs::write(directory.join(load::NOTICES), notices)?;
            files.push(load::NOTICES.to_owned());
            files.extend(beside(build, &source_tree::of(outputs)?, directory)?);
            let manifest = Manifest::of(build, &parts, &checks, third_party, directory, &files)?;
            fs::write(directory.join(MANIFEST), manifest.text()?)?;
            files.push(MANIFEST.to_owned());
            fs::write(directory.join(SUMS), sums(directory, &files)?)?;
            Ok(())
        }),
    })
}

/// Looks at all parts, then runs them.
fn checks(build: &Build, outputs: &Outputs, parts: &[Part], directory: &Path) -> Result<Vec<Check>> {
    let mut checks = check::all(build, parts)?;
    checks.extend(run::all(build, outputs, directory)?);
    Ok(checks)
}

/// Puts k3s' own licence and its script that judges a kernel beside the binary.
fn beside(build: &Build, tree: &Path, directory: &Path) -> Result<Vec<String>> {
    let license = Some(tree.join(load::LICENSE)).filter(|file| file.is_file());
    // The sample is under the licence of this repository.
    let license = license.unwrap_or_else(|| build.context.root.join(load::LICENSE));
    fs::copy(license, directory.join(load::LICENSE))?;
    let script = directory.join(load::CHECK_CONFIG);
    fs::copy(tree.join("contrib/util/check-config.sh"), &script)?;
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(vec![load::LICENSE.to_owned(), load::CHECK_CONFIG.to_owned()])
}

/// What a product tells of itself, in its directory.
pub const MANIFEST: &str = "manifest.json";
pub(crate) const SUMS: &str = "SHA256SUMS";
const REPORT: &str = "report.html";

impl Product {
    /// Lets the product appear whole in `target/dist`, with a report of how it was made.
    ///
    /// Where nothing has been made anew and the product is there already, it stays, with its report.
    pub fn publish(build: &Build, outputs: &Outputs, timings: &[Timing]) -> Result<Product> {
        let made = outputs.of("product")?;
        let directory = build.context.dist.join(build.source.version.to_string()).join(build.target.go);
        let manifest = Manifest::read(&made.join(MANIFEST))?;
        let parent = directory.parent().context("a product has a directory")?;
        fs::create_dir_all(parent)?;
        let making = making(parent, build.target.go)?;
        if timings.iter().all(|timing| timing.kept) && is_there(made, &directory)? {
            return Ok(Product { directory, manifest });
        }
        crate::dir::copy(made, making.path())?;
        let page = report::page(build, &manifest, &build.patched.outcome.applied, timings);
        fs::write(making.path().join(REPORT), page.html())?;
        replace(making, &directory)?;
        Ok(Product { directory, manifest })
    }
}

/// Whether the published directory holds what the step has made, unharmed, and a report.
fn is_there(made: &Path, directory: &Path) -> Result<bool> {
    let sums = fs::read_to_string(made.join(SUMS))?;
    let whole = |line: &str| {
        let (sum, name) = line.split_once("  ")?;
        (Digest::of_file(&directory.join(name)).ok()?.as_str() == sum).then_some(())
    };
    let same_sums = fs::read_to_string(directory.join(SUMS)).is_ok_and(|there| there == sums);
    Ok(same_sums && directory.join(REPORT).is_file() && sums.lines().all(|line| whole(line).is_some()))
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
pub(crate) fn sums(directory: &Path, files: &[String]) -> Result<String> {
    let mut names: Vec<&String> = files.iter().collect();
    names.sort();
    names
        .into_iter()
        .map(|name| Ok(format!("{}  {name}\n", Digest::of_file(&directory.join(name))?)))
        .collect()
}

/// Creates a directory that is to take the place of `name`, once what killed runs have left of both is gone.
pub(crate) fn making(parent: &Path, name: &str) -> Result<tempfile::TempDir> {
    let prefix = format!(".making-{name}-");
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|found| found.to_string_lossy().starts_with(&prefix)) {
            fs::remove_dir_all(path)?;
        }
    }
    let old = parent.join(name).with_extension("old");
    if old.exists() {
        fs::remove_dir_all(old)?;
    }
    Ok(tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)?)
}

/// Lets a finished directory take the place of an older one.
pub(crate) fn replace(making: tempfile::TempDir, directory: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(making.path(), std::fs::Permissions::from_mode(0o755))?;
    let old = directory.with_extension("old");
    if directory.exists() {
        fs::rename(directory, &old)?;
    }
    fs::rename(making.keep(), directory)?;
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    Ok(())
}
