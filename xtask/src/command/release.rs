//! `cargo xtask release`: everything that is published of one version, in one folder.

use super::build::{self, BuildOptions, Choose};
use super::choice::Choice;
use super::rpm::{BUILDING, HEADING, PackageOptions, Packager, shown};
use crate::context::Context;
use crate::error::story;
use crate::lock::{Adding, Lock};
use crate::product::Product;
use crate::release::faults::{self, Faults};
use crate::release::{Manner, Part, Release, assets, check, faults_of_packages, github};
use crate::rpm::naming::rpm_version;
use crate::target::Target;
use anyhow::{Context as _, Result, ensure};
use indicatif::HumanBytes;
use std::path::PathBuf;

/// Make the folder to publish: programs, images, packages, their repository, sums and notes
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  cargo xtask release --k3s v1.33.0+k3s1 --arch riscv64,arm64
  cargo xtask release --product riscv64/ --product arm64/ --sign me@example.org
  cargo xtask release --sample --rehearsal                see how a release is made
  cargo xtask release upload target/dist/v1.33.0+k3s1/release")]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    making: Box<Making>,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Hold a folder against its own sums, manifests and packages
    Check {
        /// What cargo xtask release has made
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Publish a folder as a release on GitHub, with gh and whatever it is logged in as
    Upload {
        /// What cargo xtask release has made
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Clone, Debug, clap::Args)]
#[command(mut_arg("arch", |arg| arg.help("The architectures, with commas between them: riscv64, arm64, amd64")))]
struct Making {
    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    options: BuildOptions,

    /// A finished product, instead of building one; repeated for each architecture
    #[arg(long = "product", value_name = "DIR", help_heading = HEADING, conflicts_with_all = BUILDING)]
    #[arg(conflicts_with = "arch")]
    products: Vec<PathBuf>,

    #[command(flatten)]
    packages: PackageOptions,

    /// Make the folder also of what is no release; it says so, and cannot be published
    #[arg(long, help_heading = HEADING)]
    rehearsal: bool,
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        match self.action {
            None => self.making.run(context),
            Some(Action::Check { folder }) => {
                let checked = check::folder(&folder)?;
                println!("{}: all {} files are what they should be", folder.display(), checked.files.len());
                let faults = checked.faults(&Lock::open(&context.lock_file, Adding::Forbidden)?);
                for reason in faults.errors.iter().chain(&faults.shortcomings) {
                    println!("  not to be published: {reason}");
                }
                Ok(())
            }
            Some(Action::Upload { folder }) => {
                println!("{}", github::upload(&context, &folder)?);
                Ok(())
            }
        }
    }
}

impl Making {
    fn run(self, context: Context) -> Result<()> {
        let manner = if self.rehearsal { Manner::Rehearsal } else { Manner::Release };
        let targets = self.targets()?;
        self.options.refuse_early(&context)?;
        let packager = self.packages.prepare(&context)?;
        let (context, products) = match self.products.is_empty() {
            false => (context, self.finished()?),
            true => self.build(context, manner, &targets)?,
        };
        let manifests: Vec<_> = products.iter().map(|(_, product)| &product.manifest).collect();
        let lock = Lock::open(&context.lock_file, Adding::Forbidden)?;
        let faults = faults::of_products(&manifests, &lock);
        settle(faults.clone(), manner)?;
        let release = self.package(&context, &packager, products)?;
        let faults = faults.and(faults_of_packages(&release)?);
        let release = Release {
            context: &context,
            manner,
            parts: &release,
            dist: packager.dist,
            address: &packager.address,
            key: packager.key.as_ref(),
            shortcomings: settle(faults, manner)?,
        };
        tell(&release.publish()?)
    }

    fn targets(&self) -> Result<Vec<&'static Target>> {
        let mut targets = Vec::new();
        for name in self.options.arch.split(',') {
            let target = Target::named(name)?;
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        Ok(targets)
    }

    /// What the options themselves say against a release, before anything is built.
    fn faults(&self) -> Faults {
        let mut shortcomings = Vec::new();
        let mut say = |reason: &str| shortcomings.push(reason.to_owned());
        if self.choice.sample {
            say("--sample: the sample is no k3s");
        }
        if self.choice.source.is_some() {
            say("--source: a tree is not an upstream tag's own commit, even where it holds one");
        }
        if self.options.charts == Choose::None {
            say("--charts none: the product would be incomplete");
        }
        if self.options.k3s_root == Choose::None {
            say("--k3s-root none: the product would be incomplete");
        }
        Faults { errors: Vec::new(), shortcomings }
    }

    /// Builds what was chosen, as locked, for every architecture.
    fn build(
        &self,
        context: Context,
        manner: Manner,
        targets: &[&'static Target],
    ) -> Result<(Context, Vec<(&'static Target, Product)>)> {
        let mut faults = self.faults();
        let locked = self.choice.locked || manner == Manner::Release;
        let chosen = Choice { locked, ..self.choice.clone() }.find(context);
        if let Err(error) = &chosen {
            faults.errors.push(story(error));
        }
        settle(faults, manner)?;
        let chosen = chosen?;
        rpm_version(&chosen.source.version, &chosen.source.commit.id, chosen.source.time)?;
        let mut products = Vec::new();
        for target in targets {
            let product = build::make(&chosen, target, &self.options)?;
            // Whoever may have changed a file since, it is not published.
            products.push((*target, Product::open(&product.folder, target)?));
        }
        Ok((chosen.context, products))
    }

    /// Opens products that were finished elsewhere; all that are none are told of.
    fn finished(&self) -> Result<Vec<(&'static Target, Product)>> {
        let products = crate::error::all(self.products.iter().map(|folder| {
            let product = Product::open_any(folder)?;
            Ok((Target::named(&product.manifest.arch)?, product))
        }))?;
        if let Some(wanted) = &self.choice.k3s {
            for (target, product) in &products {
                let found = &product.manifest.k3s;
                ensure!(found == wanted, "the product for {} is k3s {found}, not {wanted}", target.go);
            }
        }
        Ok(products)
    }

    fn package(
        &self,
        context: &Context,
        packager: &Packager,
        products: Vec<(&'static Target, Product)>,
    ) -> Result<Vec<Part>> {
        let parts = products.into_iter().map(|(target, product)| {
            let packages = packager.publish(context, &product, target);
            let packages = packages.with_context(|| format!("packaging k3s for {}", target.go))?;
            Ok(Part { target, product, packages })
        });
        parts.collect()
    }
}

/// What is left to be told of in the folder, or the error and what to do for want of a release.
fn settle(faults: Faults, manner: Manner) -> Result<Vec<String>> {
    let hint = "no release was made\n  With --rehearsal the folder is made of anything: it says what it is not, \
                and cannot be published.";
    faults.settle(manner).map_err(|error| match manner {
        Manner::Release => error.context(hint),
        Manner::Rehearsal => error,
    })
}

/// What was written where.
fn tell(folder: &std::path::Path) -> Result<()> {
    println!("{}", shown(folder));
    let sizes = assets::sizes(folder)?;
    let widest = sizes.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, size) in sizes {
        println!("  {name:<widest$}  {:>10}", HumanBytes(size).to_string());
    }
    Ok(())
}
