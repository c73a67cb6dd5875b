//! Questions to registries about images: which of upstream's have a riscv64 build, and whether those that we pushed are
//! there.

use super::manifest::{self, ImagesManifest};
use super::registry::Registry;
use super::upstream::{Answer, Answers, Pushed, Riscv64, Source, Tag};
use crate::clock::Day;
use crate::context::Context;
use crate::image::remote::{Entry, Remote, Transport};
use crate::reference::Reference;
use crate::target::TARGETS;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::path::Path;

/// The architecture that is asked for.
const RISCV64: &str = "riscv64";

/// Asks about upstream's images, at their own registry or at a mirror of it.
pub fn upstream(
    context: &Context,
    references: &[Reference],
    mirror: Option<&Registry>,
    transport: Transport,
) -> Result<Answers> {
    let running = context.progress.step("ask");
    let asked = Day::of(context.clock.now()).to_string();
    let mut answers = Answers::default();
    for reference in references {
        let name = mirror.map_or(Ok(reference.clone()), |mirror| mirror.reference(reference))?;
        running.doing(name.normalised());
        let tagged = Remote::new(context, &name, transport, "asking registries")?.tagged()?;
        let architectures = tagged.as_ref().map(|it| it.architectures()).unwrap_or_default();
        let riscv64 = match tagged {
            None => Riscv64::NoTag,
            Some(_) if architectures.iter().any(|it| it == RISCV64) => Riscv64::Present,
            Some(_) => Riscv64::Missing,
        };
        let answer = Answer { riscv64, architectures, source: Source::Registry, asked: asked.clone() };
        let tags = answers.upstream.entry(reference.repository().to_owned()).or_default();
        tags.insert(Tag(reference.tag().to_owned()), answer);
    }
    running.done(format!("{} images", references.len()));
    Ok(answers)
}

/// Asks a registry about the images that were built into a directory and pushed there.
pub fn pushed(
    context: &Context,
    directory: &Path,
    registry: &Registry,
    transport: Transport,
) -> Result<Answers> {
    let mut answers = Answers::default();
    for manifest in built(directory)? {
        for (reference, id) in manifest.ids() {
            let name = registry.reference(&Reference::parse(reference)?)?;
            let remote = Remote::new(context, &name, transport, "asking registries")?;
            let pushed = ask(&remote, &name, &manifest.arch, id)?;
            answers.pushed.entry(name.normalised()).or_default().insert(manifest.arch.clone(), pushed);
        }
    }
    Ok(answers)
}

/// Reads the manifests in a directory of images, one for each architecture.
fn built(directory: &Path) -> Result<Vec<ImagesManifest>> {
    ensure!(directory.is_dir(), "the images were not built\n  cargo xtask images build");
    let manifests = TARGETS.iter().map(|target| directory.join(manifest::name(target)));
    let found: Vec<_> = manifests
        .filter(|path| path.is_file())
        .map(|path| ImagesManifest::read(&path))
        .collect::<Result<_>>()?;
    ensure!(!found.is_empty(), "{} has no images-<arch>.json", directory.display());
    Ok(found)
}

/// Compares an image of one architecture with the one that has this ID.
fn ask(remote: &Remote, name: &Reference, arch: &str, id: &str) -> Result<Pushed> {
    let Some(tagged) = remote.tagged()? else { return Ok(Pushed::Missing) };
    let entry = tagged.entries.iter().find(|entry| entry.architecture() == Some(arch));
    let Some(Entry { digest, .. }) = entry else { return Ok(Pushed::Missing) };
    let manifest: Value = serde_json::from_slice(&remote.manifest(digest)?)
        .with_context(|| format!("reading the manifest sha256:{digest} of {name}"))?;
    let found = manifest["config"]["digest"].as_str().unwrap_or("without a configuration");
    Ok(if found == id { Pushed::Same } else { Pushed::Other(found.to_owned()) })
}
