//! The options of a build, from the records that it has left.

use crate::images::definition::Definition;
use crate::k3s::Optional;
use crate::k3s::options::{BuildOptions, BuiltinImages, Presence, Substitutes};
use crate::product::manifest::Manifest;
use crate::reference::Reference;
use anyhow::{Context as _, Result};
use std::path::PathBuf;

/// Returns the options that a product was built with.
pub fn options(
    manifest: &Manifest,
    definitions: &[Definition],
    patches: Option<PathBuf>,
) -> Result<BuildOptions> {
    let presence = |what| if manifest.contains(what) { Presence::Included } else { Presence::LeftOut };
    let images = &manifest.builtin_images;
    let substitutes =
        images.iter().filter_map(|image| Some((&*image.reference, image.substitute.as_deref()?)));
    Ok(BuildOptions {
        pause_image: Some(Reference::parse(&manifest.pause_image)?),
        patches,
        releases: manifest.releases.clone(),
        builtin_images: match (manifest.builtin_pause, images.is_empty()) {
            (false, _) => BuiltinImages::None,
            (true, true) => BuiltinImages::Pause,
            (true, false) => BuiltinImages::Missing,
        },
        substitutes: self::substitutes(definitions, substitutes)?,
        no_builtin_pause: None,
        charts: presence(Optional::Charts),
        k3s_root: presence(Optional::K3sRoot),
        // The oldest is the default, which an old Go has no name for.
        level: manifest.too_new_for().map(|_| manifest.level.clone()),
    })
}

/// Returns substitutes by the names of their definitions. One of Debian's is named without Debian's revision.
pub fn substitutes<'i>(
    definitions: &[Definition],
    substitutes: impl Iterator<Item = (&'i str, &'i str)>,
) -> Result<Substitutes> {
    let named = substitutes.map(|(reference, version)| {
        let reference = Reference::parse(reference)?;
        let definition = definitions.iter().find(|it| it.repository == reference.repository());
        let definition =
            definition.with_context(|| format!("no definition in images/ is for {reference}"))?;
        let upstream = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
        let version = if definition.program.is_some() { version } else { upstream };
        Ok((definition.name.clone(), version.to_owned()))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn substitutes_are_named_as_they_were_asked_for() {
        let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images");
        let recorded = [
            ("rancher/mirrored-library-busybox:1.36.1", "1.37.0-6+b9"),
            ("rancher/mirrored-coredns-coredns:1.13.1", "v1.14.0-beta"),
        ];
        let found = substitutes(&Definition::load(&images).unwrap(), recorded.into_iter()).unwrap();
        assert_eq!(found.get("busybox"), Some("1.37.0"));
        assert_eq!(found.get("coredns"), Some("v1.14.0-beta"));
    }
}
