//! Patches: changes of k3s as data.
//!
//! Each file of `patches/` (and of the user's `--patches` directory) is about one concern, with its reason, the trees
//! that it concerns and the condition under which it is obsolete. Either every edit applies exactly as declared or
//! nothing is written. `patches/README.md` explains the format.

mod apply;
mod diff;
mod edit;
mod set;
mod show;
mod tree;

pub use apply::{Applied, Outcome, Skipped};
pub use set::PatchSet;

use crate::reference::Reference;
use crate::releases_url::ReleasesUrl;
use serde::{Deserialize, Serialize};

/// Values of a build for the placeholders in patches.
#[derive(Clone, Debug)]
pub struct Values {
    /// `{pause_image}` in a replacement.
    pub pause_image: Reference,
    /// `{releases}` in a replacement.
    pub releases: Option<ReleasesUrl>,
}

/// A file that the build makes. Patches say where it goes, and it is put there once it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuiltFile {
    /// The archive of the pause image, or an empty file.
    PauseImage,
    /// The archive of other default images, or an empty file.
    BuiltinImages,
}

/// Content of a [`BuiltFile`] until it is built: no text.
const PLACEHOLDER: &[u8] = &[0];

impl Values {
    /// Replaces the placeholders in a text.
    fn expand(&self, replacement: &str) -> String {
        replacement.replace(PAUSE_IMAGE, self.pause_image.as_str()).replace(RELEASES, &self.releases())
    }

    /// Returns the URL of the releases: one that does not exist for a build that is published nowhere (RFC 2606).
    fn releases(&self) -> String {
        self.releases.as_ref().map_or_else(|| "https://releases.invalid".to_owned(), ReleasesUrl::to_string)
    }
}

/// The placeholder for the reference of the pause image.
const PAUSE_IMAGE: &str = "{pause_image}";
/// The placeholder for the URL of the releases.
const RELEASES: &str = "{releases}";
