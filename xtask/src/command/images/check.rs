//! `cargo xtask images check`: what registries have for riscv64.

use crate::command::source_args::SourceArgs;
use crate::context::Context;
use crate::image::remote::Transport;
use crate::images::check;
use crate::images::registry::Registry;
use crate::images::selection::{listed_references, set_references};
use crate::images::upstream::{Answers, FILE, Riscv64};
use crate::upstream::images;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::PathBuf;

/// Ask the registries which default images of a k3s have a riscv64 build now, and whether those that we pushed are there
///
/// It fails if a registry cannot be asked. The credentials are those that docker and podman keep.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask images check --k3s v1.35
  cargo xtask images check --k3s v1.37 --registry mirror.example/docker.io
  cargo xtask images check --k3s v1.37 --output images/upstream.json
  cargo xtask images check --list k3s-images.txt
  cargo xtask images check --k3s v1.35 --pushed ghcr.io/me")]
pub struct Args {
    /// Ask about the images of this list, one reference on each line, instead of those that the k3s asks for
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,

    /// Ask this mirror instead of the registry that the names mean: HOST[:PORT][/PATH]
    #[arg(long, value_name = "REGISTRY", value_parser = Registry::parse)]
    registry: Option<Registry>,

    /// Also compare the images that were built with those in this registry, which `images push` sent there
    #[arg(long, value_name = "REGISTRY", value_parser = Registry::parse)]
    pushed: Option<Registry>,

    /// The directory of the images that were built [default: target/dist/<version>/images]
    #[arg(long, value_name = "DIR", requires = "pushed")]
    images: Option<PathBuf>,

    /// Write the answers as JSON; those about other tags in the file stay
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Allow plain HTTP and self-signed certificates
    #[arg(long)]
    insecure: bool,

    #[command(flatten)]
    source: SourceArgs,
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        let selection = self.source.find(context)?;
        let context = &selection.context;
        let transport = if self.insecure { Transport::Insecure } else { Transport::Verified };
        let references = match &self.list {
            Some(list) => listed_references(&fs::read_to_string(list)?)
                .with_context(|| format!("reading {}", list.display()))?,
            None => set_references(&images::of_tree(&selection.source.checkout(&selection.context)?)?)?,
        };
        // A file that cannot be read is reported before anything is asked.
        let known = Answers::committed(&context.root)?;
        let earlier = match &self.output {
            Some(file) if file.exists() => Answers::read(file)?,
            _ => Answers::default(),
        };
        let mut answers = check::upstream(context, &references, self.registry.as_ref(), transport)?;
        if let Some(registry) = &self.pushed {
            let built = context.dist.join(selection.source.version.to_string()).join("images");
            let directory = self.images.as_ref().unwrap_or(&built);
            answers.extend(check::pushed(context, directory, registry, transport)?);
        }
        print(&answers, &known);
        if let Some(file) = &self.output {
            let mut all = earlier;
            all.extend(answers);
            all.write(file)?;
        }
        Ok(())
    }
}

/// Prints the answers, and those that differ from what this repository says.
fn print(answers: &Answers, known: &Answers) {
    let mut rows = vec![["image", "riscv64", "architectures"].map(str::to_owned)];
    let mut news = Vec::new();
    for (repository, tags) in &answers.upstream {
        for (tag, answer) in tags {
            let reference = format!("{repository}:{}", tag.0);
            let before = known.riscv64(repository, &tag.0);
            if answer.riscv64 != Riscv64::NoTag && before != Some(answer.riscv64) {
                let before = before.map_or("nothing".to_owned(), |before| before.to_string());
                news.push(format!("{FILE} says of {reference}: {before}"));
            }
            rows.push([reference, answer.riscv64.to_string(), answer.architectures.join(", ")]);
        }
    }
    let pushed = answers.pushed.iter().flat_map(|(name, archs)| archs.iter().map(move |it| (name, it)));
    let mut pushed: Vec<_> =
        pushed.map(|(name, (arch, state))| [name.clone(), arch.clone(), state.to_string()]).collect();
    if !pushed.is_empty() {
        pushed.insert(0, ["pushed", "arch", "state"].map(str::to_owned));
    }
    for table in [rows, pushed] {
        let width = |column: usize| table.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths = [width(0), width(1)];
        for [one, two, three] in &table {
            println!("{}", format!("{one:<0$}  {two:<1$}  {three}", widths[0], widths[1]).trim_end());
        }
    }
    news.iter().for_each(|line| println!("{line}"));
    if !news.is_empty() {
        println!("(to record what was found: --output {FILE})");
    }
}
