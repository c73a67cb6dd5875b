//! `cargo xtask patch`: checks the patches against a tree, without building it.

use super::source_args::SourceArgs;
use crate::context::Context;
use crate::patch::{Outcome, PatchSet, Values};
use crate::reference::Reference;
use crate::releases_url::ReleasesUrl;
use crate::upstream::release::Source;
use anyhow::{Context as _, Result};
use std::path::PathBuf;

/// Check that the patches apply to a k3s, or show what they change
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask patch --check --k3s v1.35        do the patches still apply to the newest v1.35?
  cargo xtask patch --show --source ~/k3s      the changes as a diff")]
pub struct Args {
    #[command(flatten)]
    source: SourceArgs,

    /// Report for each patch whether and where it applies (the default without --show)
    #[arg(long, conflicts_with = "show")]
    check: bool,

    /// Print the changes as a unified diff
    #[arg(long)]
    show: bool,

    /// The image that replaces upstream's default pause image [default: see xtask/pins.json]
    #[arg(long, value_name = "REF", value_parser = Reference::parse)]
    pause_image: Option<Reference>,

    /// The URL of the releases that install.sh downloads from, https://github.com/OWNER/REPOSITORY/releases
    #[arg(long, value_name = "URL")]
    releases: Option<ReleasesUrl>,

    /// A directory with patches of your own (see patches/README.md)
    #[arg(long, value_name = "DIR")]
    patches: Option<PathBuf>,
}

/// Checks a set of patches against the files of a source.
///
/// # Errors
/// If a patch does not apply: the error names it with the file and the nearest line.
pub fn check(context: &Context, source: &Source, set: &PatchSet, values: &Values) -> Result<Outcome> {
    set.check(&source.checkout(context)?, values)
        .with_context(|| format!("the patches do not apply to k3s {}", source.version))
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        let selection = self.source.find(context)?;
        let context = &selection.context;
        let set = PatchSet::load(&context.root, self.patches.as_deref())?;
        let pause_image = context.pins.pause_image.or_selected(self.pause_image.as_ref());
        let outcome =
            check(context, &selection.source, &set, &Values { pause_image, releases: self.releases })?;
        for patch in &outcome.applied {
            match self.show {
                true => print!("{}", patch.diff),
                false => {
                    println!("applies  {:<16} {} ({})", patch.name, patch.files.join(", "), patch.layout)
                }
            }
        }
        for patch in outcome.skipped.iter().filter(|_| !self.show) {
            println!("skipped  {:<16} {}", patch.name, patch.because);
        }
        Ok(())
    }
}
