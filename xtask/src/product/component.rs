//! The components of k3s that a build compiles or packs.

use crate::k3s::{binary, builtin_images, bundle, cni, pause_image, runc, server, shim};
use crate::pause;
use crate::target::Target;
use serde::{Deserialize, Serialize};

/// A component, named in the manifest as its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    Server,
    Shim,
    Runc,
    Cni,
    Pause,
    PauseImage,
    BuiltinImages,
    Bundle,
    Binary,
}

impl Component {
    pub const ALL: [Component; 9] = [
        Component::Server,
        Component::Shim,
        Component::Runc,
        Component::Cni,
        Component::Pause,
        Component::PauseImage,
        Component::BuiltinImages,
        Component::Bundle,
        Component::Binary,
    ];

    /// Returns the step that builds it.
    pub fn step(self) -> &'static str {
        match self {
            Component::Server => server::STEP,
            Component::Shim => shim::STEP,
            Component::Runc => runc::STEP,
            Component::Cni => cni::STEP,
            Component::Pause => pause::STEP,
            Component::PauseImage => pause_image::STEP,
            Component::BuiltinImages => builtin_images::STEP,
            Component::Bundle => bundle::STEP,
            Component::Binary => binary::STEP,
        }
    }

    /// Returns the file in the step's result.
    pub fn file(self, target: &Target) -> String {
        match self {
            Component::Server => server::PROGRAM.to_owned(),
            Component::Shim => shim::PROGRAM.to_owned(),
            Component::Runc => runc::PROGRAM.to_owned(),
            Component::Cni => cni::PROGRAM.to_owned(),
            Component::Pause => pause::PROGRAM.to_owned(),
            Component::PauseImage => pause_image::ARCHIVE.to_owned(),
            Component::BuiltinImages => builtin_images::ARCHIVE.to_owned(),
            Component::Bundle => bundle::ARCHIVE.to_owned(),
            Component::Binary => target.k3s_binary(),
        }
    }

    /// Returns the file name in the product, of a component that is shipped by itself.
    pub fn shipped_as(self, target: &Target) -> Option<String> {
        match self {
            Component::Pause | Component::Binary => Some(self.file(target)),
            Component::PauseImage => Some(format!("pause-image-{}.tar", target.go)),
            Component::Server
            | Component::Shim
            | Component::Runc
            | Component::Cni
            | Component::BuiltinImages
            | Component::Bundle => None,
        }
    }
}
