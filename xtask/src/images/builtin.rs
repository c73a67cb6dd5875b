//! The images that k3s carries inside besides the pause image, in one archive, which it imports when it starts.

use super::definition::Definition;
use super::manifest::Described;
use super::selection::{Selected, default_references, is_pause};
use super::upstream::Answers;
use super::{airgap, compose, manifest};
use crate::k3s::Build;
use crate::k3s::builtin_images::{ARCHIVE, STEP};
use crate::k3s::options::BuiltinImages;
use crate::product::builtin::{self, BuiltinImage, LICENSES, LIST};
use crate::product::licenses;
use crate::product::third_party::ThirdParty;
use crate::reference::Reference;
use crate::step::Step;
use crate::upstream::selection::VendoredImages;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::Path;

/// The images inside k3s, by where they come from.
pub enum Images<'d> {
    None,
    Built(Selected<'d>),
    /// A source package has them, but not their sources.
    Vendored(VendoredImages),
}

impl<'d> Images<'d> {
    /// Finds the sources of the images that the options of a build ask for.
    pub fn of(build: &Build, definitions: &'d [Definition]) -> Result<Images<'d>> {
        let references = references(build)?;
        match &build.vendored_images {
            _ if references.is_empty() => Ok(Images::None),
            Some(vendored) => {
                let directory = vendored.directory.join(build.target.go);
                ensure!(
                    directory.is_dir(),
                    "{} has no images for {}: the source package was written for other architectures",
                    vendored.directory.display(),
                    build.target.go
                );
                let list = builtin::BuiltinImages::read(&directory)?;
                let found: Vec<&str> = list.images.iter().map(|image| image.reference.as_str()).collect();
                let expected: Vec<&str> = references.iter().map(Reference::as_str).collect();
                ensure!(
                    found == expected,
                    "{} has {}, not {}, and their sources are not in it\n  \
                     Build with the --builtin-images that it was written with, or without them: --builtin-images pause",
                    directory.display(),
                    if found.is_empty() { "no images".to_owned() } else { found.join(", ") },
                    expected.join(", ")
                );
                Ok(Images::Vendored(VendoredImages { directory, digest: vendored.digest.clone() }))
            }
            None => Selected::of(build, definitions, references, &[]).map(Images::Built).context(
                "planning the images inside k3s\n  To build k3s without them: --builtin-images pause",
            ),
        }
    }

    /// Returns the steps that build the archive and its list.
    pub fn steps<'a>(&'a self, build: &'a Build<'a>) -> Result<Vec<Step<'a>>> {
        match self {
            Images::None => Ok(vec![
                Step::in_process(STEP, vec![])
                    .work(|directory, _| Ok(fs::write(directory.join(ARCHIVE), "")?)),
                Step::in_process(builtin::STEP, vec![])
                    .work(|directory, _| write_list(directory, &builtin::BuiltinImages::default(), "")),
            ]),
            Images::Vendored(VendoredImages { directory, digest }) => {
                let copy = |name, files: &'static [&'static str]| {
                    let inputs = vec![format!("of the source package, sha256:{digest}")];
                    Step::in_process(name, inputs).work(move |to, _| {
                        for file in files {
                            fs::copy(directory.join(file), to.join(file))?;
                        }
                        Ok(())
                    })
                };
                Ok(vec![copy(STEP, &[ARCHIVE]), copy(builtin::STEP, &[LIST, LICENSES])])
            }
            Images::Built(selected) => {
                let (mut steps, composed) = compose::steps(build, &selected.images)?;
                steps.push(airgap::pack(STEP, ARCHIVE.to_owned(), build, selected, composed));
                steps.push(list(build, selected));
                Ok(steps)
            }
        }
    }
}

/// Returns the references of the images inside k3s, besides the pause image.
pub fn references(build: &Build) -> Result<Vec<Reference>> {
    let all = || -> Result<Vec<Reference>> {
        let is_another = |it: &Reference| *it != build.pause_image && !is_pause(it.repository());
        Ok(default_references(build)?.into_iter().filter(is_another).collect())
    };
    match build.options.builtin_images {
        BuiltinImages::None | BuiltinImages::Pause => Ok(Vec::new()),
        BuiltinImages::All => all(),
        // Upstream has all of them for the architectures that it supports.
        BuiltinImages::Missing if build.target.go != "riscv64" => Ok(Vec::new()),
        BuiltinImages::Missing => {
            let known = Answers::committed(&build.context.root)?;
            Ok(all()?.into_iter().filter(|it| known.is_missing(it)).collect())
        }
    }
}

/// Returns the step that describes the images.
fn list<'a>(build: &'a Build<'a>, selected: &'a Selected<'a>) -> Step<'a> {
    let (step, needs) = manifest::describing(builtin::STEP, build, selected);
    step.work(move |directory, results| {
        let Described { entries, packages, parts } = manifest::describe(build, &needs, results)?;
        let mut third_party = ThirdParty::default();
        let mut images = Vec::new();
        for image in entries {
            third_party.modules.extend(image.all_modules());
            let debian = image.debian.iter().map(|it| (it.name().to_owned(), it.version()));
            third_party.libraries.extend(debian);
            let substitute = image.substitute.then_some(image.version);
            images.push(BuiltinImage { reference: image.reference, id: image.id, substitute });
        }
        let text = licenses::document(&format!("the images inside k3s {}", build.source.version), &packages);
        third_party.licenses = packages.into_iter().flat_map(|package| package.licenses).collect();
        let parts = parts.into_iter().flatten().collect();
        write_list(directory, &builtin::BuiltinImages { images, third_party, parts }, &text)
    })
}

fn write_list(directory: &Path, list: &builtin::BuiltinImages, licenses: &str) -> Result<()> {
    fs::write(directory.join(LIST), serde_json::to_string_pretty(list)? + "\n")?;
    Ok(fs::write(directory.join(LICENSES), licenses)?)
}
