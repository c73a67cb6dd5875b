//! `cargo xtask images`: the images a k3s asks for by default, and where each is set.

use super::source_args::SourceArgs;
use crate::context::Context;
use crate::upstream::images;
use anyhow::Result;

/// List the images that a k3s pulls by default, and where its tree sets each
///
/// The tree is read as upstream left it, since the list says what patches have to change.
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
