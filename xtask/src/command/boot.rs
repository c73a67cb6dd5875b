//! `cargo xtask boot`: boot tests of a release in a riscv64 VM.

use super::arch_args::ArchArg;
use super::build::{self, BuildOptions, Choose};
use super::rpm::{self, Packager};
use super::source_args::SourceArgs;
use crate::boot::artifacts::Subject;
use crate::boot::guest::{Guest, rootfs};
use crate::boot::machine::{self, Memory, Size};
use crate::boot::payload::Afterwards;
use crate::boot::results::{Record, console_log};
use crate::boot::scenario::Proof;
use crate::boot::vm_run::{self, Room, Testbed, Trial};
use crate::boot::watch;
use crate::boot::{self, page, shell};
use crate::context::Context;
use crate::dir;
use crate::doctor::{self, Purpose};
use crate::product::{self, Product};
use crate::progress::Progress;
use anyhow::{Result, bail, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// Heading in the help of the options that only this command has.
const HEADING: &str = "The boot";

/// Prove a release on a booted riscv64 machine: packages, pods, and the binary alone
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask boot --sample                     the sample's packages, and pause under a real containerd
  cargo xtask boot --k3s v1.35                  a release: built, packaged, booted
  cargo xtask boot --rpm target/dist/v1.33.0+k3s1/rpm/oe2403/riscv64
  cargo xtask boot --binary ./k3s-riscv64 --shell")]
pub struct Args {
    #[command(flatten)]
    pub source: SourceArgs,

    #[command(flatten)]
    pub arch: ArchArg,

    #[command(flatten)]
    pub options: BuildOptions,

    /// The packages in this directory, instead of building them
    #[arg(long, value_name = "DIR", help_heading = HEADING, conflicts_with_all = ["k3s", "binary"], conflicts_with_all = build::NO_BUILD)]
    pub rpm: Option<PathBuf>,

    /// This k3s, alone, instead of building one
    #[arg(long, value_name = "PATH", help_heading = HEADING, conflicts_with = "k3s", conflicts_with_all = build::NO_BUILD)]
    pub binary: Option<PathBuf>,

    /// Only this proof [default: all that there can be]
    #[arg(long, value_name = "PROOF", value_enum, help_heading = HEADING)]
    pub proof: Option<Proof>,

    /// A directory with a root file system, such as openEuler's, in place of Debian's packages
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
        // All checks that need no build run before it.
        self.options.require_bootable(self.arch.arch, boot::target()?)?;
        self.options.refuse_early(&context)?;
        self.refuse_early(&context)?;
        if self.shell {
            shell::require_terminal()?;
        }
        doctor::require(&context, Purpose::Boot, &self.tools())?;
        self.rootfs.as_deref().map(rootfs::require).transpose()?;
        let size = Size { memory: self.memory, cpus: self.cpus };
        let (context, subject) = match (&self.rpm, &self.binary) {
            (Some(directory), _) => {
                let subject = Subject::packages_in(directory)?.of_product(&context.dist, directory)?;
                (context, subject)
            }
            (None, Some(file)) => (context, Subject::of_binary(file)?),
            (None, None) => self.made(context)?,
        };
        let proofs = self.proofs(&context, &subject)?;
        let room = Room::take(&context)?;
        let subject = subject.copied(&room.path().join("subject"))?;
        let mut guest = Guest::get(&context)?;
        if let Some(root) = &self.rootfs {
            let directory = room.path().join("guest");
            fs::create_dir(&directory)?;
            guest = rootfs::guest(&context, &guest, root, &directory)?;
        }
        let mut record = Record::new(&subject, &guest.about, &size)?;
        let consoles = tempfile::tempdir_in(room.path())?;
        let directory = context.dist.join(&subject.version).join("boot");
        let testbed = Testbed { context: &context, guest, size, room };
        for proof in proofs {
            let afterwards = if self.keep || self.shell { Afterwards::Stay } else { Afterwards::Off };
            let trial = testbed.begin(&subject, proof, afterwards)?;
            record.add(proof, watch::follow(&trial.machine, &proof.milestones(), &context.progress));
            // A VM that could not be started has no console.
            if trial.console().is_file() {
                fs::copy(trial.console(), consoles.path().join(console_log(proof.name())))?;
            }
            // Published now, so that results can be read while the VM is kept, and even if the run fails later.
            publish(&context, &record, &testbed.room, consoles.path(), &directory)?;
            self.linger(&trial, &record, &context.progress);
            if record.failure().is_some() {
                break;
            }
        }
        tell(&record, &directory)
    }

    /// Checks the options before anything is built.
    fn refuse_early(&self, context: &Context) -> Result<()> {
        let image = self.options.reference(context);
        ensure!(
            image.host().is_none() || self.proof.is_some_and(|only| only != Proof::Alone),
            "{image} names a host: a k3s with a system default registry does not find it, which the proof `alone` \
             would end with; choose another --proof, or an image without a host"
        );
        let is_built = self.rpm.is_none() && self.binary.is_none();
        let Some(proof) = self.proof.filter(|_| is_built) else { return Ok(()) };
        ensure!(
            (proof == Proof::Sample) == self.source.sample,
            "--proof {} and {} do not go together: the sample's k3s is a stub, and has a proof of its own",
            proof.name(),
            if self.source.sample { "--sample" } else { "a real k3s" }
        );
        ensure!(
            proof != Proof::Bundled || self.options.k3s_root == Choose::Fetch,
            "--proof bundled is of k3s-root, which --k3s-root none leaves out"
        );
        Ok(())
    }

    /// Keeps a VM for the user, if asked to, until it is switched off or the shell is left.
    fn linger(&self, trial: &Trial, record: &Record, progress: &Progress) {
        if !self.shell && !self.keep {
            return;
        }
        if let Some((_, failure)) = record.failure() {
            progress.print(page::failure_text(failure));
        }
        if self.shell {
            if let Err(error) = shell::lend(trial.directory()) {
                progress.print(format!("there is no shell: {error:#}"));
            }
        } else if self.keep {
            let socket = trial.directory().join(machine::SOCKET);
            progress.print(format!("the machine runs on; its console is {}", socket.display()));
            watch::keep(&trial.machine);
        }
    }

    /// Returns the tools that are needed, by their names in doctor's table.
    fn tools(&self) -> Vec<&'static str> {
        let mut names = boot::tools();
        // Even finished packages are met by one that stands for the guest's distribution.
        names.extend(self.binary.is_none().then_some("rpmbuild"));
        names.extend((self.binary.is_none() && self.rpm.is_none()).then_some("createrepo_c"));
        names
    }

    /// Returns the proofs to run, in order, and reports a proof that is left out.
    fn proofs(&self, context: &Context, subject: &Subject) -> Result<Vec<Proof>> {
        let reason = subject.without_bundled();
        if let Some(reason) = reason.filter(|_| self.proof.is_none_or(|only| only == Proof::Bundled)) {
            context.progress.print(format!("not proved: {}, since {reason}", Proof::Bundled.what()));
        }
        let mut proofs = subject.proofs();
        proofs.retain(|proof| self.proof.is_none_or(|only| only == *proof));
        ensure!(!proofs.is_empty(), "nothing of k3s {} can be proved that way", subject.version);
        Ok(proofs)
    }

    /// Builds the selected source and its packages.
    fn made(&self, context: Context) -> Result<(Context, Subject)> {
        let target = boot::target()?;
        let selection = self.source.find(context)?;
        let (build, product) = build::make(&selection, target, &self.options)?;
        let rebuild = rpm::rebuild(&self.source, &self.options, &build)?;
        let context = selection.context;
        let product = Product::open(&product.directory, target)?;
        let packager = Packager {
            dist: "oe2403".parse()?,
            release: 1,
            key: None,
            address: "file:///srv/k3s-riscv64".to_owned(),
        };
        let published = packager.publish(&context, &product, target, Some(rebuild))?;
        let packages = Subject::packages_in(&published.directory)?;
        let binary = Subject::of_binary(&product.directory.join(target.k3s_binary()))?;
        Ok((context, binary.with_packages_of(packages)))
    }
}

