//! `cargo xtask images k3s`: the image of k3s itself.

use crate::archive;
use crate::atomic_dir::AtomicDir;
use crate::command::arch_args::ArchList;
use crate::command::build::prepare;
use crate::command::source_args::SourceArgs;
use crate::context::Context;
use crate::dir::shown;
use crate::file_lock::FileLock;
use crate::image::layout;
use crate::image::push;
use crate::image::remote::Transport;
use crate::images::k3s_image;
use crate::images::registry::Registry;
use crate::k3s::options::BuildOptions;
use anyhow::{Context as _, Result};
use fs_err as fs;
use indicatif::HumanBytes;
use std::path::Path;

/// The archive in the directory of the image.
const ARCHIVE: &str = "k3s-image.tar";

/// Build the image of k3s itself, for k3d and for nodes that are containers, in upstream's form: rancher/k3s
///
/// The archive is an OCI layout, for `docker load` and `ctr images import`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask images k3s --k3s v1.35
  cargo xtask images k3s --k3s v1.35 --arch riscv64,arm64 --push registry.example:5000")]
pub struct Args {
    #[command(flatten)]
    source: SourceArgs,

    #[command(flatten)]
    arch: ArchList,

    #[command(flatten)]
    options: BuildOptions,

    /// Also push the image of all architectures to this registry: HOST[:PORT][/PATH]
    #[arg(long, value_name = "REGISTRY", value_parser = Registry::parse)]
    push: Option<Registry>,

    /// Allow plain HTTP and self-signed certificates
    #[arg(long, requires = "push")]
    insecure: bool,

    /// Print the plan and build nothing
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        self.options.validate(&context)?;
        if self.dry_run {
            return self.print_plan(context);
        }
        let selection = self.source.find(context)?;
        let context = &selection.context;
        let directory = context.dist.join(selection.source.version.to_string()).join("k3s-image");
        let making = AtomicDir::create(context, &directory)?;
        let (mut references, mut images) = (Vec::new(), Vec::new());
        for target in self.arch.targets() {
            let _lock = FileLock::acquire(context, &selection.lock_path(target.go))?;
            let build = prepare(&selection, target, &self.options)?;
            let (reference, image) = k3s_image::build(&build)
                .with_context(|| format!("building the image of k3s {}", build.source.version))?;
            references = vec![reference];
            images.push(image);
        }
        let scratch = tempfile::tempdir_in(making.path())?;
        layout::write(&images, &[], &references, &scratch.path().join("layout"))?;
        let mut archive = tar::Builder::new(fs::File::create(making.path().join(ARCHIVE))?);
        archive::append_tree(&mut archive, &scratch.path().join("layout"), Path::new(""), |_| true)?;
        archive.finish()?;
        scratch.close()?;
        making.commit()?;
        let size = HumanBytes(fs::metadata(directory.join(ARCHIVE))?.len());
        println!("{}\n  {ARCHIVE}  {size}", shown(&directory));
        if let (Some(registry), [reference]) = (&self.push, references.as_slice()) {
            let transport = if self.insecure { Transport::Insecure } else { Transport::Verified };
            println!("{}", push::push(context, &images, &registry.reference(reference)?, transport)?);
        }
        Ok(())
    }

    fn print_plan(&self, context: Context) -> Result<()> {
        let selection = self.source.find_for_plan(context)?;
        let mut pushed = None;
        for target in self.arch.targets() {
            let build = prepare(&selection, target, &self.options)?;
            pushed = k3s_image::with_plan(&build, |plan, reference, _| {
                plan.lines().iter().for_each(|line| println!("{line}"));
                self.push.as_ref().map(|registry| registry.reference(reference)).transpose()
            })?;
        }
        pushed.iter().for_each(|name| println!("push {name}"));
        Ok(())
    }
}
