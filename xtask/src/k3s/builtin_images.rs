//! The step whose result k3s embeds: an archive of default images besides the pause image.
//!
//! Images are built above this module, which is why only the names are here.

/// The step's name.
pub const STEP: &str = "builtin-images";

/// The archive in the step's result. It is empty if k3s carries no images.
pub const ARCHIVE: &str = "k3s-builtin-images.tar.zst";
