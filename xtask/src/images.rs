//! The default images of a node, built from pinned sources, and the bundle of all of them.
//!
//! ```text
//! definition ─► planned ─┬─► program ──────┐
//!    (images/*.toml)     └─► debian_layer ─┴─► compose ─┬─► airgap ─► manifest ─► publish
//!                                                       ├─► registry
//!                                                       └─► builtin (inside k3s)
//! ```

pub mod airgap;
pub mod builtin;
pub mod check;
pub mod compose;
pub mod debian_layer;
pub mod definition;
pub mod k3s_image;
pub mod layer;
pub mod manifest;
pub mod planned;
pub mod product_layer;
pub mod program;
pub mod publish;
pub mod registry;
pub mod sbom;
pub mod spdx;
pub mod selection;
pub mod sources;
pub mod upstream;

/// A layer in the result of a step.
const LAYER: &str = "layer.tar";
