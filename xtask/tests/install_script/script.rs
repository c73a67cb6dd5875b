//! The patched installer, in each layout of upstream's.

use fs_err as fs;
use std::path::Path;
use xtask::patch::{PatchSet, Values};
use xtask::reference::Reference;

/// The layouts for which the patch of the download location has a variant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    /// Up to v1.32: the URL is fixed.
    Fixed,
    /// v1.33 to v1.35: a variable sets the URL of the releases. This is the sample's.
    Variable,
    /// v1.36: INSTALL_K3S_ARTIFACT_URL sets the URL of the downloads.
    ArtifactUrl,
}

pub const LAYOUTS: [Layout; 3] = [Layout::Fixed, Layout::Variable, Layout::ArtifactUrl];

impl Layout {
    /// Returns the sample's installer in this layout.
    fn script(self) -> String {
        let text = fs::read_to_string(repository().join("sample/k3s/base/install.sh")).unwrap();
        let replaced = |text: String, from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        };
        let upstream = "https://github.com/k3s-io/k3s/releases";
        let variable = format!("GITHUB_URL=${{GITHUB_URL:-{upstream}}}\n");
        match self {
            Layout::Fixed => replaced(text, &variable, &format!("GITHUB_URL={upstream}\n")),
            Layout::Variable => text,
            Layout::ArtifactUrl => {
                let name = "INSTALL_K3S_ARTIFACT_URL";
                let text = replaced(
                    text,
                    &variable,
                    &format!(
                        "#     Default is {upstream}/download\n\n{name}=${{{name}:-{upstream}/download}}\n"
                    ),
                );
                let text = replaced(
                    text,
                    "${GITHUB_URL}/download/${VERSION_K3S}/",
                    "${INSTALL_K3S_ARTIFACT_URL}/${VERSION_URLSAFE}/",
                );
                replaced(
                    text,
                    "    info \"Using ${VERSION_K3S} as release\"\n",
                    "    VERSION_URLSAFE=$(printf '%s' \"${VERSION_K3S}\" | sed 's/+/%2B/g')\n    info \"Using ${VERSION_K3S} as release\"\n",
                )
            }
        }
    }

    /// Returns the installer that downloads from these releases by default.
    pub fn patched(self, releases: Option<&str>) -> String {
        let place = tempfile::tempdir().unwrap();
        let patches = place.path().join("patches");
        fs::create_dir(&patches).unwrap();
        for entry in fs::read_dir(repository().join("patches")).unwrap() {
            let entry = entry.unwrap();
            let to = patches.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                xtask::dir::copy(&entry.path(), &to).unwrap();
            } else if entry.file_name().to_string_lossy().starts_with("install-") {
                fs::copy(entry.path(), to).unwrap();
            }
        }
        let tree = place.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("install.sh"), self.script()).unwrap();
        let values = Values {
            pause_image: Reference::parse("example/pause:1").unwrap(),
            releases: releases.map(|url| url.parse().unwrap()),
        };
        let outcome = PatchSet::load(place.path(), None).unwrap().apply(&tree, &values).unwrap();
        assert_eq!(outcome.applied.len(), 3);
        fs::read_to_string(tree.join("install.sh")).unwrap()
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
