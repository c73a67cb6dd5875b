//! Images as registries have them: compressed layers, and one list of all architectures for each image.

use super::LAYER;
use super::compose::{self, ComposedImage, Composition};
use super::selection::Selected;
use crate::digest::Digest;
use crate::image::PauseImage;
use crate::image::content::{descriptor, manifest};
use crate::image::layout::{Content, LayoutImage};
use crate::k3s::Build;
use crate::pause;
use crate::reference::Reference;
use crate::step::{Plan, Results, Step};
use anyhow::{Context as _, Result, bail};
use flate2::{Compression, GzBuilder};
use fs_err as fs;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

/// A compressed layer in the result of a step.
const COMPRESSED: &str = "layer.tar.gz";

/// The media type of a compressed layer.
const COMPRESSED_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The operating system in the header of a gzip file: unknown, whichever it is (RFC 1952, 2.3.1).
const UNKNOWN_SYSTEM: u8 = 255;

/// A registry, with or without a path in it, that takes images: `HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry(String);

impl Registry {
    pub fn parse(text: &str) -> Result<Registry> {
        let text = text.trim_end_matches('/');
        let example = Reference::parse(&format!("{text}/name:tag"))
            .with_context(|| format!("{text:?} is not HOST[:PORT][/PATH]"))?;
        if example.host().is_none() {
            bail!("{text:?} names no host of a registry\n  write docker.io/{text} for Docker Hub");
        }
        Ok(Registry(text.to_owned()))
    }

    /// Returns the name that an image has there. Its own registry is not in it, as in a mirror of that registry.
    pub fn reference(&self, image: &Reference) -> Result<Reference> {
        let name = image.normalised();
        let path = name.split_once('/').map_or(name.as_str(), |(_, path)| path);
        Reference::parse(&format!("{}/{path}", self.0))
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The plan of images for one architecture, as a registry has them.
pub struct RegistryPlan<'a> {
    build: &'a Build<'a>,
    selected: &'a Selected<'a>,
    images: Vec<Composition<'a>>,
    pub plan: Plan<'a>,
}

impl<'a> RegistryPlan<'a> {
    pub fn new(build: &'a Build<'a>, selected: &'a Selected<'a>) -> Result<RegistryPlan<'a>> {
        let mut steps = vec![pause::step(build.context, build.target)?];
        let (composing, images) = compose::steps(build, &selected.images)?;
        steps.extend(composing);
        steps.extend(compressing(&images));
        Ok(RegistryPlan { build, selected, images, plan: Plan::new(steps)? })
    }

    /// Builds the images, or finds them built, and returns each with its reference.
    pub fn run(self) -> Result<Vec<(Reference, LayoutImage)>> {
        let RegistryPlan { build, selected, images, plan } = self;
        let (results, _) = plan
            .run(build.context, &build.directory())
            .with_context(|| format!("building the images of k3s {}", build.source.version))?;
        let mut found = Vec::new();
        if !selected.pause.is_empty() {
            let program = fs::read(results.directory(pause::STEP)?.join(pause::PROGRAM))?;
            let image = PauseImage::new(build.target, program, env!("CARGO_PKG_VERSION"))?.in_layout();
            found.extend(selected.pause.iter().map(|reference| (reference.clone(), image.clone())));
        }
        for composition in &images {
            found.push((composition.image.reference.clone(), image(build, composition, &results)?));
        }
        Ok(found)
    }
}

/// Returns the steps that compress the layers of images, each once.
pub fn compressing<'a>(images: &[Composition]) -> Vec<Step<'a>> {
    let layers: BTreeSet<&'static str> = images.iter().flat_map(layers).collect();
    layers.into_iter().map(|layer| compress(compressed(layer), layer)).collect()
}

/// Returns the steps of an image's layers, lowest first.
fn layers(composition: &Composition) -> Vec<&'static str> {
    composition.debian.iter().copied().chain([composition.step()]).collect()
}

fn compressed(layer: &str) -> &'static str {
    format!("compressed-{layer}").leak()
}

/// Returns the step that compresses a layer.
fn compress<'a>(name: &'static str, layer: &'static str) -> Step<'a> {
    let mut step = Step::in_process(name, Vec::new());
    let layer = step.need(layer);
    step.work(move |directory, results| gzip(&results.of(layer).join(LAYER), &directory.join(COMPRESSED)))
}

/// Compresses a file, with the same bytes at any time and place.
fn gzip(from: &Path, to: &Path) -> Result<()> {
    let file = fs::File::create(to)?;
    let mut encoder =
        GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM).write(file, Compression::default());
    std::io::copy(&mut fs::File::open(from)?, &mut encoder)
        .with_context(|| format!("compressing {}", from.display()))?;
    encoder.finish()?;
    Ok(())
}

/// Returns an image with its manifest.
pub fn image(build: &Build, composition: &Composition, results: &Results) -> Result<LayoutImage> {
    let own = results.directory(composition.step())?;
    let config = ComposedImage::read(own, std::iter::empty())?.config;
    let (mut descriptors, mut content) = (Vec::new(), vec![Content::Bytes(config.clone())]);
    for layer in layers(composition) {
        let path = results.directory(compressed(layer))?.join(COMPRESSED);
        let (digest, size) = (Digest::of_file(&path)?, fs::metadata(&path)?.len());
        descriptors.push(descriptor(COMPRESSED_TYPE, &digest, size));
        content.push(Content::File { digest, path });
    }
    Ok(LayoutImage {
        target: build.target,
        labels: compose::labels(composition.image),
        manifest: manifest(&config, &descriptors),
        content,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_keep_their_paths_in_a_registry() {
        let registry = Registry::parse("registry.example:5000/mirror/").unwrap();
        for (image, there) in [
            ("rancher/klipper-lb:v1", "registry.example:5000/mirror/rancher/klipper-lb:v1"),
            ("busybox:1", "registry.example:5000/mirror/library/busybox:1"),
            ("quay.io/a/b:1", "registry.example:5000/mirror/a/b:1"),
        ] {
            let image = Reference::parse(image).unwrap();
            assert_eq!(registry.reference(&image).unwrap().as_str(), there);
        }
    }

    #[test]
    fn rejects_a_registry_without_a_host() {
        let error = Registry::parse("me").unwrap_err().to_string();
        assert!(error.contains("write docker.io/me for Docker Hub"), "{error}");
        for text in ["", "https://registry.example", "registry.example/A", "registry.example/x:1"] {
            assert!(Registry::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn compressed_layer_is_reproducible_and_complete() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::write(at("layer"), vec![b'x'; 100_000]).unwrap();
        gzip(&at("layer"), &at("a.gz")).unwrap();
        // RFC 1952: magic, deflate, no flags, no time, no extra flags, unknown system.
        let bytes = fs::read(at("a.gz")).unwrap();
        assert_eq!(bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        let mut text = Vec::new();
        std::io::copy(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut text).unwrap();
        assert_eq!(text, fs::read(at("layer")).unwrap());
    }
}
