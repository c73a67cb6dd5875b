//! `cargo xtask boot`: boot tests of a release in a riscv64 VM.

use super::arch_args::ArchArg;
use super::build;
use super::images::{self, build::ImageOptions};
use super::rpm;
use super::source_args::SourceArgs;
use crate::boot::artifacts::Artifacts;
use crate::boot::guest::rootfs;
use crate::boot::images::DefaultImages;
use crate::boot::platform::X86_64;
use crate::boot::results::{Results, console_log};
use crate::boot::run::{self, Afterwards, Machine};
use crate::boot::scenario::Scenario;
use crate::boot::vm::{Memory, Size};
use crate::boot::{self, page, shell};
use crate::context::Context;
use crate::doctor::requirements::{
    CREATEREPO_C, DEBIAN_GUEST, DEBIAN_SERVER, DEBUGFS, DEPMOD, MKE2FS, QEMU_SYSTEM, QEMU_SYSTEM_X86,
    RPMBUILD, Requirement, USER_NAMESPACES,
};
use crate::doctor::{self, Purpose};
use crate::k3s::options::{BUILD_ONLY, BuildOptions, BuiltinImages, Presence};
use crate::product::Product;
use crate::release::booted;
use crate::rpm::{DIST, Packaging, Settings, URL};
use crate::upstream::selection::Selection;
use crate::userns;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

/// Heading in the help of the options that only this command has.
const HEADING: &str = "The boot";

/// Test a release in a riscv64 VM: packages, pods, and the binary alone
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask boot --sample                     the sample's packages, and pause under a real containerd
  cargo xtask boot --k3s v1.35                  a release: built, packaged, booted
  cargo xtask boot --rpm target/dist/v1.33.0+k3s1/rpm/oe2403/riscv64
  cargo xtask boot --release target/dist/v1.33.0+k3s1/release --scenario packages
  cargo xtask boot --binary ./k3s-riscv64 --shell")]
pub struct Args {
    #[command(flatten)]
    pub source: SourceArgs,

    #[command(flatten)]
    pub arch: ArchArg,

    #[command(flatten)]
    pub options: BuildOptions,

    /// Directory of packages to test, instead of building them
    #[arg(long, value_name = "DIR", help_heading = HEADING, conflicts_with_all = ["k3s", "binary"], conflicts_with_all = BUILD_ONLY)]
    pub rpm: Option<PathBuf>,

    /// k3s binary to test without packages, instead of building it
    #[arg(long, value_name = "PATH", help_heading = HEADING, conflicts_with = "k3s", conflicts_with_all = BUILD_ONLY)]
    pub binary: Option<PathBuf>,

    /// Directory that cargo xtask release has written: its packages, binary and images are tested
    #[arg(long, value_name = "DIR", help_heading = HEADING, conflicts_with_all = ["k3s", "binary", "rpm", "images"], conflicts_with_all = BUILD_ONLY)]
    pub release: Option<PathBuf>,

    /// Directory of packages of an earlier minor for the scenario upgrade, as cargo xtask rpm writes it; repeated for each
    /// minor
    #[arg(long, value_name = "DIR", help_heading = HEADING, conflicts_with_all = ["binary", "sample"])]
    pub earlier: Vec<PathBuf>,

    /// Directory of images for the scenarios default-node and registry-node, as cargo xtask images build writes it,
    /// instead of building them
    #[arg(long, value_name = "DIR", help_heading = HEADING, conflicts_with_all = ["rpm", "sample"])]
    pub images: Option<PathBuf>,

    /// Directory of packages of the same k3s for x86_64, for the server of the scenario mixed, as cargo xtask rpm writes it
    #[arg(long, value_name = "DIR", help_heading = HEADING, conflicts_with_all = ["binary", "release", "sample"])]
    pub server: Option<PathBuf>,

    /// Run only this scenario [default: all that apply, except cgroup-v1]
    #[arg(long, value_name = "NAME", value_enum, help_heading = HEADING)]
    pub scenario: Option<Scenario>,

    /// The former name of --scenario
    #[arg(long, value_name = "NAME", hide = true, value_parser = refuse_proof)]
    pub proof: Option<Infallible>,

