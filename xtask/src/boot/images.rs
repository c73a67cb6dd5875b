//! The bundle of the default images, which a node without a registry imports.

use crate::images::publish::PublishedImages;
use crate::images::upstream::Answers;
use crate::reference::Reference;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The image of the pods of volumes, in the names of the manifests: the scenario's pods use it, too.
const BUSYBOX: &str = "rancher/mirrored-library-busybox";

/// A bundle, with the names of its images in the form in which containerd keeps them.
#[derive(Clone, Debug)]
pub struct DefaultImages {
    pub archive: PathBuf,
    pub references: Vec<String>,
    /// Those of them that no registry has for the guest's architecture, by the answers in this repository.
    pub missing: BTreeSet<String>,
    /// The one of busybox.
    pub busybox: String,
}

impl DefaultImages {
    /// Opens a directory that `cargo xtask images build` has written for this k3s.
    pub fn open(root: &Path, directory: &Path, k3s: &str) -> Result<DefaultImages> {
        let PublishedImages { archive, manifest, .. } =
            PublishedImages::open(directory, super::target()?, k3s)?;
        let all = manifest.references().map(Reference::parse).collect::<Result<Vec<_>>>()?;
        let busybox = all.iter().find(|reference| reference.repository() == BUSYBOX);
        let busybox = busybox.with_context(|| {
            format!("{}: {BUSYBOX} is missing, the image of the test's pods", directory.display())
        })?;
        let known = Answers::committed(root)?;
        let is_missing = |it: &&Reference| {
            // Its name is ours.
            manifest.pause.iter().any(|pause| pause == it.as_str()) || known.is_missing(it)
        };
        Ok(DefaultImages {
            archive,
            missing: all.iter().filter(is_missing).map(Reference::normalised).collect(),
            busybox: busybox.normalised(),
            references: all.iter().map(Reference::normalised).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::product::manifest::FileEntry;
    use fs_err as fs;
    use serde_json::json;

    const K3S: &str = "v1.35.1+k3s1";
    const ARCHIVE: &str = "k3s-airgap-images-riscv64.tar.zst";

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    /// Writes a directory as `images build` does, with one image.
    fn directory(reference: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join(ARCHIVE);
        fs::write(&archive, "a bundle").unwrap();
        let image = json!({
            "reference": reference, "id": "", "version": "1.37.0", "substitute": false,
            "left_out": null, "module": null, "modules": [], "debian": [],
        });
        let manifest = json!({
            "k3s": K3S, "arch": "riscv64", "pause": ["example/pause:1"], "images": [image],
            "licenses": [], "files": {ARCHIVE: FileEntry::of(&archive).unwrap()},
        });
        let file = directory.path().join("images-riscv64.json");
        fs::write(&file, manifest.to_string()).unwrap();
        let sum = |path: &Path, name: &str| format!("{}  {name}\n", Digest::of(fs::read(path).unwrap()));
        let sums = sum(&archive, ARCHIVE) + &sum(&file, "images-riscv64.json");
        fs::write(directory.path().join("SHA256SUMS"), sums).unwrap();
        directory
    }

    fn refusal(directory: &tempfile::TempDir, k3s: &str) -> String {
        format!("{:#}", DefaultImages::open(&root(), directory.path(), k3s).unwrap_err())
    }

    #[test]
    fn names_are_those_of_containerd() {
        let directory = directory("rancher/mirrored-library-busybox:1.37.0");
        let images = DefaultImages::open(&root(), directory.path(), K3S).unwrap();
        let busybox = "docker.io/rancher/mirrored-library-busybox:1.37.0";
        assert_eq!(images.busybox, busybox);
        assert_eq!(images.references, ["docker.io/example/pause:1", busybox]);
        assert_eq!(images.missing, BTreeSet::from_iter(images.references), "upstream has no riscv64 build");
        assert_eq!(images.archive, directory.path().join(ARCHIVE));
    }

    #[test]
    fn refuses_another_version_and_no_busybox() {
        let busybox = directory("rancher/mirrored-library-busybox:1.37.0");
        assert!(refusal(&busybox, "v1.35.2+k3s1").contains("those of k3s v1.35.1+k3s1, not of v1.35.2+k3s1"));
        let other = directory("rancher/klipper-lb:v1");
        assert!(refusal(&other, K3S).contains("mirrored-library-busybox is missing"));
    }

    #[test]
    fn refuses_changed_files() {
        for name in [ARCHIVE, "images-riscv64.json"] {
            let changed = directory("rancher/mirrored-library-busybox:1.37.0");
            fs::write(changed.path().join(name), "changed").unwrap();
            assert!(refusal(&changed, K3S).contains(&format!("checksum mismatch for {name}")), "{name}");
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(refusal(&empty, K3S).contains("cargo xtask images build writes one"));
    }

    #[test]
    fn refuses_contradicting_checksums() {
        let changed = directory("rancher/mirrored-library-busybox:1.37.0");
        fs::write(changed.path().join(ARCHIVE), "another bundle").unwrap();
        let sums = fs::read_to_string(changed.path().join("SHA256SUMS")).unwrap();
        let sums =
            sums.replace(&Digest::of("a bundle").to_string(), &Digest::of("another bundle").to_string());
        fs::write(changed.path().join("SHA256SUMS"), sums).unwrap();
        assert!(refusal(&changed, K3S).contains("SHA256SUMS and images-riscv64.json differ"));
    }
}
