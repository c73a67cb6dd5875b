//! `cargo xtask images`: the images that a k3s pulls by default, and the bundle of them that we build.

pub mod build;
mod check;
mod k3s;
mod push;

use super::source_args::SourceArgs;
use crate::context::Context;
use crate::images::definition::Definition;
use crate::images::planned;
use crate::images::selection::is_pause;
use crate::images::upstream::Answers;
use crate::reference::Reference;
use crate::upstream::images;
use anyhow::Result;

/// List the images that a k3s pulls by default: the places in its tree that set each, and what we build it from; build,
/// push and check them
///
/// The tree is read without patches, since the list shows what patches have to change.
#[derive(Clone, Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  cargo xtask images --k3s v1.35                 the images, and our sources of them
  cargo xtask images check --k3s v1.35           which have a riscv64 build upstream now
  cargo xtask images build --k3s v1.35           all of them, in one bundle
  cargo xtask images push registry.example:5000  all of them, in a registry
  cargo xtask images k3s --k3s v1.35             k3s itself as an image"
)]
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
    K3s(k3s::Args),
    Push(push::Args),
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        match self.action {
            Some(Action::Build(args)) => args.run(context),
            Some(Action::Check(args)) => args.run(context),
            Some(Action::K3s(args)) => args.run(context),
            Some(Action::Push(args)) => args.run(context),
            None => list(&self.source, context),
        }
    }
}

fn list(source: &SourceArgs, context: Context) -> Result<()> {
    let selection = source.find(context)?;
    let definitions = Definition::of_origin(&selection.context, selection.source.origin)?;
    let known = Answers::committed(&selection.context.root)?;
    for image in images::of_tree(&selection.source.checkout(&selection.context)?)? {
        println!("{image}");
        let reference = Reference::parse(&image.reference)?;
        let (repository, tag) = (reference.repository(), reference.tag());
        let riscv64 = known.riscv64(repository, tag).map_or("not known".to_owned(), |it| it.to_string());
        println!("    upstream's riscv64 build: {riscv64}");
        if is_pause(repository) {
            println!("    ours: {}, built from pause/", selection.context.pins.pause_image.reference);
        } else if let Some(definition) = definitions.iter().find(|it| it.repository == repository) {
            println!("    ours: built from {}", planned::sources(definition, tag));
            if let Some(left_out) = &definition.left_out {
                println!("    left out: {}", &**left_out);
            }
        }
    }
    Ok(())
}
