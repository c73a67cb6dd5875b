//! `cargo xtask release`: everything that is published of one version, in one directory.

use super::arch_args::ArchList;
use super::build::{self, BuildOptions, Choose};
use super::rpm::{self, HEADING, PackageOptions, Packager};
use super::source_args::SourceArgs;
use crate::context::Context;
use crate::dir::shown;
use crate::error::chain;
use crate::lockfile::{Adding, Lockfile};
use crate::product::Product;
use crate::product::manifest::Manifest;
use crate::release::assets::{self, File};
use crate::release::problems::{self, Faults};
use crate::release::{Mode, Part, Release, check, consistency, github};
use crate::rpm::nevra::rpm_version;
use crate::target::{TARGETS, Target};
use crate::upstream::selection::Selection;
use anyhow::{Context as _, Result, ensure};
use indicatif::HumanBytes;
use std::path::PathBuf;

/// Make the directory to publish: programs, images, packages, their repository, sums and notes
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  cargo xtask release --k3s v1.33.0+k3s1 --arch riscv64,arm64
  cargo xtask release --k3s v1.33.0+k3s1 --product riscv64/ --product arm64/ --sign me@example.org
  cargo xtask release --sample --preview                  see how a release is made
  cargo xtask release upload target/dist/v1.33.0+k3s1/release")]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    making: Box<Making>,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Hold a directory against its own sums, manifests and packages
    Check {
        /// What cargo xtask release has made
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Publish a directory as a release on GitHub, with gh and whatever it is logged in as
    Upload {
        /// What cargo xtask release has made
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

#[derive(Clone, Debug, clap::Args)]
struct Making {
    #[command(flatten)]
    source: SourceArgs,

    #[command(flatten)]
    arch: ArchList,

    #[command(flatten)]
    options: BuildOptions,

    /// A finished product of just this k3s, instead of building it; repeated for each architecture
    #[arg(long = "product", value_name = "DIR", help_heading = HEADING, conflicts_with = "arch")]
    products: Vec<PathBuf>,

    #[command(flatten)]
    packages: PackageOptions,

    /// Make the directory of any product, marked as no release; it cannot be published
    #[arg(long, help_heading = HEADING)]
    preview: bool,

    /// The former name of --preview.
    #[arg(long, hide = true)]
    rehearsal: bool,
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        match self.action {
            None => self.making.run(context),
            Some(Action::Check { directory }) => {
                let checked = check::directory(&directory)?;
                println!(
                    "{}: all {} files are what they should be",
                    directory.display(),
                    checked.files.len()
                );
                let faults = checked.faults(&Lockfile::open(&context.lock_file, Adding::Forbidden)?);
                for reason in faults.errors.iter().chain(&faults.shortcomings) {
                    println!("  not to be published: {reason}");
                }
                Ok(())
            }
            Some(Action::Upload { directory }) => {
                println!("{}", github::upload(&context, &directory)?);
                Ok(())
            }
        }
    }
}

/// A product, for its architecture.
type Finished = (&'static Target, Product);

/// Basis of a release: a selected k3s, or finished products of one alone.
enum Ground {
    Selection(Box<Selection>),
    Products(Box<Context>),
}

impl Ground {
    fn context(&self) -> &Context {
        match self {
            Ground::Selection(selection) => &selection.context,
            Ground::Products(context) => context,
        }
    }
}

impl Making {
    fn run(self, context: Context) -> Result<()> {
        ensure!(!self.rehearsal, "--rehearsal is now called --preview");
        let mode = self.mode();
        self.options.refuse_early(&context)?;
        let packager = self.packages.prepare(&context)?;
        let finished = self.finished()?;
        let ground = self.ground(context, mode)?;
        let context = ground.context();
        let products = match &ground {
            Ground::Selection(selection) if finished.is_empty() => self.build(selection)?,
            _ => finished,
        };
        let manifests: Vec<_> = products.iter().map(|(_, product)| &product.manifest).collect();
        let lock = Lockfile::open(&context.lock_file, Adding::Forbidden)?;
        let mut faults = problems::of_products(&manifests, &lock);
        if let Ground::Selection(selection) = &ground {
            faults
                .errors
                .extend(manifests.iter().flat_map(|manifest| self.disagreements(selection, manifest)));
        }
        if let Ground::Products(_) = &ground {
            faults.shortcomings.push(check::NO_SOURCE.to_owned());
        }
        let shortcomings = faults.settle(mode)?;
        let parts = self.package(&ground, &packager, products)?;
        let release = Release {
            context,
            mode,
            parts: &parts,
            dist: packager.dist,
            address: &packager.address,
            key: packager.key.as_ref(),
            shortcomings,
        };
        tell(&release.publish()?)
    }

    fn mode(&self) -> Mode {
        if self.preview { Mode::Preview } else { Mode::Release }
    }

    /// Returns what the options themselves say against a release, before anything is built.
    fn faults(&self) -> Faults {
        let BuildOptions { charts, k3s_root, level, .. } = &self.options;
        let is_newer = |level: &&String| TARGETS.iter().all(|target| target.go_level.1 != level.as_str());
        let options = [
            self.source.sample.then_some("--sample: the sample is no k3s"),
            self.source
                .source
                .as_ref()
                .map(|_| "--source: a tree is not an upstream tag's own commit, even where it holds one"),
            (*charts == Choose::None).then_some("--charts none: the product would be incomplete"),
            (*k3s_root == Choose::None).then_some("--k3s-root none: the product would be incomplete"),
        ];
        let level = level.as_ref().filter(is_newer);
        let level =
            level.map(|level| format!("--level {level}: machines of the oldest level could not run it"));
        let options = options.into_iter().flatten().map(str::to_owned);
        Faults { shortcomings: options.chain(level).collect(), ..Faults::default() }
    }

    /// Finds what was chosen, as locked. Whoever has products need not say what they were made of, but then
    /// there is nothing to make a source package of.
    fn ground(&self, context: Context, mode: Mode) -> Result<Ground> {
        let mut faults = self.faults();
        let SourceArgs { k3s, source, vendored, sample, .. } = &self.source;
        let given = k3s.is_some() || source.is_some() || vendored.is_some() || *sample;
        if !self.products.is_empty() && !given {
            faults.settle(mode)?;
            return Ok(Ground::Products(Box::new(context)));
        }
        let locked = self.source.locked || mode == Mode::Release;
        let selection = SourceArgs { locked, ..self.source.clone() }.find(context);
        if let Err(error) = &selection {
            faults.errors.push(chain(error));
        }
        faults.settle(mode)?;
        Ok(Ground::Selection(Box::new(selection?)))
    }

    /// Builds what was chosen, for every architecture.
    fn build(&self, selection: &Selection) -> Result<Vec<Finished>> {
        rpm_version(&selection.source.version, &selection.source.commit.id, selection.source.time)?;
        let products = self.arch.targets().into_iter().map(|target| {
            let (_, product) = build::make(selection, target, &self.options)?;
            // A file that was changed since is not published.
            Ok((target, Product::open(&product.directory, target)?))
        });
        products.collect()
    }

    /// Opens products that were finished elsewhere; all that are none are told of.
    fn finished(&self) -> Result<Vec<Finished>> {
        crate::error::all(self.products.iter().map(|directory| {
            let product = Product::open_any(directory)?;
            Ok((Target::named(&product.manifest.arch)?, product))
        }))
    }

    /// In what a product is another one than these options would make, as far as its manifest tells and no build
    /// has to be prepared to say.
    fn disagreements(&self, selection: &Selection, manifest: &Manifest) -> Vec<String> {
        let options = &self.options;
        let pause_image = options.reference(&selection.context);
        let yes_or_no = |yes: bool| if yes { "inside" } else { "not inside" }.to_owned();
        let has = |part: &str| yes_or_no(!manifest.lacks(part));
        let oldest = manifest.too_new_for().unwrap_or(&manifest.level);
        let pairs = [
            ("k3s", manifest.k3s.clone(), selection.source.version.to_string()),
            ("its commit", manifest.commit.clone(), selection.source.commit.id.clone()),
            ("its pause image", manifest.pause_image.clone(), pause_image.to_string()),
            ("the pause image", yes_or_no(manifest.builtin_pause), yes_or_no(!options.no_builtin_pause)),
            ("traefik's charts", has("charts"), yes_or_no(options.charts != Choose::None)),
            ("k3s-root", has("k3s-root"), yes_or_no(options.k3s_root != Choose::None)),
            ("its level", manifest.level.clone(), options.level.as_deref().unwrap_or(oldest).to_owned()),
        ];
        let differing = pairs.iter().filter(|(_, found, wanted)| found != wanted);
        differing.map(|(what, found, wanted)| consistency::another(manifest, what, found, wanted)).collect()
    }

    /// Packages the products. Their source package is made once, with the first; that the others were made of the
    /// same has been seen.
    fn package(&self, ground: &Ground, packager: &Packager, products: Vec<Finished>) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for (target, product) in products {
            let rebuild = match ground {
                Ground::Selection(selection) if parts.is_empty() => {
                    let build = build::prepare(selection, target, &self.options)?;
                    let errors = consistency::with_build(&product.manifest, &build)?;
                    Faults { errors, ..Faults::default() }.settle(self.mode())?;
                    Some(rpm::rebuild(&self.source, &self.options, &build)?)
                }
                _ => None,
            };
            let packages = packager.publish(ground.context(), &product, target, rebuild);
            let packages = packages.with_context(|| format!("packaging k3s for {}", target.go))?;
            parts.push(Part { target, product, packages });
        }
        Ok(parts)
    }
}

/// Prints the written files.
fn tell(directory: &std::path::Path) -> Result<()> {
    println!("{}", shown(directory));
    let files = assets::list(directory)?;
    let widest = files.iter().map(|file| file.name.len()).max().unwrap_or(0);
    for File { name, size, .. } in files {
        println!("  {name:<widest$}  {:>10}", HumanBytes(size).to_string());
    }
    Ok(())
}