    /// Directory with a root file system, such as openEuler's, in place of Debian's packages
    #[arg(long, value_name = "DIR", help_heading = HEADING)]
    pub rootfs: Option<PathBuf>,

    /// Keep the VM running after a scenario, with a shell on its console, until it is switched off
    #[arg(long, help_heading = HEADING)]
    pub keep: bool,

    /// Keep the VM running and attach this terminal to its shell; Ctrl-] detaches
    #[arg(long, help_heading = HEADING)]
    pub shell: bool,

    /// Memory of the VM
    #[arg(long, value_name = "SIZE", help_heading = HEADING, default_value = "4G")]
    pub memory: Memory,

    /// Number of processors of the VM
    #[arg(long, value_name = "N", help_heading = HEADING, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub cpus: u8,

    /// Number of power cuts in the scenario power-loss
    #[arg(long, value_name = "N", help_heading = HEADING, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub power_cuts: u16,
}

/// Returns an error with the new name of the option, and of the one scenario that was renamed.
fn refuse_proof(name: &str) -> Result<Infallible> {
    bail!("use --scenario {} instead", if name == "cure" { "pause-image-fix" } else { name })
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        // All checks that need no build run before it.
        self.options.require_bootable(self.arch.arch, boot::target()?)?;
        self.options.validate(&context)?;
        self.validate(&context)?;
        if self.shell {
            shell::require_terminal()?;
        }
        let purpose = if self.needs_kernel() { Purpose::CgroupV1 } else { Purpose::Boot };
        doctor::require(&context, purpose, &self.requirements())?;
        self.rootfs.as_deref().map(rootfs::require).transpose()?;
        let (context, artifacts) = self.artifacts(context)?;
        let scenarios = self.scenarios(&context, &artifacts)?;
        require_server(&context, &scenarios)?;
        let (results, directory) = run::run(&context, artifacts, &scenarios, &self.machine())?;
        print(&results, &directory)
    }

    /// Checks the options before anything is built.
    fn validate(&self, context: &Context) -> Result<()> {
        if let Some(warning) = self.options.pause_image(context).host_warning()
            && self.scenario.is_none_or(|only| only == Scenario::Alone)
        {
            bail!(
                "{warning}, so the scenario alone fails\n  Select another --scenario, or an image without a host."
            );
        }
        let is_built = self.is_built();
        let Some(scenario) = self.scenario.filter(|_| is_built) else { return Ok(()) };
        ensure!(
            (scenario == Scenario::Sample) == self.source.sample,
            "--scenario {} does not apply to {}: the sample's k3s is a stub, with a scenario of its own",
            scenario.name(),
            if self.source.sample { "--sample" } else { "a real k3s" }
        );
        ensure!(
            !scenario.needs_images() || self.options.charts == Presence::Included,
            "--scenario {} needs the charts, which --charts none omits",
            scenario.name()
        );
        ensure!(
            scenario != Scenario::Upgrade || !self.earlier.is_empty(),
            "--scenario upgrade needs packages of the minor before: --earlier names a directory with them"
        );
        ensure!(
            scenario != Scenario::Mixed || self.server.is_some(),
            "--scenario mixed needs packages for x86_64: --server names a directory with them"
        );
        ensure!(
            scenario != Scenario::RegistryNode || self.options.builtin_images == BuiltinImages::Missing,
            "--scenario registry-node needs the images that --builtin-images missing puts into the binary"
        );
        ensure!(
            scenario != Scenario::Bundled || self.options.k3s_root == Presence::Included,
            "--scenario bundled needs k3s-root, which --k3s-root none omits"
        );
        Ok(())
    }

    /// Returns whether the artifacts are built first.
    fn is_built(&self) -> bool {
        self.rpm.is_none() && self.binary.is_none() && self.release.is_none()
    }

    fn machine(&self) -> Machine {
        let afterwards = match (self.shell, self.keep) {
            (true, _) => Afterwards::Attach,
            (false, true) => Afterwards::Keep,
            (false, false) => Afterwards::Off,
        };
        let size = Size { memory: self.memory, cpus: self.cpus };
        Machine { size, rootfs: self.rootfs.clone(), afterwards, power_cuts: self.power_cuts }
    }

    fn needs_kernel(&self) -> bool {
        self.scenario.is_some_and(Scenario::needs_kernel)
    }

    fn requirements(&self) -> Vec<&'static Requirement> {
        let mut all = vm_requirements();
        if self.server.is_some() && self.scenario.is_none_or(|only| only == Scenario::Mixed) {
            all.extend(SERVER_REQUIREMENTS);
        }
        all.extend(self.rootfs.is_some().then_some(&DEBUGFS));
        if self.needs_kernel() {
            all.extend(doctor::own_requirements(Purpose::CgroupV1));
        }
        // For the stub of the guest's distribution, even if the packages are built already.
        all.extend(self.binary.is_none().then_some(&RPMBUILD));
        all.extend(self.is_built().then_some(&CREATEREPO_C));
        all
    }

    /// Returns the artifacts to test, with packages of earlier minors and of a server.
    fn artifacts(&self, context: Context) -> Result<(Context, Artifacts)> {
        let server = self.server.as_ref();
        let server = server
            .map(|directory| Artifacts::from_packages(&context.dist, directory, X86_64.target()?))
            .transpose()?;
        let (context, artifacts) = self.tested(context)?;
        let mut artifacts = artifacts.with_earlier(&context.dist, &self.earlier)?;
        if let Some(server) = server {
            artifacts = artifacts.with_server(server)?;
        }
        Ok((context, artifacts))
    }

    /// Returns the files to test, which are built unless options name them.
    fn tested(&self, context: Context) -> Result<(Context, Artifacts)> {
        if let Some(directory) = &self.rpm {
            let artifacts = Artifacts::from_packages(&context.dist, directory, boot::target()?)?;
            return Ok((context, artifacts));
        }
        if let Some(directory) = &self.release {
            let artifacts = booted::artifacts(&context.root, directory)?;
            return Ok((context, artifacts));
        }
        if let Some(file) = &self.binary {
            let mut artifacts = Artifacts::from_binary(file)?;
            artifacts.images = self.open_images(&context, &artifacts.version)?;
            return Ok((context, artifacts));
        }
        let target = boot::target()?;
        let selection = self.source.find(context)?;
        let (build, product) = build::run(&selection, target, &self.options)?;
        let products = vec![(target, product.clone())];
        let rebuild = rpm::rebuild(&self.source, &self.options, &[build], products)?;
        let images = match self.open_images(&selection.context, &product.manifest.k3s)? {
            None if self.builds_images() => Some(build_images(&selection, &self.options, &product)?),
            opened => opened,
        };
        let context = selection.context;
        let product = Product::open(&product.directory, target)?;
        let settings = Settings { dist: DIST.parse()?, release: 1, key: None, url: URL.to_owned() };
        let published = Packaging::new(&context, &product, target, &settings, Some(rebuild))?.publish()?;
        let mut artifacts = Artifacts::from_binary(&product.directory.join(target.k3s_binary()))?;
        artifacts.images = images;
        let packages = Artifacts::from_packages(&context.dist, &published.directory, target)?;
        (artifacts.packages, artifacts.build) = (packages.packages, packages.build);
        Ok((context, artifacts))
    }

    /// Opens the images that an option names.
    fn open_images(&self, context: &Context, k3s: &str) -> Result<Option<DefaultImages>> {
        let images = self.images.as_deref();
        images.map(|directory| DefaultImages::open(&context.root, directory, k3s)).transpose()
    }

    /// Returns whether a scenario will run that needs images.
    fn builds_images(&self) -> bool {
        let is_selected = self.scenario.is_none_or(Scenario::needs_images);
        is_selected && !self.source.sample && self.options.charts == Presence::Included
    }

    /// Returns the scenarios to run, in order, and reports one that cannot run.
    fn scenarios(&self, context: &Context, artifacts: &Artifacts) -> Result<Vec<Scenario>> {
        let is_selected = |scenario: Scenario| {
            self.scenario.map_or_else(|| !scenario.needs_kernel(), |only| only == scenario)
        };
        let impossible = [
            (Scenario::Upgrade, artifacts.without_upgrade()),
            (Scenario::Mixed, artifacts.without_mixed()),
            (Scenario::Bundled, artifacts.without_bundled()),
            (Scenario::DefaultNode, artifacts.without_default_node()),
            (Scenario::RegistryNode, artifacts.without_registry_node()),
        ];
        // A first release has nothing to upgrade from, and one for riscv64 alone no server for a mixed cluster.
        let may_be_none =
            self.release.is_some() && matches!(self.scenario, Some(Scenario::Upgrade | Scenario::Mixed));
        for (scenario, reason) in impossible {
            let Some(reason) = reason.filter(|_| is_selected(scenario)) else { continue };
            let text = format!("scenario {} is not run: {reason}", scenario.name());
            ensure!(self.scenario.is_none() || may_be_none, "{text}");
            context.progress.print(text);
        }
        let mut scenarios = artifacts.scenarios();
        scenarios.retain(|scenario| is_selected(*scenario));
        ensure!(
            may_be_none || !scenarios.is_empty(),
            "no selected scenario applies to k3s {}",
            artifacts.version
        );
        Ok(scenarios)
    }
}

