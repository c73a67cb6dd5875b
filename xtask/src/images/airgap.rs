//! The airgap bundle: one archive of all images, under upstream's name and in upstream's form, which k3s imports from
//! `agent/images` when it starts.

use super::compose::{self, ComposedImage, Composition};
use super::planned::PlannedImage;
use super::selection::Selected;
use super::{LAYER, manifest};
use crate::archive::{self, Effort};
use crate::digest::Digest;
use crate::image::{PauseImage, docker_archive};
use crate::k3s::Build;
use crate::pause;
use crate::step::{Need, Step};
use crate::target::Target;
use anyhow::Result;
use fs_err as fs;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The step's name.
pub const STEP: &str = "airgap";

/// zstd's settings: a high level, since the archive is written once and read often, and the largest window that
/// k3s' reader takes (rancher/wharfie, pkg/tarfile, `MaxDecoderMemory`). It refuses a larger one with one line in the
/// log, and the node starts without its images.
pub const EFFORT: Effort = Effort { level: 19, window: 25 };

/// Returns upstream's name of the bundle.
pub fn archive_name(target: &Target) -> String {
    format!("k3s-airgap-images-{}.tar.zst", target.go)
}

/// Returns the steps that build the selected images and their bundle.
pub fn steps<'a>(build: &'a Build<'a>, selected: &'a Selected<'a>) -> Result<Vec<Step<'a>>> {
    let mut steps = vec![pause::step(build.context, build.target)?];
    let (composing, composed) = compose::steps(build, &selected.images)?;
    steps.extend(composing);
    steps.push(pack(STEP, archive_name(build.target), build, selected, composed));
    steps.push(manifest::step(build, selected));
    Ok(steps)
}

/// Returns the step that packs the selected images into one archive.
pub fn pack<'a>(
    name: &'static str,
    archive: String,
    build: &'a Build<'a>,
    selected: &'a Selected<'a>,
    composed: Vec<Composition<'a>>,
) -> Step<'a> {
    let names = selected.references().map(|reference| reference.normalised()).collect::<Vec<_>>();
    let mut step = Step::in_process(name, vec![EFFORT.to_string(), names.join(" ")]);
    let pause = (!selected.pause.is_empty()).then(|| step.need(pause::STEP));
    let composed: Vec<(&PlannedImage, Need, Vec<Need>)> = composed
        .into_iter()
        .map(|it| (it.image, step.need(it.step()), it.debian.iter().map(|name| step.need(name)).collect()))
        .collect();
    step.work(move |directory, results| {
        let content = tempfile::tempdir_in(directory)?;
        let mut list = Vec::new();
        if let Some(pause) = pause {
            let program = fs::read(results.of(pause).join(pause::PROGRAM))?;
            let image = PauseImage::new(build.target, program, env!("CARGO_PKG_VERSION"))?;
            fs::write(
                room(content.path(), &docker_archive::layer_name(&image.layer.digest))?,
                &image.layer.bytes,
            )?;
            fs::write(
                content.path().join(docker_archive::config_name(&image.config.digest)),
                &image.config.bytes,
            )?;
            let names: Vec<String> = selected.pause.iter().map(|name| name.normalised()).collect();
            list.push(docker_archive::entry(&image.config.digest, &[image.layer.digest], &names));
        }
        for (image, own, debian) in &composed {
            let debian = debian.iter().map(|step| results.of(*step).join(LAYER));
            let composed = ComposedImage::read(results.of(*own), debian)?;
            list.push(add(&composed, &image.reference.normalised(), content.path())?);
        }
        fs::write(content.path().join(docker_archive::MANIFEST), Value::from(list).to_string())?;
        archive::write(build.context, content.path(), "", &directory.join(&archive), EFFORT, name)?;
        Ok(content.close()?)
    })
}

/// Puts an image into the directory that is packed, and returns its entry in the list.
fn add(image: &ComposedImage, name: &str, content: &Path) -> Result<Value> {
    fs::write(content.join(docker_archive::config_name(&image.config.digest)), &image.config.bytes)?;
    let mut digests = Vec::new();
    for layer in &image.layers {
        let digest = Digest::of_file(layer)?;
        let place = room(content, &docker_archive::layer_name(&digest))?;
        if !place.exists() {
            fs::hard_link(layer, &place).or_else(|_| fs::copy(layer, &place).map(drop))?;
        }
        digests.push(digest);
    }
    Ok(docker_archive::entry(&image.config.digest, &digests, &[name.to_owned()]))
}

/// Returns the path of a file in a directory, whose own directory is created.
fn room(directory: &Path, name: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(path)
}
