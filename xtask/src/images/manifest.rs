//! `images-<arch>.json`: a description of the bundle and of all that its images were built from, without times and
//! paths, and the licence texts of it.

use super::airgap::{self, archive_name};
use super::compose::CONFIG;
use super::planned::{PlannedImage, PlannedProgram};
use super::selection::Selected;
use super::{program, sbom, spdx};
use crate::digest::Digest;
use crate::image::PauseImage;
use crate::k3s::Build;
use crate::lockfile::debian::DebianPackage;
use crate::pause;
use crate::product::go_buildinfo::{self, Compiled, CompiledFrom};
use crate::product::licenses::{self, ThirdPartyPackage};
use crate::product::manifest::FileEntry;
use crate::spdx::Part;
use crate::step::{Need, Results, Step};
use crate::target::Target;
use crate::toolchain::gomod::Module;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The step's name.
pub const STEP: &str = "images-manifest";

/// The manifest, as it is written and read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagesManifest {
    /// The k3s that asks for the images.
    pub k3s: String,
    pub arch: String,
    /// The names of the pause image, which is built from `pause/`.
    pub pause: Vec<String>,
    /// The digest of the pause image's configuration, if it is one of the images.
    #[serde(default)]
    pub pause_id: Option<String>,
    pub images: Vec<ImageEntry>,
    /// SPDX identifiers of everything in the images.
    pub licenses: BTreeSet<String>,
    /// The bundle and its SBOM.
    pub files: BTreeMap<String, FileEntry>,
}

/// An image of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageEntry {
    pub reference: String,
    /// The digest of its configuration, which docker and crictl show as its ID.
    pub id: String,
    /// The version of its content, which is not that of the reference's tag for a substitute.
    pub version: String,
    pub substitute: bool,
    pub left_out: Option<String>,
    /// The module that its program is compiled from, with the checksum of go.sum, and the Go that compiles it.
    pub module: Option<String>,
    /// The modules that are compiled into it.
    pub modules: BTreeSet<Compiled>,
    /// The Debian packages that its other files are from.
    pub debian: Vec<DebianPackage>,
}

impl ImageEntry {
    /// Returns the modules in the image, with that of its program, which the program does not list as one of its modules.
    pub fn all_modules(&self) -> BTreeSet<Compiled> {
        let mut words = self.module.iter().flat_map(|revision| revision.split(' '));
        let main = words.next().zip(words.next()).map(|(path, version)| Compiled::plain(path, version));
        self.modules.iter().cloned().chain(main).collect()
    }
}

/// Returns the manifest's name.
pub fn name(target: &Target) -> String {
    format!("images-{}.json", target.go)
}

/// Returns the name of the document with the licences.
pub fn licenses_name(target: &Target) -> String {
    format!("images-{}-licenses.txt", target.go)
}

/// The images that a step describes, with the steps that have composed each and compiled its program.
pub type Needs<'a> = Vec<(&'a PlannedImage<'a>, Need, Option<Need>)>;

/// Returns a step that describes images, without its work, and the results that it reads. The definitions are inputs of
/// their own, since they also have licences, which are in no image.
pub fn describing<'a>(
    name: &'static str,
    build: &Build,
    selected: &'a Selected<'a>,
) -> (Step<'a>, Needs<'a>) {
    let mut inputs = vec![format!("{} for {}", build.source.version, build.target.go)];
    inputs.extend(selected.images.iter().map(|image| image.definition.input()));
    let mut step = Step::in_process(name, inputs);
    let mut needs = Vec::new();
    for image in &selected.images {
        let program = image.program.as_ref().map(|_| step.need(image.step_name("program")));
        needs.push((image, step.need(image.step_name("image")), program));
    }
    (step, needs)
}

/// The contents of images.
pub struct Described {
    pub entries: Vec<ImageEntry>,
    /// The licences of everything in them.
    pub packages: Vec<ThirdPartyPackage>,
    /// The packages in each of them, for the SBOM.
    pub parts: Vec<Vec<Part>>,
}

