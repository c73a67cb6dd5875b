//! `cargo xtask boot`: a release proved on a booted riscv64 machine.

use super::build::{self, BuildOptions};
use super::choice::Choice;
use super::rpm::{self, Packager};
use crate::boot::guest::Guest;
use crate::boot::machine::{self, Memory, Size};
use crate::boot::payload::{self, Afterwards};
use crate::boot::proof::Proof;
use crate::boot::record::{Proved, Record};
use crate::boot::run::{self, Outcome};
use crate::boot::subject::Subject;
use crate::boot::{self, page, rootfs, shell};
use crate::claim::Claim;
use crate::context::Context;
use crate::doctor::{self, Purpose};
use crate::product::{self, Product};
use crate::rpm::naming::Dist;
use anyhow::{Result, bail, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// Where the help lists the options that only this command has.
const HEADING: &str = "The boot";

/// What it takes, by the names in doctor's table.
const TOOLS: &[&str] = &["qemu-system-riscv64", "mke2fs", "depmod"];

/// Prove a release on a booted riscv64 machine: packages, pods, and the binary alone
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask boot --sample                     the sample's packages, and pause under a real containerd
  cargo xtask boot --k3s v1.35                  a release: built, packaged, booted
  cargo xtask boot --rpm target/dist/v1.33.0+k3s1/rpm/oe2403/riscv64
  cargo xtask boot --binary ./k3s-riscv64 --shell")]
pub struct Args {
    #[command(flatten)]
    pub choice: Choice,

    #[command(flatten)]
    pub options: BuildOptions,

    /// The packages in this folder, instead of building them
    #[arg(long, value_name = "DIR", help_heading = HEADING, conflicts_with_all = ["k3s", "binary"], conflicts_with_all = build::NO_BUILD)]
    pub rpm: Option<PathBuf>,

    /// This k3s, alone, instead of building one
    #[arg(long, value_name = "PATH", help_heading = HEADING, conflicts_with = "k3s", conflicts_with_all = build::NO_BUILD)]
    pub binary: Option<PathBuf>,

    /// Only this proof [default: all that there can be]
    #[arg(long, value_name = "PROOF", value_enum, help_heading = HEADING)]
    pub proof: Option<Proof>,

    /// A folder with a root file system, such as openEuler's, in place of Debian's packages
    #[arg(long, value_name = "PATH", help_heading = HEADING)]
    pub rootfs: Option<PathBuf>,

    /// Leave the machine running afterwards, with a shell on its console, until it is switched off
    #[arg(long, help_heading = HEADING)]
    pub keep: bool,

    /// The same, with that shell at this terminal; Ctrl-] leaves it
    #[arg(long, help_heading = HEADING)]
    pub shell: bool,

    /// How much memory the machine has
    #[arg(long, value_name = "SIZE", help_heading = HEADING, default_value = "4G")]
    pub memory: Memory,

    /// How many processors the machine has
    #[arg(long, value_name = "N", help_heading = HEADING, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub cpus: u8,
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        // Whatever can be found wrong is found before the build.
        let target = boot::target()?;
        ensure!(
            self.options.arch == target.go,
            "what is booted is a riscv64 machine; --arch {} cannot run on it",
            self.options.arch
        );
        self.options.refuse_early(&context)?;
        if self.shell {
            shell::require_terminal()?;
        }
        doctor::require(&context, Purpose::Boot, TOOLS)?;
        self.rootfs.as_deref().map(rootfs::require).transpose()?;
        let size = Size { memory: self.memory, cpus: self.cpus };
        let (context, subject) = match (&self.rpm, &self.binary) {
            (Some(folder), _) => {
                let subject = Subject::packages_in(folder)?.of_product(&context.dist, folder)?;
                (context, subject)
            }
            (None, Some(file)) => (context, Subject::of_binary(file)?),
            (None, None) => self.made(context)?,
        };
        let mut proofs = subject.proofs();
        proofs.retain(|proof| self.proof.is_none_or(|only| only == *proof));
        ensure!(!proofs.is_empty(), "nothing of k3s {} can be proved that way", subject.version);
        let (_claim, scratch) = claimed(&context)?;
        let mut guest = Guest::get(&context)?;
        if let Some(root) = &self.rootfs {
            let folder = scratch.path().join("guest");
            fs::create_dir(&folder)?;
            guest = rootfs::guest(&context, &guest, root, &folder)?;
        }
        let mut record = Record::new(&subject.version, &guest.about, &size);
        let run = Run {
            context: &context,
            guest: &guest,
            subject: &subject,
            size: &size,
            args: &self,
            scratch: scratch.path(),
        };
        let making = tempfile::tempdir_in(scratch.path())?;
        for proof in proofs {
            record.proofs.push(Proved::new(proof, run.prove(proof, making.path())?));
            if record.failure().is_some() {
                break;
            }
        }
        fs::write(making.path().join("boot.json"), serde_json::to_vec_pretty(&record)?)?;
        fs::write(making.path().join("report.html"), page::page(&record).html())?;
        let folder = context.dist.join(&subject.version).join("boot");
        appear(&context, making, &folder)?;
        tell(&record, &folder)
    }

    /// Builds what was chosen, and its packages.
    fn made(&self, context: Context) -> Result<(Context, Subject)> {
        let target = boot::target()?;
        let chosen = self.choice.find(context)?;
        let (build, product) = build::make(&chosen, target, &self.options)?;
        let rebuild = rpm::rebuild(&self.choice, &self.options, &build)?;
        let context = chosen.context;
        let product = Product::open(&product.folder, target)?;
        let packager = Packager {
            dist: Dist::named("oe2403")?,
            release: 1,
            key: None,
            address: "file:///srv/k3s-riscv64".to_owned(),
        };
        let published = packager.publish(&context, &product, target, Some(rebuild))?;
        let packages = Subject::packages_in(&published.folder)?;
        let binary = Subject::of_binary(&product.folder.join(target.k3s_binary()))?;
        Ok((context, binary.with_packages_of(packages)))
    }
}

