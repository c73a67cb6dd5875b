//! `cargo xtask images push`: the images that a k3s pulls by default, in a registry.

use super::build::{self, ImageOptions};
use crate::command::arch_args::ArchList;
use crate::command::source_args::SourceArgs;
use crate::context::Context;
use crate::image::layout::LayoutImage;
use crate::image::push;
use crate::image::remote::Transport;
use crate::images::registry::{Registry, RegistryPlan};
use crate::reference::Reference;
use anyhow::Result;
use std::collections::BTreeMap;

/// Build the images that a k3s pulls by default, and push each to a registry as one list of all architectures
///
/// Each image keeps its path and tag: REGISTRY/rancher/klipper-lb:v0.4.14. Images for other architectures that the tag
/// has there already stay in the list. The credentials are those that docker and podman keep.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask images push registry.example:5000 --k3s v1.35 --arch riscv64,arm64
  cargo xtask images push ghcr.io/me --only klipper-lb,busybox
  cargo xtask images push localhost:5000 --insecure --dry-run")]
pub struct Args {
    /// The registry, and a path in it: HOST[:PORT][/PATH]
    #[arg(value_name = "REGISTRY", value_parser = Registry::parse)]
    registry: Registry,

    /// Allow plain HTTP and self-signed certificates
    #[arg(long)]
    insecure: bool,

    #[command(flatten)]
    arch: ArchList,

    #[command(flatten)]
    images: ImageOptions,

    /// Print the plan and the names, and push nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    source: SourceArgs,
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        let selection =
            if self.dry_run { self.source.find_for_plan(context)? } else { self.source.find(context)? };
        let mut lists: BTreeMap<String, (Reference, Vec<LayoutImage>)> = BTreeMap::new();
        for target in self.arch.targets() {
            let options = self.images.build_options();
            build::with_images(&selection, target, &options, &self.images, |build, selected| {
                let plan = RegistryPlan::new(build, selected)?;
                if self.dry_run {
                    plan.plan.lines().iter().for_each(|line| println!("{line}"));
                    for reference in selected.references() {
                        let name = self.registry.reference(reference)?;
                        lists.insert(name.normalised(), (name, Vec::new()));
                    }
                    return Ok(());
                }
                for (reference, image) in plan.run()? {
                    let name = self.registry.reference(&reference)?;
                    lists.entry(name.normalised()).or_insert((name, Vec::new())).1.push(image);
                }
                Ok(())
            })?;
        }
        let transport = if self.insecure { Transport::Insecure } else { Transport::Verified };
        for (name, images) in lists.values() {
            if self.dry_run {
                println!("push {name}");
            } else {
                println!("{}", push::push(&selection.context, images, name, transport)?);
            }
        }
        Ok(())
    }
}
