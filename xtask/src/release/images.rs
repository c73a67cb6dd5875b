//! The default images of a release: those that its k3s asks for, with the sources of what is in them.

use super::problems::Problem;
use crate::digest::Digest;
use crate::images::manifest::{self, ImagesManifest};
use crate::images::{airgap, publish, sources, spdx};
use crate::lockfile::Lockfile;
use crate::product::manifest::Manifest;
use crate::target::Target;
use crate::upstream::release::Origin;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Reads and checks the images of a product, if the directory has them: its records of them are the same.
pub fn check(
    directory: &Path,
    product: &Manifest,
    sums: &BTreeMap<String, Digest>,
) -> Result<Option<ImagesManifest>> {
    let target = Target::named(&product.arch)?;
    let bundle = airgap::archive_name(target);
    if !sums.contains_key(&bundle) {
        return Ok(None);
    }
    let name = manifest::name(target);
    let images = ImagesManifest::read(&directory.join(&name))?;
    let named = images.files.get(&bundle).map(|entry| &entry.sha256);
    ensure!(sums.get(&bundle) == named, "{bundle} is not the bundle that {name} names");
    let list = fs::read_to_string(directory.join(publish::LIST))?;
    let references = images.references().collect();
    ensure!(
        list == publish::list(&references),
        "{} does not list the images that {name} names",
        publish::LIST
    );
    let archive = sources::name(target);
    sources::check(&directory.join(&archive), &images).with_context(|| format!("reading {archive}"))?;
    let materials = spdx::name(target);
    let named = images.files.get(&materials).map(|entry| &entry.sha256);
    ensure!(sums.get(&materials) == named, "{materials} is not the file that {name} names");
    spdx::check(&fs::read(directory.join(&materials))?, &images, &fs::read(directory.join(&bundle))?)
        .with_context(|| format!("comparing {materials} with {bundle}"))?;
    Ok(Some(images))
}

/// Returns the problems of the images that are released with a product, or of their absence.
pub fn problems(images: Option<&ImagesManifest>, product: &Manifest, lock: &Lockfile) -> Vec<Problem> {
    let Some(images) = images else {
        return vec![Problem::NonBlocking(format!(
            "{}: the default images are missing: --images names a directory that cargo xtask images build has written",
            product.arch
        ))];
    };
    let mut problems = with_product(images, product);
    problems.extend(unlocked(images, product, lock));
    problems
}

/// Returns a problem for each difference between images and the product that they are released with.
fn with_product(images: &ImagesManifest, product: &Manifest) -> Vec<Problem> {
    let mut found = Vec::new();
    for (name, of_images, of_product) in
        [("k3s", &images.k3s, &product.k3s), ("architecture", &images.arch, &product.arch)]
    {
        if of_images != of_product {
            found.push(format!("the images are of another {name}: {of_images}, not {of_product}"));
        }
    }
    if !images.pause.contains(&product.pause_image) {
        found.push(format!("the pause image {} is not among the default images", product.pause_image));
    }
    let ids: BTreeMap<&str, &str> = images.ids().into_iter().collect();
    for inside in &product.builtin_images {
        let reference = inside.reference.as_str();
        if ids.get(reference) != Some(&inside.id.as_str()) {
            found.push(format!("the {reference} inside k3s is not the one of the default images"));
        }
    }
    found.into_iter().map(|text| Problem::Blocking(format!("{}: {text}", product.arch))).collect()
}

/// Returns a problem for each image that k3s asks for and that is missing, and for each that it does not ask for.
pub fn with_references(images: &ImagesManifest, expected: &BTreeSet<String>) -> Vec<Problem> {
    let found: BTreeSet<String> = images.references().map(str::to_owned).collect();
    let missing =
        expected.difference(&found).map(|name| format!("{name} is missing among the default images"));
    let others = found.difference(expected).map(|name| format!("this k3s asks for no image {name}"));
    missing.chain(others).map(|text| Problem::Blocking(format!("{}: {text}", images.arch))).collect()
}