/// Requirements of the VM of a mixed cluster's server.
pub const SERVER_REQUIREMENTS: [&Requirement; 2] = [&QEMU_SYSTEM_X86, &DEBIAN_SERVER];

/// Returns what every boot needs.
pub fn vm_requirements() -> Vec<&'static Requirement> {
    let mut all = vec![&QEMU_SYSTEM, &MKE2FS, &DEPMOD, &DEBIAN_GUEST];
    // A user other than root writes the disks in a user namespace.
    all.extend((!userns::is_root()).then_some(&USER_NAMESPACES));
    all
}

/// Checks what a mixed cluster needs, for a release that has packages for its server.
fn require_server(context: &Context, scenarios: &[Scenario]) -> Result<()> {
    if scenarios.contains(&Scenario::Mixed) {
        doctor::require(context, Purpose::Boot, &SERVER_REQUIREMENTS)?;
    }
    Ok(())
}

/// Boots the files of a release in all scenarios that it needs, and returns the directory of the results.
pub fn release(context: &Context, directory: &Path) -> Result<PathBuf> {
    let artifacts = booted::artifacts(&context.root, directory)?;
    let scenarios = booted::required(&artifacts);
    require_server(context, &scenarios)?;
    let (results, directory) = run::run(context, artifacts, &scenarios, &Machine::default())?;
    print(&results, &directory)?;
    Ok(directory)
}

