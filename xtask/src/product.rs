//! The product: what a build leaves in `target/dist/<version>/<arch>/`, checked before it appears.

pub mod builtin;
pub mod caveat;
pub mod check;
pub mod component;
pub mod go_buildinfo;
pub mod licenses;
pub mod load;
pub mod manifest;
pub mod names;
pub mod node_check;
pub mod report;
pub mod root_licenses;
pub mod run;
pub mod sbom;
pub mod third_party;

use crate::atomic_dir::AtomicDir;
use crate::digest::Digest;
use crate::error;
use crate::k3s::{Build, root_release, source_tree};
use crate::step::{Need, Plan, Results, Step, Timing};
use anyhow::{Context as _, Result};
use builtin::BuiltinImages;
use component::Component;
use fs_err as fs;
use manifest::Manifest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A finished product.
#[derive(Clone, Debug)]
pub struct Product {
    pub directory: PathBuf,
    pub manifest: Manifest,
}

/// The files of all components.
pub type Components = BTreeMap<Component, PathBuf>;

/// Returns the plan of a product.
pub fn plan<'a>(build: &'a Build<'a>, images: Vec<Step<'a>>) -> Result<Plan<'a>> {
    Plan::new(steps(build, images)?)
}

/// Returns the steps of a product: those of the images inside k3s, those of k3s, and the one that checks their results.
pub fn steps<'a>(build: &'a Build<'a>, images: Vec<Step<'a>>) -> Result<Vec<Step<'a>>> {
    let (mut steps, product) = error::both(build.steps(images), step(build))?;
    steps.push(product);
    Ok(steps)
}

/// The step's name.
pub const STEP: &str = "product";

/// Returns the step that checks all components and collects what is shipped.
fn step<'a>(build: &'a Build<'a>) -> Result<Step<'a>> {
    let conditions = run::conditions(build.context, build.target)?;
    let mut step = Step::in_process(
        STEP,
        vec![
            format!("origin {:?}", build.source.origin),
            format!("incomplete {:?}, {conditions}", build.incomplete()),
            format!("{} {}", node_check::NAME, Digest::of(node_check::SCRIPT)),
            root_release::input(build.context)?,
        ],
    );
    let built = Component::ALL.map(|component| (component, step.need(component.step())));
    let (tree, images) = (step.need(source_tree::STEP), step.need(builtin::STEP));
    Ok(step.work(move |directory, results| {
        let file = |(component, step): (Component, Need)| {
            (component, results.of(step).join(component.file(build.target)))
        };
        let components = Components::from(built.map(file));
        let mut checks = check::all(build, &components).context("checking the product")?;
        checks.extend(run::all(build, &components, directory).context("running the product")?);
        let mut files = Vec::new();
        for (component, path) in &components {
            if let Some(name) = component.shipped_as(build.target) {
                fs::copy(path, directory.join(&name))?;
                files.push(name);
            }
        }
        let (mut third_party, mut parts, notices) = third_party::gather(build, &components)
            .context("gathering the licences of what is compiled in")?;
        let images = results.of(images);
        let builtin = BuiltinImages::read(images)?;
        third_party.extend(builtin.third_party);
        parts.extend(builtin.parts);
        let [binary, bundle] = [Component::Binary, Component::Bundle].map(|it| fs::read(&components[&it]));
        fs::write(directory.join(sbom::NAME), sbom::document(build, &binary?, &bundle?, parts)?)?;
        files.push(sbom::NAME.to_owned());
        let notices = notices + &fs::read_to_string(images.join(builtin::LICENSES))?;
        fs::write(directory.join(load::NOTICES), notices)?;
        files.push(load::NOTICES.to_owned());
        files.extend(beside(build, &results.of(tree).join(source_tree::TREE), directory)?);
        node_check::write(directory, build.source.time)?;
        files.push(node_check::NAME.to_owned());
        let images = builtin.images;
        let manifest = Manifest::of(build, &components, images, checks, third_party, directory, &files)?;
        fs::write(directory.join(MANIFEST), manifest.text()?)?;
        files.push(MANIFEST.to_owned());
        fs::write(directory.join(SUMS), sums(directory, &files)?)?;
        Ok(())
    }))
}

/// Copies k3s' own licence and scripts for the node beside the binary.
fn beside(build: &Build, tree: &Path, directory: &Path) -> Result<Vec<String>> {
    let license = Some(tree.join(load::LICENSE)).filter(|file| file.is_file());
    // The sample is under the licence of this repository.
    let license = license.unwrap_or_else(|| build.context.root.join(load::LICENSE));
    fs::copy(license, directory.join(load::LICENSE))?;
    let scripts = [("contrib/util/check-config.sh", load::CHECK_CONFIG), ("install.sh", load::INSTALL)];
    for (from, name) in scripts {
        let script = directory.join(name);
        fs::copy(tree.join(from), &script)?;
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    Ok([load::LICENSE, load::CHECK_CONFIG, load::INSTALL].map(str::to_owned).to_vec())
}

/// The file that describes a product, in its directory.
pub const MANIFEST: &str = "manifest.json";
pub(crate) const SUMS: &str = "SHA256SUMS";
const REPORT: &str = "report.html";

impl Product {
    /// Lets the product appear complete in `target/dist`, with a report of its build.
    ///
    /// A product that is there already stays, with its report, if no step ran.
    pub fn publish(build: &Build, results: &Results, timings: &[Timing]) -> Result<Product> {
        let result = results.directory(STEP)?;
        let directory = build.context.dist.join(build.source.version.to_string()).join(build.target.go);
        let manifest = Manifest::read(&result.join(MANIFEST))?;
        let making = AtomicDir::create(build.context, &directory)?;
        if timings.iter().all(|timing| timing.kept) && is_there(result, &directory)? {
            return Ok(Product { directory, manifest });
        }
        crate::dir::copy(result, making.path())?;
        let page = report::page(build, &manifest, &build.patched.outcome.applied, timings);
        fs::write(making.path().join(REPORT), page.html())?;
        making.commit()?;
        Ok(Product { directory, manifest })
    }
}

/// Returns whether the published directory contains the files of the result, undamaged, and a report.
fn is_there(result: &Path, directory: &Path) -> Result<bool> {
    let expected = fs::read(result.join(SUMS))?;
    let has_same_sums = fs::read(directory.join(SUMS)).is_ok_and(|found| found == expected);
    Ok(has_same_sums && directory.join(REPORT).is_file() && load::verified_sums(directory).is_ok())
}

/// Returns the text of `SHA256SUMS`, as sha256sum(1) checks it.
pub(crate) fn sums(directory: &Path, files: &[String]) -> Result<String> {
    let mut names: Vec<&String> = files.iter().collect();
    names.sort();
    names
        .into_iter()
        .map(|name| Ok(format!("{}  {name}\n", Digest::of_file(&directory.join(name))?)))
        .collect()
}
