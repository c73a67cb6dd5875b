//! The components of k3s, and the steps that build one binary of them.
//!
//! ```text
//! source ─► patched ─► tree ─┬────────────► server ─┐
//!             pause ─► image ─┤   runc shim cni root ┼─► bundle ─► binary
//!          builtin images ────┘                      │
//!                                 libseccomp ─► runc  │
//!                                        charts ──────┘ (inside the server)
//! ```

pub mod binary;
pub mod builtin_images;
pub mod bundle;
pub mod charts;
pub mod cni;
pub mod format;
pub mod go_build;
pub mod manifests;
pub mod options;
pub mod patched;
pub mod pause_image;
pub mod root;
pub mod root_release;
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
use crate::upstream::{probe::Facts, release::Source, selection::VendoredImages, transfer::GitSettings};
use anyhow::Result;
use options::{BuildOptions, Presence};
use patched::Patched;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// A build, with everything that is known before its first step.
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
    pub options: BuildOptions,
    /// The default pause image of the k3s that is built.
    pub pause_image: Reference,
    /// The images that a source package has built already.
    pub vendored_images: Option<VendoredImages>,
    /// Settings of git for the CNI sources, which the sample has of its own.
    pub git: GitSettings,
}

/// Something that a complete k3s has and that a build can leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optional {
    K3sRoot,
    Charts,
}

impl Optional {
    /// Returns the names, joined by "and".
    pub fn names(all: &[Optional]) -> String {
        all.iter().map(Optional::to_string).collect::<Vec<_>>().join(" and ")
    }
}

impl fmt::Display for Optional {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Optional::K3sRoot => "k3s-root",
            Optional::Charts => "charts",
        })
    }
}

impl Build<'_> {
    /// Returns all steps, from the patched tree to the one binary, with those that build the images inside it.
    ///
    /// # Errors
    /// Everything that is missing for any of them, at once.
    pub fn steps<'a>(&'a self, images: Vec<Step<'a>>) -> Result<Vec<Step<'a>>> {
        let pause = [crate::pause::step(self.context, self.target), Ok(pause_image::step(self))];
        let others = [
            charts::step(self),
            Ok(source_tree::step(self)),
            seccomp::step(self),
            server::step(self),
            runc::step(self),
            shim::step(self),
            cni::step(self),
            root::step(self),
            binary::wrapper_step(self),
            bundle::step(self),
            binary::step(self),
        ];
        crate::error::all(pause.into_iter().chain(images.into_iter().map(Ok)).chain(others))
    }

    /// Returns the inputs of a step that compiles in a module.
    pub fn module_inputs(&self, module: &Resolved) -> Vec<String> {
        let mut inputs = vec![format!("module {module}")];
        if let Resolved::Local(_) = module {
            inputs.push(format!("patched tree sha256:{}", self.patched.digest));
        }
        inputs
    }

    /// Returns the directory that a module is compiled in.
    pub fn module_directory(&self, module: &Resolved) -> Result<PathBuf> {
        self.any_go.module(self.context, module, &self.patched.tree)
    }

    /// Returns the directory with the results of this build's steps.
    pub fn directory(&self) -> PathBuf {
        self.context.work.join(self.target.go)
    }

    /// Returns the Go architecture level to build for.
    pub fn level(&self) -> &str {
        self.target.level(self.options.level.as_deref())
    }

    /// Returns what a complete k3s has and this one has not.
    pub fn incomplete(&self) -> Vec<Optional> {
        let all = [(Optional::K3sRoot, self.options.k3s_root), (Optional::Charts, self.options.charts)];
        all.into_iter().filter(|(_, it)| *it == Presence::LeftOut).map(|(name, _)| name).collect()
    }
}