/// Builds the images that a product asks for.
fn build_images(selection: &Selection, options: &BuildOptions, product: &Product) -> Result<DefaultImages> {
    let target = boot::target()?;
    let (directory, _) = images::build::run(selection, &[target], options, &ImageOptions::default())
        .context(
            "building the default images for the scenarios default-node and registry-node\n  \
             To use others, which `cargo xtask images build` has built: --images DIR",
        )?;
    DefaultImages::open(&selection.context.root, &directory, &product.manifest.k3s)
}

/// Prints the scenarios that passed, or returns an error that describes the failure.
pub fn print(results: &Results, directory: &Path) -> Result<()> {
    if let Some((scenario, failure)) = results.failure() {
        // A VM may be ended within a multi-byte character.
        let console = fs::read(directory.join(console_log(scenario))).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = console.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n  ");
        bail!(
            "k3s {}: scenario {scenario} failed: {}\nconsole:\n  {tail}\n  Complete logs: {}",
            results.k3s,
            page::failure_text(failure),
            directory.display()
        );
    }
    println!("{}", directory.display());
    for result in &results.scenarios {
        let seconds = result.outcome.reached.last().map_or(0.0, |reached| reached.at);
        println!("  {}: {} milestones, {seconds:.0} s", result.name, result.outcome.reached.len());
        for (name, value) in &result.outcome.facts {
            println!("    {name:<18} {value}");
        }
    }
    Ok(())
}
