//! Tests of the package of the default images, which shares its directories with that of the pause image.

use crate::fake;
use crate::packages::{can_build, file_name, former, packaging, scratch};
use crate::root::{Root, can_install};
use fs_err as fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use xtask::product::Product;
use xtask::rpm::Packaging;

/// The bundle as k3s finds it.
const INSTALLED: &str = "/var/lib/rancher/k3s/agent/images/k3s-airgap-images.tar.zst";

/// Returns a product of this version, and the directory of its images.
fn product(version: &str) -> (Product, PathBuf) {
    let directory = scratch().join("images").join(version);
    fake::product(&directory.join("product"), version);
    fake::images(&directory.join("images"), version);
    (Product::open(&directory.join("product"), fake::riscv64()).unwrap(), directory.join("images"))
}

/// Publishes packages of this version with its images, and returns the package of the images.
fn build(version: &str) -> PathBuf {
    let (product, images) = product(version);
    let published = packaging(&product).with_images(&images).unwrap().publish().unwrap();
    let (name, _) =
        published.packages.iter().find(|(name, _)| name.starts_with("k3s-airgap-images-")).unwrap();
    published.directory.join(name)
}

/// Returns the package of an older and of a newer version.
pub fn packages() -> &'static [PathBuf; 2] {
    static PACKAGES: OnceLock<[PathBuf; 2]> = OnceLock::new();
    PACKAGES.get_or_init(|| ["v1.32.8+k3s1", "v1.32.9+k3s1"].map(build))
}

#[test]
fn package_names_substitutes() {
    if !can_build("the package of images") {
        return;
    }
    let [older, _] = packages();
    assert_eq!(file_name(older), "k3s-airgap-images-1.32.8+k3s1-1.oe2403.riscv64.rpm");
    let query = std::process::Command::new("rpm").args(["-qpi"]).arg(older).output().unwrap();
    let text = String::from_utf8_lossy(&query.stdout).into_owned();
    assert!(text.contains("rancher/mirrored-metrics-server:v0.8.1:\nbuilt from v0.9.0 instead."), "{text}");
}

#[test]
fn images_and_pause_image_take_away_only_their_own() {
    if !can_install("the package of images") {
        return;
    }
    let [older, _] = packages();
    let pause_image = former().pause_image.as_path();
    let pause = "/var/lib/rancher/k3s/agent/images/k3s-pause-image.tar";
    let mine = "/var/lib/rancher/k3s/agent/images/mine.tar";
    for (first, second, kept) in
        [("k3s-airgap-images", "k3s-pause-image", pause), ("k3s-pause-image", "k3s-airgap-images", INSTALLED)]
    {
        let root = Root::new();
        root.install(&[older, pause_image]);
        root.write(mine, "an image\n");
        for path in [INSTALLED, pause] {
            assert!(root.path(&root.link(path)).is_file(), "{path}");
        }
        root.erase(&[first]);
        assert!(root.path(&root.link(kept)).is_file(), "{kept}");
        root.erase(&[second]);
        assert!(!root.has("/usr/share/k3s"), "{second}");
        assert_eq!(root.read(mine), "an image\n");
    }
}

#[test]
fn upgrade_replaces_the_bundle() {
    if !can_install("an upgrade of the images") {
        return;
    }
    let [older, newer] = packages();
    let root = Root::new();
    root.install(&[older]);
    let bundle = root.link(INSTALLED);
    let is_of = |version: &str| {
        let published = scratch().join("images").join(version).join("images").join(fake::BUNDLE);
        fs::read(root.path(&bundle)).unwrap() == fs::read(published).unwrap()
    };
    assert!(is_of("v1.32.8+k3s1"));
    root.upgrade(&[newer]);
    assert!(is_of("v1.32.9+k3s1"));
    assert_eq!(root.link(INSTALLED), bundle);
}

#[test]
fn images_of_another_version_are_refused() {
    let (product, _) = product("v1.32.7+k3s1");
    let other = scratch().join("images/other");
    fake::images(&other, "v1.31.1+k3s1");
    let error = |packaging: anyhow::Result<Packaging>| format!("{:#}", packaging.err().unwrap());
    let error = error(packaging(&product).with_images(&other));
    assert!(error.contains("they are those of k3s v1.31.1+k3s1, not of v1.32.7+k3s1"), "{error}");
}
