//! `cargo xtask pause`: builds the pause image without k3s.

use super::arch_args::ArchList;
use crate::atomic_dir::AtomicDir;
use crate::context::Context;
use crate::dir::shown;
use crate::image::content::Blob;
use crate::image::push;
use crate::image::remote::Transport;
use crate::image::{self, Compression, PauseImage, installed, layout};
use crate::reference::Reference;
use crate::target::Target;
use anyhow::{Context as _, Result};
use fs_err as fs;
use indicatif::HumanCount;
use std::path::Path;

/// Make the pause image in every form: for docker and containerd, for k3s' own image directory, for registries
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    arch: ArchList,
    /// A name of the image, NAME:TAG; may be repeated [default: the one that our k3s asks for]
    #[arg(long = "tag", value_name = "REF", value_parser = Reference::parse)]
    tags: Vec<Reference>,
    /// Also use the names of upstream's releases, which fixes an installed k3s
    #[arg(long)]
    for_installed_k3s: bool,
    /// Compress the image files with zstd
    #[arg(long)]
    zst: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Push the image to a registry, with the credentials that docker and podman keep
    Push {
        /// The destination: [HOST/]NAME:TAG
        #[arg(value_name = "REF", value_parser = Reference::parse)]
        reference: Reference,
        /// Allow plain HTTP and self-signed certificates
        #[arg(long)]
        insecure: bool,
        #[command(flatten)]
        arch: ArchList,
    },
}

impl Args {
    /// Builds the images, or pushes them.
    pub fn run(&self, context: &Context) -> Result<()> {
        match &self.action {
            None => self.make(context),
            Some(Action::Push { reference, insecure, arch }) => {
                let transport = if *insecure { Transport::Insecure } else { Transport::Verified };
                push(context, reference, transport, &arch.targets())
            }
        }
    }

    fn make(&self, context: &Context) -> Result<()> {
        let names = self.names(context)?;
        let compression = if self.zst { Compression::Zstd } else { Compression::None };
        let images = images(context, &self.arch.targets())?;
        let directory = context.dist.join("pause");
        let rows = write(context, &images, &names, compression, &directory).with_context(|| {
            format!(
                "cannot write the images to {}\n  To write to another directory, set CARGO_TARGET_DIR.",
                directory.display()
            )
        })?;
        print(&directory, &rows, &names, &images, compression);
        if self.tags.is_empty() && !self.for_installed_k3s {
            println!("(a k3s that was not built here asks for another name: --for-installed-k3s)");
        }
        for warning in names.iter().filter_map(Reference::host_warning) {
            context.progress.print(format!("warning: {warning}"));
        }
        Ok(())
    }

    /// Returns the requested names, each once; without any, the default pause image of the k3s we build.
    fn names(&self, context: &Context) -> Result<Vec<Reference>> {
        let mut names = self.tags.clone();
        if self.for_installed_k3s {
            names.extend(installed::names()?);
        }
        if names.is_empty() {
            names.push(context.pins.pause_image.reference.clone());
        }
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.normalised()));
        Ok(names)
    }
}

fn images(context: &Context, targets: &[&'static Target]) -> Result<Vec<PauseImage>> {
    let image = |target: &&'static Target| {
        let program = crate::pause::build(context, target)?;
        PauseImage::new(target, fs::read(program)?, env!("CARGO_PKG_VERSION"))
    };
    targets.iter().map(image).collect()
}

/// A line of the table: file, size, description.
type Row = (String, String, String);

/// Writes all forms into a new directory that replaces the old one.
fn write(
    context: &Context,
    images: &[PauseImage],
    names: &[Reference],
    compression: Compression,
    directory: &Path,
) -> Result<Vec<Row>> {
    let making = AtomicDir::create(context, directory)?;
    let rows = fill(making.path(), images, names, compression)?;
    making.commit()?;
    Ok(rows)
}

fn fill(
    directory: &Path,
    images: &[PauseImage],
    names: &[Reference],
    compression: Compression,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for image in images {
        let program = image::write_program(image, directory)?;
        rows.push(row(&program, format!("the program for {}", image.target.go))?);
        let archive = image::write_archive(image, names, compression, directory)?;
        rows.push(row(&archive, format!("its image, {}", short(&image.config)))?);
    }
    let in_layout: Vec<_> = images.iter().map(PauseImage::in_layout).collect();
    let index = layout::write(&in_layout, &[], names, &directory.join("oci"))?;
    rows.push(("oci/".to_owned(), String::new(), format!("OCI image layout, index {}", short(&index))));
    Ok(rows)
}

fn row(file: &Path, what: String) -> Result<Row> {
    let name = file.file_name().context("a written file has a name")?.to_string_lossy().into_owned();
    Ok((name, format!("{} bytes", HumanCount(fs::metadata(file)?.len())), what))
}

/// Returns the digits that docker and crictl show of an image's ID.
fn short(blob: &Blob) -> String {
    format!("sha256:{}", &blob.digest.as_str()[..12])
}

/// Prints the files that were written, the names of the image, and the next commands.
fn print(
    directory: &Path,
    rows: &[Row],
    names: &[Reference],
    images: &[PauseImage],
    compression: Compression,
) {
    let widest = rows.iter().map(|(file, ..)| file.len()).max().unwrap_or(0);
    println!("{}", shown(directory));
    for (file, size, what) in rows {
        println!("  {file:<widest$}  {size:>12}  {what}");
    }
    println!("names in containerd:");
    for name in names {
        println!("  {}", name.normalised());
    }
    let Some(image) = images.first() else { return };
    let file = image::archive_name(image, compression);
    println!("next, as root on a {} node", image.target.go);
    println!("  install -D -m 0644 {file} {AIRGAP_IMAGES}/{file}");
    match compression {
        Compression::None => println!("  k3s ctr -n k8s.io images import {AIRGAP_IMAGES}/{file}"),
        // ctr does not unpack; k3s does, whenever it starts.
        Compression::Zstd => println!("  systemctl restart k3s"),
    }
}

/// Directory of k3s's images (k3s, pkg/agent/config/config.go, `Images`), under its default data directory.
const AIRGAP_IMAGES: &str = "/var/lib/rancher/k3s/agent/images";

fn push(
    context: &Context,
    reference: &Reference,
    transport: Transport,
    targets: &[&'static Target],
) -> Result<()> {
    let images: Vec<_> = images(context, targets)?.iter().map(PauseImage::in_layout).collect();
    println!("{}", push::push(context, &images, reference, transport)?);
    Ok(())
}
