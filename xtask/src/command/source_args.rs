//! The options that select a k3s.

use crate::context::Context;
use crate::lockfile::{Adding, Lockfile};
use crate::sample::{self, Layout};
use crate::upstream::release::{self, SourceRequest};
use crate::upstream::script_probe::ScriptTrust;
use crate::upstream::selection::Selection;
use crate::upstream::transfer::GitSettings;
use crate::upstream::version::Version;
use crate::vendoring;
use anyhow::Result;
use std::path::PathBuf;

/// Options that select a k3s
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Source")]
pub struct SourceArgs {
    /// An upstream release: a tag (v1.33.0+k3s1), a line (v1.33), or stable, the highest version
    /// released, which upstream's own channel of that name may not have reached yet
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["source", "sample", "vendored"])]
    pub k3s: Option<String>,

    /// Any k3s tree: a URL, or a local repository, whose last commit is built and which is never
    /// written to
    #[arg(long, value_name = "PATH|URL", conflicts_with_all = ["sample", "vendored"])]
    pub source: Option<String>,

    /// The branch, tag or commit of --source; with a URL, a commit that is not in the cache needs its whole id
    /// [default: HEAD]
    #[arg(long = "ref", value_name = "REF", requires = "source")]
    pub reference: Option<String>,

    /// The version of --source [default: the upstream tag that k3s.lock.json has for its commit, or one made of its
    /// commit]
    #[arg(long = "as", value_name = "VERSION", requires = "source")]
    pub version: Option<Version>,

    /// An unpacked source package, which has all inputs of a build
    #[arg(long, value_name = "DIR", conflicts_with = "sample")]
    pub vendored: Option<PathBuf>,

    /// The small sample k3s of this repository
    #[arg(long)]
    pub sample: bool,

    /// The upstream layout that the sample uses
    #[arg(long, value_name = "LAYOUT", value_enum, default_value_t = Layout::Embed, requires = "sample")]
    pub sample_layout: Layout,

    /// Execute the build scripts of the source tree without a sandbox, with your permissions
    #[arg(long, conflicts_with = "sample")]
    pub trust_scripts: bool,

    /// Refuse sources that k3s.lock.json does not lock, instead of adding them
    #[arg(long)]
    pub locked: bool,
}

impl SourceArgs {
    /// Resolves the source to a commit, which is fetched if it is not in the cache.
    pub fn find(&self, context: Context) -> Result<Selection> {
        self.find_adding(context, Adding::Allowed)
    }

    /// Does the same for a plan: the lockfile is not written.
    pub fn find_for_plan(&self, context: Context) -> Result<Selection> {
        self.find_adding(context, Adding::Planned)
    }

    fn find_adding(&self, context: Context, adding: Adding) -> Result<Selection> {
        if self.sample {
            return sample::prepare(context, self.sample_layout);
        }
        let scripts = if self.trust_scripts { ScriptTrust::Trusted } else { ScriptTrust::Sandboxed };
        if let Some(directory) = &self.vendored {
            return vendoring::open(context, directory, scripts);
        }
        let adding = if self.locked { Adding::Forbidden } else { adding };
        let lock = Lockfile::open(&context.lock_file, adding)?;
        let git = GitSettings::of_user(&context);
        let request = match &self.source {
            Some(location) => SourceRequest::Tree {
                location: location.clone(),
                reference: self.reference.clone(),
                version: self.version.clone(),
            },
            None => {
                SourceRequest::Release(self.k3s.clone().unwrap_or_else(|| context.pins.k3s.version.clone()))
            }
        };
        let source = release::find(&context, &lock, &git, &request)?;
        Ok(Selection { context, lock, source, git, stand_ins: None, vendored_images: None, scripts })
    }
}
