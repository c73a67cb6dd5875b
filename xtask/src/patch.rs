//! What is changed in k3s, as data.
//!
//! Each file of `patches/` (and of the user's `--patches` directory) names one concern, why it is there,
//! which trees it concerns and when it can go. Its edits bite exactly as declared or nothing is
//! written. `patches/README.md` explains the grammar to those who write patches.

mod apply;
mod diff;
mod edit;
mod set;
mod show;
mod tree;

pub use apply::{Applied, Idle, Outcome};
pub use set::PatchSet;

use crate::reference::Reference;
use serde::{Deserialize, Serialize};

/// What a build puts into its patches.
#[derive(Clone, Debug)]
pub struct Values {
    /// `{pause_image}` in a replacement.
    pub pause_image: Reference,
}

/// A file that the build makes. Patches say where it goes; it is put there once it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The archive of the pause image.
    PauseImage,
}

/// The content of a part until it is built: no text.
const PLACEHOLDER: &[u8] = &[0];

impl Values {
    /// Puts the values into a replacement.
    fn expand(&self, replacement: &str) -> String {
        replacement.replace(PAUSE_IMAGE, self.pause_image.as_str())
    }
}

/// The placeholder for the reference of the pause image.
const PAUSE_IMAGE: &str = "{pause_image}";
