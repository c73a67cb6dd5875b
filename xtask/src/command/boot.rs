//! `cargo xtask boot`: a release proved on a booted riscv64 machine.

use super::build::{self, BuildOptions};
use super::choice::Choice;
use super::rpm::{self, Packager};
use crate::boot::guest::{Guest, rootfs};
use crate::boot::machine::{self, Memory, Size};
use crate::boot::payload::Afterwards;
use crate::boot::proof::Proof;
use crate::boot::record::Record;
use crate::boot::run::{self, Outcome};
use crate::boot::subject::Subject;
use crate::boot::trial::{self, Room, Testbed};
use crate::boot::{self, page, shell};
use crate::context::Context;
use crate::doctor::{self, Purpose};
use crate::namespaces;
use crate::product::{self, Product};
use crate::rpm::naming::Dist;
use anyhow::{Result, bail, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// Where the help lists the options that only this command has.
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
        doctor::require(&context, Purpose::Boot, &self.tools())?;
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
        let proofs = self.proofs(&context, &subject)?;
        let room = Room::take(&context)?;
        let subject = subject.copied(&room.path().join("subject"))?;
        let mut guest = Guest::get(&context)?;
        if let Some(root) = &self.rootfs {
            let folder = room.path().join("guest");
            fs::create_dir(&folder)?;
            guest = rootfs::guest(&context, &guest, root, &folder)?;
        }
        let mut record = Record::new(&subject, &guest.about, &size)?;
        let making = tempfile::tempdir_in(room.path())?;
        let testbed = Testbed { context: &context, guest, size, room };
        for proof in proofs {
            record.add(proof, self.prove(proof, &testbed, &subject, making.path())?);
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

    /// Boots a machine for a proof, and puts its console's log beside the record.
    fn prove(&self, proof: Proof, testbed: &Testbed, subject: &Subject, record: &Path) -> Result<Outcome> {
        let progress = &testbed.context.progress;
        let afterwards = if self.keep || self.shell { Afterwards::Stay } else { Afterwards::Off };
        let trial = testbed.begin(subject, proof, afterwards)?;
        let outcome = run::follow(&trial.machine, &proof.milestones(), progress);
        // A machine that could not be switched on has no console.
        if trial.console().is_file() {
            fs::copy(trial.console(), record.join(format!("console-{}.log", proof.name())))?;
        }
        if self.shell {
            if let Err(error) = shell::lend(trial.folder()) {
                progress.say(format!("there is no shell: {error:#}"));
            }
        } else if self.keep {
            let socket = trial.folder().join(machine::SOCKET);
            progress.say(format!("the machine runs on; its console is {}", socket.display()));
            run::keep(&trial.machine);
        }
        Ok(outcome)
    }

    /// What it takes, by the names in doctor's table.
    fn tools(&self) -> Vec<&'static str> {
        let mut names = boot::TOOLS.to_vec();
        // Even finished packages are met by one that stands for the guest's distribution.
        names.extend(self.binary.is_none().then_some("rpmbuild"));
        names.extend((self.binary.is_none() && self.rpm.is_none()).then_some("createrepo_c"));
        names.extend((!namespaces::is_root()).then_some("user namespaces"));
        names
    }

    /// What is to be proved, in order; what is not, is told.
    fn proofs(&self, context: &Context, subject: &Subject) -> Result<Vec<Proof>> {
        let reason = subject.without_bundled();
        if let Some(reason) = reason.filter(|_| self.proof.is_none_or(|only| only == Proof::Bundled)) {
            context.progress.say(format!("not proved: {}, since {reason}", Proof::Bundled.what()));
        }
        let mut proofs = subject.proofs();
        proofs.retain(|proof| self.proof.is_none_or(|only| only == *proof));
        ensure!(!proofs.is_empty(), "nothing of k3s {} can be proved that way", subject.version);
        Ok(proofs)
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

/// Lets a record take the place of an older one.
fn appear(context: &Context, making: tempfile::TempDir, folder: &Path) -> Result<()> {
    let _one_at_a_time = trial::claim(context)?;
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