/// Everything one proof needs.
struct Run<'a> {
    context: &'a Context,
    guest: &'a Guest,
    subject: &'a Subject,
    size: &'a Size,
    args: &'a Args,
    /// Where its machines run, one after another.
    scratch: &'a Path,
}

impl Run<'_> {
    /// Boots a machine for a proof, in a folder of its own, and puts its console's log beside the record.
    fn prove(&self, proof: Proof, record: &Path) -> Result<Outcome> {
        let folder = tempfile::tempdir_in(self.scratch)?;
        let afterwards = if self.args.keep || self.args.shell { Afterwards::Stay } else { Afterwards::Off };
        let payload =
            payload::make(self.context, self.guest, self.subject, proof, afterwards, folder.path())?;
        let machine = machine::start(self.context, self.guest, &payload, self.size, folder.path())?;
        let outcome = run::follow(&machine, &proof.milestones(), &self.context.progress);
        fs::copy(folder.path().join(machine::CONSOLE), record.join(format!("console-{}.log", proof.name())))?;
        if self.args.shell {
            shell::lend(folder.path())?;
        } else if self.args.keep {
            let socket = folder.path().join(machine::SOCKET);
            self.context.progress.say(format!("the machine runs on; its console is {}", socket.display()));
            run::keep(&machine);
        }
        Ok(outcome)
    }
}

/// Where boots run, and what two of them hold while they come and go.
fn place(context: &Context) -> (PathBuf, PathBuf) {
    let all = context.work.join("boot");
    (all.clone(), all.join("claim"))
}

/// A folder for one run, held while it lasts. What killed runs have left is cleared away.
fn claimed(context: &Context) -> Result<(Claim, tempfile::TempDir)> {
    let (all, claim) = place(context);
    let _one_at_a_time = Claim::on(context, &claim)?;
    for entry in fs::read_dir(&all)? {
        let path = entry?.path();
        if path.is_dir() && Claim::is_free(&path.join("claim"))? {
            fs::remove_dir_all(path)?;
        }
    }
    let folder = tempfile::Builder::new().prefix("run-").tempdir_in(&all)?;
    Ok((Claim::on(context, &folder.path().join("claim"))?, folder))
}

/// Lets a record take the place of an older one.
fn appear(context: &Context, making: tempfile::TempDir, folder: &Path) -> Result<()> {
    let _one_at_a_time = Claim::on(context, &place(context).1)?;
    fs::create_dir_all(folder.parent().unwrap_or(folder))?;
    product::replace(making, folder)
}

/// What was proved, or the error that tells what was not.
fn tell(record: &Record, folder: &Path) -> Result<()> {
    if let Some((proof, failure)) = record.failure() {
        let console = fs::read_to_string(folder.join(format!("console-{proof}.log"))).unwrap_or_default();
        let lines: Vec<&str> = console.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n  ");
        bail!(
            "k3s {} is not proved ({proof}): {}\nconsole:\n  {tail}\n  all of it: {}",
            record.k3s,
            page::story(failure),
            folder.display()
        );
    }
    println!("{}", folder.display());
    for proved in &record.proofs {
        let seconds = proved.outcome.reached.last().map_or(0.0, |reached| reached.at);
        println!("  {}: {} milestones, {seconds:.0} s", proved.what, proved.outcome.reached.len());
        for (name, value) in &proved.outcome.facts {
            println!("    {name:<18} {value}");
        }
    }
    Ok(())
}
