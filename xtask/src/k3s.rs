//! The parts of k3s and how they become one binary.
//!
//! ```text
//! source ─► patched ─► tree ─┬────────────► server ─┐
//!             pause ─► image ─┘   runc shim cni root ┼─► bundle ─► binary
//!                                 libseccomp ─► runc  │
//!                                        charts ──────┘ (inside the server)
//! ```

pub mod binary;
pub mod bundle;
pub mod charts;
pub mod cni;
pub mod format;
pub mod go_build;
pub mod manifests;
pub mod patched;
pub mod pause_image;
pub mod root;
pub mod runc;
pub mod seccomp;
pub mod server;
pub mod shim;
pub mod source_tree;

use crate::context::Context;
use crate::lockfile::Lockfile;
use crate::reference::Reference;
use crate::step::Step;
use crate::target::Target;
use crate::toolchain::gomod::Resolved;
use crate::toolchain::{
    go::{AnyGo, Go},
    zig::Zig,
};
use crate::upstream::{probe::Facts, release::Source, transfer::GitSettings};
use anyhow::Result;
use patched::Patched;
use std::path::PathBuf;

/// One build, with everything known about it before its first step.
pub struct Build<'a> {
    pub context: &'a Context,
    pub lock: &'a Lockfile,
    pub target: &'static Target,
    pub source: Source,
    /// The files of the source's commit with the patches applied, from which the facts are read.
    pub patched: Patched,
    pub facts: Facts,
    /// The Go of the host, which fetches modules.
    pub any_go: AnyGo,
    /// The Go that compiles.
    pub go: Go,
    pub zig: Zig,
    pub options: Options,
    /// Where the CNI sources come from instead of their own hosts (the sample).
    pub git: GitSettings,
}

/// What a person can choose about a build.
#[derive(Clone, Debug)]
pub struct Options {
    /// The image that takes the place of upstream's default pause image.
    pub pause_image: Reference,
    /// Whether the pause image itself is carried inside k3s.
    pub builtin_pause: Part,
    /// The Helm charts that the server carries, traefik's above all.
    pub charts: Part,
    /// k3s-root, the user space that k3s brings along.
    pub root: Part,
    /// The level of the architecture, `rva22u64`; none means the oldest.
    pub level: Option<String>,
}

/// Whether a part is in the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Included,
    LeftOut,
}

impl Build<'_> {
    /// All steps, from the patched tree to the one binary.
    ///
    /// # Errors
    /// Whatever cannot be had for any of them, all at once.
    pub fn steps(&self) -> Result<Vec<Step<'_>>> {
        crate::error::all([
            crate::pause::step(self.context, self.target),
            Ok(pause_image::step(self)),
            charts::step(self),
            Ok(source_tree::step(self)),
            seccomp::step(self),
            server::step(self),
            runc::step(self),
            shim::step(self),
            cni::step(self),
            root::step(self),
            binary::packages_step(self),
            bundle::step(self),
            binary::step(self),
        ])
    }

    /// The inputs of a step that compiles in a module.
    pub fn module_inputs(&self, module: &Resolved) -> Vec<String> {
        let mut inputs = vec![format!("module {module}")];
        if let Resolved::Local(_) = module {
            inputs.push(format!("patched tree sha256:{}", self.patched.key));
        }
        inputs
    }

    /// The directory that a module is compiled in.
    pub fn module_directory(&self, module: &Resolved) -> Result<PathBuf> {
        self.any_go.module(self.context, module, &self.patched.tree)
    }

    /// The directory that holds this build's steps.
    pub fn directory(&self) -> PathBuf {
        self.context.work.join(self.target.go)
    }

    /// The level of the architecture that is built for.
    pub fn level(&self) -> &str {
        self.target.level(self.options.level.as_deref())
    }

    /// What the product lacks of a whole k3s.
    pub fn incomplete(&self) -> Vec<&'static str> {
        let parts = [("k3s-root", self.options.root), ("charts", self.options.charts)];
        parts.into_iter().filter(|(_, part)| *part == Part::LeftOut).map(|(name, _)| name).collect()
    }
}
