//! `cargo xtask images`: the images that a k3s pulls by default, and the places that set each.

use super::source_args::SourceArgs;
use crate::context::Context;
use crate::upstream::images;
use anyhow::Result;

/// List the images that a k3s pulls by default, and the places in its tree that set each
///
/// The tree is read without patches, since the list shows what patches have to change.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: SourceArgs,
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        let selection = self.source.find(context)?;
        for image in images::of_tree(&selection.checkout()?)? {
            println!("{image}");
        }
        Ok(())
    }
}
