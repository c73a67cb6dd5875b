//! The images inside k3s besides the pause image, as the step that has built them describes them.

use super::third_party::ThirdParty;
use crate::spdx::Part;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The step's name.
pub const STEP: &str = "builtin-images-list";

/// The description in the step's result.
pub const LIST: &str = "builtin-images.json";

/// The licence texts of what is in the images.
pub const LICENSES: &str = "licenses.txt";

/// The images, and everything in them that others wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuiltinImages {
    pub images: Vec<BuiltinImage>,
    pub third_party: ThirdParty,
    /// The same packages for the SBOM.
    #[serde(default)]
    pub parts: Vec<Part>,
}

/// An image inside k3s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuiltinImage {
    pub reference: String,
    /// The digest of its configuration, which docker and crictl show as its ID.
    pub id: String,
    /// The version of its content, where it is not the one that the reference's tag names.
    pub substitute: Option<String>,
}

impl BuiltinImages {
    /// Reads the result of the step.
    pub fn read(directory: &Path) -> Result<BuiltinImages> {
        let path = directory.join(LIST);
        serde_json::from_slice(&fs_err::read(&path)?).with_context(|| format!("reading {}", path.display()))
    }
}