/// Replaces an older record by this one, with the consoles' output.
fn publish(context: &Context, record: &Record, room: &Room, consoles: &Path, directory: &Path) -> Result<()> {
    let making = tempfile::tempdir_in(room.path())?;
    dir::copy(consoles, making.path())?;
    fs::write(making.path().join("boot.json"), serde_json::to_vec_pretty(record)?)?;
    fs::write(making.path().join("report.html"), page::page(record, consoles).html())?;
    let _one_at_a_time = vm_run::lock(context)?;
    fs::create_dir_all(directory.parent().unwrap_or(directory))?;
    product::replace(making, directory)
}

/// Prints the passed proofs, or returns an error that describes the failed one.
fn tell(record: &Record, directory: &Path) -> Result<()> {
    if let Some((proof, failure)) = record.failure() {
        // A VM may be ended within a multi-byte character.
        let console = fs::read(directory.join(console_log(proof))).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = console.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n  ");
        bail!(
            "k3s {} is not proved ({proof}): {}\nconsole:\n  {tail}\n  all of it: {}",
            record.k3s,
            page::failure_text(failure),
            directory.display()
        );
    }
    println!("{}", directory.display());
    for proved in &record.proofs {
        let seconds = proved.outcome.reached.last().map_or(0.0, |reached| reached.at);
        println!("  {}: {} milestones, {seconds:.0} s", proved.what, proved.outcome.reached.len());
        for (name, value) in &proved.outcome.facts {
            println!("    {name:<18} {value}");
        }
    }
    Ok(())
}
