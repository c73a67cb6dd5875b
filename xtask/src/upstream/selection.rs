//! The selected k3s, with all that surrounds its build: every way to select one ends here, and the pipeline
//! begins here.

use super::release::Source;
use super::script_probe::ScriptTrust;
use super::transfer::GitSettings;
use crate::context::Context;
use crate::digest::Digest;
use crate::lockfile::Lockfile;
use crate::toolchain::go::StandIns;
use std::path::PathBuf;

/// A source request, resolved to its commit.
pub struct Selection {
    pub context: Context,
    pub lock: Lockfile,
    pub source: Source,
    pub git: GitSettings,
    /// Modules that take precedence over those of the user's proxies.
    pub stand_ins: Option<StandIns>,
    /// The images inside k3s that a source package has built already.
    pub vendored_images: Option<VendoredImages>,
    /// ScriptTrust in the build scripts of the tree.
    pub scripts: ScriptTrust,
}

/// Images of a source package, which are not built again: their sources are not in it.
#[derive(Clone, Debug)]
pub struct VendoredImages {
    /// The directory with the results of the steps that have built them, in one directory for each architecture.
    pub directory: PathBuf,
    pub digest: Digest,
}

impl Selection {
    /// Returns the lock file that keeps this commit and architecture to one process at a time.
    pub fn lock_path(&self, target: &str) -> PathBuf {
        let key = Digest::of(format!("{} {target}", self.source.commit.id));
        self.context.work.join("locks").join(key.short())
    }
}
