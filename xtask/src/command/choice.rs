//! Which k3s is meant: the options that build, patch, images and rpm share.

use crate::context::Context;
use crate::digest::Digest;
use crate::lock::{Adding, Lock};
use crate::sample::{self, Layout};
use crate::step::{Plan, Step};
use crate::toolchain::go::StandIns;
use crate::upstream::checkout::{self, GitSettings};
use crate::upstream::release::{self, Source, Wanted};
use crate::upstream::version::Version;
use anyhow::Result;
use std::path::PathBuf;

/// Which k3s
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Which k3s")]
pub struct Choice {
    /// An upstream release: a tag (v1.33.0+k3s1), a line (v1.33), or stable
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["source", "sample"])]
    pub k3s: Option<String>,

    /// Any k3s tree: a local repository, which is never written to, or an address
    #[arg(long, value_name = "PATH|URL", conflicts_with = "sample")]
    pub source: Option<String>,

    /// The branch, tag or commit of --source [default: HEAD]
    #[arg(long = "ref", value_name = "REF", requires = "source")]
    pub reference: Option<String>,

    /// The version that --source is to bear [default: its tag, or one made of its commit]
    #[arg(long = "as", value_name = "VERSION", requires = "source")]
    pub version: Option<Version>,

    /// The small k3s of our own that comes with this repository
    #[arg(long)]
    pub sample: bool,

    /// In which of upstream's two layouts the sample is built
    #[arg(long, value_name = "LAYOUT", value_enum, default_value_t = Layout::Embed, requires = "sample")]
    pub sample_layout: Layout,

    /// Refuse what k3s.lock.json does not lock yet, instead of adding it
    #[arg(long)]
    pub locked: bool,
}

/// A choice, followed to its commit.
pub struct Chosen {
    pub context: Context,
    pub lock: Lock,
    pub source: Source,
    pub git: GitSettings,
    pub stand_ins: Option<StandIns>,
}

impl Choice {
    /// Finds the commit that is meant, fetching it where the cache lacks it.
    pub fn find(&self, context: Context) -> Result<Chosen> {
        if self.sample {
            return sample::prepare(context, self.sample_layout);
        }
        let adding = if self.locked { Adding::Forbidden } else { Adding::Allowed };
        let lock = Lock::open(&context.lock_file, adding)?;
        let git = GitSettings::of_user(&context);
        let wanted = match &self.source {
            Some(location) => Wanted::Tree {
                location: location.clone(),
                reference: self.reference.clone(),
                version: self.version.clone(),
            },
            None => Wanted::Release(self.k3s.clone().unwrap_or_else(|| context.pins.k3s.version.clone())),
        };
        let source = release::find(&context, &lock, &git, &wanted)?;
        Ok(Chosen { context, lock, source, git, stand_ins: None })
    }
}

impl Chosen {
    /// The untouched files of the commit.
    pub fn checkout(&self) -> Result<PathBuf> {
        let plan = Plan::new(vec![Step {
            name: "source",
            recipe: &[include_str!("../upstream/checkout.rs")],
            needs: vec![],
            inputs: vec![self.source.commit.id.clone()],
            run: Box::new(|folder, _| checkout::export(&self.source.commit, folder)),
        }])?;
        let (outputs, _) = plan.run(&self.context, &self.context.work)?;
        Ok(outputs.of("source")?.to_owned())
    }

    /// What one process at a time works on: this commit for one architecture.
    pub fn claim_file(&self, target: &str) -> PathBuf {
        let key = Digest::of(format!("{} {target}", self.source.commit.id));
        self.context.work.join("claims").join(key.short())
    }
}
