//! The images of a run: those that the selected k3s asks for, or those of a list, each with its definition.

use super::definition::Definition;
use super::planned::PlannedImage;
use crate::error;
use crate::k3s::Build;
use crate::product::run::Emulator;
use crate::reference::Reference;
use crate::upstream::images::{self, DefaultImage};
use anyhow::{Result, anyhow, bail, ensure};
use std::collections::BTreeSet;

/// The repositories of pause images: upstream's, and before 2021.
const PAUSE: [&str; 2] = ["rancher/mirrored-pause", "rancher/pause"];

/// Returns whether a repository is that of upstream's pause image.
pub fn is_pause(repository: &str) -> bool {
    PAUSE.contains(&repository)
}

/// The selected images.
pub struct Selected<'d> {
    /// The references of the pause image.
    pub pause: Vec<Reference>,
    pub images: Vec<PlannedImage<'d>>,
}

impl<'d> Selected<'d> {
    /// Finds the sources of the images that these references name, of those with the names of `only`, if there are
    /// any.
    pub fn of(
        build: &Build,
        definitions: &'d [Definition],
        references: Vec<Reference>,
        only: &[String],
    ) -> Result<Selected<'d>> {
        let substitutes = &build.options.substitutes;
        let of_others = definitions.iter().filter(|definition| definition.product.is_none());
        let names: BTreeSet<&str> =
            of_others.map(|definition| definition.name.as_str()).chain(["pause"]).collect();
        if let Some(unknown) =
            only.iter().chain(substitutes.names()).find(|name| !names.contains(name.as_str()))
        {
            bail!(
                "no image is called {unknown:?}\n  They are: {}",
                names.into_iter().collect::<Vec<_>>().join(", ")
            );
        }
        let is_selected = |name: &str| only.is_empty() || only.iter().any(|it| it == name);
        let mut selected = Selected { pause: Vec::new(), images: Vec::new() };
        let mut planned = Vec::new();
        for reference in references {
            let repository = reference.repository().to_owned();
            if reference.as_str() == build.pause_image.as_str() || is_pause(&repository) {
                selected.pause.extend(is_selected("pause").then_some(reference));
                continue;
            }
            match definitions.iter().find(|it| it.repository == repository) {
                Some(definition) if is_selected(&definition.name) => {
                    planned.push(PlannedImage::new(build, definition, reference));
                }
                Some(_) => {}
                None if !only.is_empty() => {}
                None => planned.push(Err(anyhow!(
                    "no definition in images/ is for {reference}\n  Add one (images/README.md), or name the others: --only"
                ))),
            }
        }
        selected.images = error::all(planned)?;
        ensure!(selected.references().next().is_some(), "no image is selected");
        // Its programs are run before it is shipped.
        Emulator::require(build.target)?;
        Ok(selected)
    }

    /// Returns all references.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.pause.iter().chain(self.images.iter().map(|image| &image.reference))
    }
}

/// Returns the references of the images that a build's k3s asks for.
pub fn default_references(build: &Build) -> Result<Vec<Reference>> {
    set_references(&images::of_tree(&build.patched.tree)?)
}

/// Returns the references of the images that a tree sets, without those that it only lists.
pub fn set_references(images: &[DefaultImage]) -> Result<Vec<Reference>> {
    let set = images.iter().filter(|image| !image.settings.is_empty());
    set.map(|image| Reference::parse(&image.reference)).collect()
}

/// Parses a list of images, one on each line, as upstream's `k3s-images.txt` has them.
pub fn listed_references(text: &str) -> Result<Vec<Reference>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(Reference::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_upstreams_list() {
        let text = "docker.io/rancher/klipper-lb:v0.4.14\r\n\n# mine\ndocker.io/rancher/mirrored-pause:3.6\n";
        let found = listed_references(text).unwrap();
        let found: Vec<_> = found.iter().map(|it| (it.repository(), it.tag())).collect();
        assert_eq!(found, [("rancher/klipper-lb", "v0.4.14"), ("rancher/mirrored-pause", "3.6")]);
        assert!(listed_references("not a reference\n").is_err());
    }
}