/// Describes images.
pub fn describe(build: &Build, images: &Needs, results: &Results) -> Result<Described> {
    let (mut entries, mut packages, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for (image, composed, program) in images {
        let listed = match program {
            Some(step) => go_buildinfo::of_program(&results.of(*step).join(program::PROGRAM))?,
            None => String::new(),
        };
        let (modules, mut sums) = (go_buildinfo::of_build_info(&listed), go_buildinfo::sums(&listed));
        if let Some(PlannedProgram { module, source, .. }) = &image.program {
            sums.insert(format!("{} {}", module.path, module.version), source.sum.clone());
        }
        let inside = third_party(build, image, &modules)?;
        let id = Digest::of_file(&results.of(*composed).join(CONFIG))?;
        let entry = entry(image, &id, modules);
        parts.push(spdx::parts(build.context, &entry, &inside, &sums)?);
        entries.push(entry);
        packages.extend(inside);
    }
    Ok(Described { entries, packages, parts })
}

/// Returns the step that describes the bundle.
pub fn step<'a>(build: &'a Build<'a>, selected: &'a Selected<'a>) -> Step<'a> {
    let (mut step, images) = describing(STEP, build, selected);
    let bundle = step.need(airgap::STEP);
    let pause = step.need(pause::STEP);
    step.work(move |directory, results| {
        let Described { entries, packages, parts } = describe(build, &images, results)?;
        let pause_id = if selected.pause.is_empty() {
            None
        } else {
            let program = fs::read(results.of(pause).join(pause::PROGRAM))?;
            let image = PauseImage::new(build.target, program, env!("CARGO_PKG_VERSION"))?;
            Some(format!("sha256:{}", image.config.digest))
        };
        let sbom = sbom::document(build.context, &entries)?;
        fs::write(directory.join(sbom::name(build.target)), serde_json::to_string_pretty(&sbom)? + "\n")?;
        let title = format!("the images of k3s {}", build.source.version);
        fs::write(directory.join(licenses_name(build.target)), licenses::document(&title, &packages))?;
        let bundle = results.of(bundle).join(archive_name(build.target));
        let mut manifest = ImagesManifest {
            k3s: build.source.version.to_string(),
            arch: build.target.go.to_owned(),
            pause: selected.pause.iter().map(ToString::to_string).collect(),
            pause_id,
            images: entries,
            licenses: packages.into_iter().flat_map(|package| package.licenses).collect(),
            files: BTreeMap::from([(archive_name(build.target), FileEntry::of(&bundle)?)]),
        };
        let materials = spdx::name(build.target);
        let path = directory.join(&materials);
        fs::write(&path, spdx::document(build, &fs::read(&bundle)?, &manifest, parts)?)?;
        manifest.files.insert(materials, FileEntry::of(&path)?);
        Ok(fs::write(directory.join(name(build.target)), serde_json::to_string_pretty(&manifest)? + "\n")?)
    })
}

fn entry(image: &PlannedImage, id: &Digest, modules: BTreeSet<Compiled>) -> ImageEntry {
    ImageEntry {
        reference: image.reference.to_string(),
        id: format!("sha256:{id}"),
        version: image.version.clone(),
        substitute: image.substitute,
        left_out: image.definition.left_out.as_ref().map(|text| text.to_string()),
        module: image.program.as_ref().map(|_| image.revision.clone()),
        modules,
        debian: image.debian.iter().flatten().cloned().collect(),
    }
}

/// Returns the licences of everything in an image.
fn third_party(
    build: &Build,
    image: &PlannedImage,
    modules: &BTreeSet<Compiled>,
) -> Result<Vec<ThirdPartyPackage>> {
    let mut packages = Vec::new();
    if let Some(program) = &image.program {
        let name = format!("{} {}", program.module.path, program.module.version);
        let mut package = ThirdPartyPackage::in_directory(&name, &program.source.dir)?;
        if package.texts.is_empty() {
            package.licenses = BTreeSet::from([image.definition.licenses.clone()]);
        }
        packages.push(package);
    }
    for module in modules {
        let CompiledFrom::Module { path, version } = module.origin() else {
            bail!("{module} is compiled from a directory, which is not in the module cache");
        };
        let files = build.any_go.module_cache().files(&path, &version);
        if !files.is_dir() {
            // It was removed since the program was compiled.
            let module = Module { path, version };
            build.any_go.download(build.context, &module, String::new())?;
        }
        packages.push(ThirdPartyPackage::in_directory(&module.to_string(), &files)?);
    }
    for (files, group) in image.definition.debian.iter().zip(&image.debian) {
        let licenses: Vec<&str> = files.licenses.iter().map(String::as_str).collect();
        for package in group {
            let name = format!("Debian {} {}", package.name(), package.version());
            let text = format!("in the image, /usr/share/doc/{}/copyright", package.name());
            packages.push(ThirdPartyPackage::elsewhere(&name, &licenses, text));
        }
    }
    Ok(packages)
}

impl ImagesManifest {
    /// Returns the references of all images.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        self.pause.iter().chain(self.images.iter().map(|image| &image.reference)).map(String::as_str)
    }

    /// Returns the Debian packages of all images, by the names of their files.
    pub fn debian_packages(&self) -> BTreeMap<String, &DebianPackage> {
        let packages = self.images.iter().flat_map(|image| &image.debian);
        packages.map(|package| (package.file_name(), package)).collect()
    }

    /// Reads a manifest.
    pub fn read(path: &Path) -> Result<ImagesManifest> {
        serde_json::from_slice(&fs::read(path)?).with_context(|| format!("reading {}", path.display()))
    }

    /// Returns every image with its ID.
    pub fn ids(&self) -> Vec<(&str, &str)> {
        let pause = self.pause.iter().zip(self.pause_id.iter().cycle());
        let pause = pause.map(|(reference, id)| (reference.as_str(), id.as_str()));
        pause.chain(self.images.iter().map(|it| (it.reference.as_str(), it.id.as_str()))).collect()
    }
}
