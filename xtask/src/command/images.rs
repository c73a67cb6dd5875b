//! `cargo xtask images`: the images that a k3s pulls by default, and the bundle of them that we build.

pub mod build;
mod check;
mod push;

use super::source_args::SourceArgs;
use crate::context::Context;
use crate::upstream::images;
use anyhow::Result;

/// List the images that a k3s pulls by default, and the places in its tree that set each; build them
///
/// The tree is read without patches, since the list shows what patches have to change.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    Build(build::Args),
    Check(check::Args),
    Push(push::Args),
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        match self.action {
            Some(Action::Build(args)) => args.run(context),
            Some(Action::Check(args)) => args.run(context),
            Some(Action::Push(args)) => args.run(context),
            None => list(&self.source, context),
        }
    }
}

fn list(source: &SourceArgs, context: Context) -> Result<()> {
    let selection = source.find(context)?;
    for image in images::of_tree(&selection.checkout()?)? {
        println!("{image}");
    }
    Ok(())
}