/// Returns a problem for each source of images that `k3s.lock.json` does not lock, or locks to something else.
fn unlocked(images: &ImagesManifest, product: &Manifest, lock: &Lockfile) -> Vec<Problem> {
    if product.origin != Origin::Release {
        return Vec::new();
    }
    let modules = images.images.iter().filter_map(|image| image.module.as_ref());
    let modules = modules.filter(|module| !lock.locks_module(module)).cloned();
    let packages = images.debian_packages().into_iter();
    let packages = packages.filter(|(_, package)| !lock.locks_debian_package(package)).map(|(name, _)| name);
    let unlocked: BTreeSet<String> = modules.chain(packages).collect();
    let problem = |name| {
        let arch = &images.arch;
        Problem::NonBlocking(format!("{arch}: k3s.lock.json does not lock {name}, which is in the images"))
    };
    unlocked.into_iter().map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::Adding;
    use serde_json::json;

    const MODULE: &str = "example.com/m v1.0.0 h1:a=";
    const PAUSE: &str = "example/pause:1";
    const BUSYBOX: &str = "rancher/mirrored-library-busybox:1.37.0";

    /// Returns a product with one image inside, beside the pause image.
    fn product() -> Manifest {
        let manifest = json!({
            "k3s": "v1.35.0+k3s1", "commit": "dc03cb4b", "origin": "release", "arch": "riscv64", "level": "",
            "source_date_epoch": 0, "modified": true, "pause_image": PAUSE, "builtin_pause": true,
            "builtin_images": [{"reference": BUSYBOX, "id": "sha256:1", "substitute": null}],
            "incomplete": [], "patches": [], "third_party": { "modules": [], "libraries": {}, "licenses": [] },
            "sources": {}, "tools": {}, "components": {}, "files": {}, "checks": [],
        });
        serde_json::from_value(manifest).unwrap()
    }

    fn images() -> ImagesManifest {
        let package =
            json!({"file": "pool/main/b/busybox/busybox-static_1_riscv64.deb", "sha256": Digest::of("b")});
        let image = json!({
            "reference": BUSYBOX, "id": "sha256:1", "version": "1.37.0", "substitute": false,
            "left_out": null, "module": MODULE, "modules": [], "debian": [package],
        });
        let manifest = json!({
            "k3s": "v1.35.0+k3s1", "arch": "riscv64", "pause": [PAUSE], "pause_id": null, "images": [image],
            "licenses": [], "files": {},
        });
        serde_json::from_value(manifest).unwrap()
    }

    fn lock(text: &str) -> Lockfile {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("lock.json");
        fs::write(&file, text).unwrap();
        Lockfile::open(&file, Adding::Forbidden).unwrap()
    }

    fn complete_lock() -> Lockfile {
        let package = &images().images[0].debian[0];
        let text = json!({
            "modules": {"example.com/m v1.0.0": {"files": "h1:a=", "go-mod": "h1:b="}},
            "debian": {"trixie riscv64": {"busybox-static": package}},
        });
        lock(&text.to_string())
    }

    fn found(change: impl FnOnce(&mut ImagesManifest)) -> Vec<String> {
        let mut images = images();
        change(&mut images);
        problems(Some(&images), &product(), &complete_lock()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn images_of_the_product_have_no_problem() {
        assert_eq!(found(|_| {}), [""; 0]);
    }

    #[test]
    fn images_differ_from_their_product() {
        let text = "riscv64: the images are of another k3s: v1.34.0+k3s1, not v1.35.0+k3s1";
        assert_eq!(found(|images| images.k3s = "v1.34.0+k3s1".into()), [text]);
        let text = "riscv64: the images are of another architecture: arm64, not riscv64";
        assert_eq!(found(|images| images.arch = "arm64".into()), [text]);
        let text = format!("riscv64: the pause image {PAUSE} is not among the default images");
        assert_eq!(found(|images| images.pause = vec!["rancher/mirrored-pause:3.6".into()]), [text]);
        let text = format!("riscv64: the {BUSYBOX} inside k3s is not the one of the default images");
        assert_eq!(found(|images| images.images[0].id = "sha256:2".into()), [text.as_str()]);
        assert_eq!(found(|images| images.images.clear()), [text.as_str()]);
    }

    #[test]
    fn unlocked_images_and_none_make_no_release() {
        let found = |images: Option<&ImagesManifest>| problems(images, &product(), &lock("{}"));
        let texts: Vec<String> = found(Some(&images())).iter().map(ToString::to_string).collect();
        let unlocked = |name| format!("riscv64: k3s.lock.json does not lock {name}, which is in the images");
        assert_eq!(texts, [unlocked("busybox-static_1_riscv64.deb"), unlocked(MODULE)]);
        assert!(matches!(&found(None)[..], [Problem::NonBlocking(text)] if text.contains("are missing")));
        let tree = Manifest { origin: Origin::Tree, ..product() };
        assert_eq!(problems(Some(&images()), &tree, &lock("{}")), [], "a tree locks nothing");
    }

    #[test]
    fn images_are_all_that_k3s_asks_for() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(with_references(&images(), &names(&[PAUSE, BUSYBOX])), []);
        let texts: Vec<String> = with_references(&images(), &names(&[PAUSE, "rancher/klipper-lb:v1"]))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            texts,
            [
                "riscv64: rancher/klipper-lb:v1 is missing among the default images".to_owned(),
                format!("riscv64: this k3s asks for no image {BUSYBOX}"),
            ]
        );
    }
}
