//! The image of k3s itself, as layouts and registries have it.

use super::builtin::Images;
use super::compose::{self, Composition};
use super::definition::Definition;
use super::planned::PlannedImage;
use super::registry;
use crate::image::layout::LayoutImage;
use crate::k3s::Build;
use crate::product;
use crate::reference::Reference;
use crate::step::Plan;
use anyhow::{Context as _, Result, bail};

/// Builds the image for one architecture, or finds it built, and returns it with its reference.
pub fn build(build: &Build) -> Result<(Reference, LayoutImage)> {
    with_plan(build, |plan, reference, composition| {
        let (results, _) = plan.run(build.context, &build.directory())?;
        Ok((reference.clone(), registry::image(build, composition, &results)?))
    })
}

/// Calls a function with the plan of the image for one architecture, and with its reference.
pub fn with_plan<T>(
    build: &Build,
    action: impl FnOnce(Plan, &Reference, &Composition) -> Result<T>,
) -> Result<T> {
    let definitions = Definition::of_origin(build.context, build.source.origin)?;
    let definition = definitions.iter().find(|it| it.product.is_some());
    let definition = definition.context("no definition of images is for k3s itself")?;
    let inside = Images::of(build, &definitions)?;
    let images = [PlannedImage::of_k3s(build, definition)?];
    let mut steps = product::steps(build, inside.steps(build)?)?;
    let (composing, composed) = compose::steps(build, &images)?;
    let [composition] = composed.as_slice() else { bail!("{} is one image", images[0].reference) };
    steps.extend(composing);
    steps.extend(registry::compressing(&composed));
    action(Plan::new(steps)?, &images[0].reference, composition)
}
