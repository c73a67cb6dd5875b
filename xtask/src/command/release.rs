//! `cargo xtask release`: all assets of one version, in one directory.

use super::arch_args::ArchList;
use super::boot;
use super::build;
use super::images::build::{self as images_build, ImageOptions};
use super::rpm::{self, HEADING, PackageOptions};
use super::source_args::SourceArgs;
use crate::boot::platform::X86_64;
use crate::context::Context;
use crate::dir::{self, shown};
use crate::doctor::{self, Purpose};
use crate::error::{self, chain};
use crate::images::manifest;
use crate::images::publish::PublishedImages;
use crate::images::selection::default_references;
use crate::k3s::Build;
use crate::k3s::options::{BuildOptions, Presence};
use crate::lockfile::{Adding, Lockfile};
use crate::product::Product;
use crate::release::assets::{self, File};
use crate::release::earlier::Earlier;
use crate::release::problems::{self, Problem};
use crate::release::tag::Tag;
use crate::release::{
    DistPackages, Mode, PackagedProduct, Release, add_boot, check, consistency, github, images,
};
use crate::rpm::nevra::rpm_version;
use crate::rpm::sign::Key;
use crate::rpm::{Packaging, Settings};
use crate::target::{TARGETS, Target};
use crate::upstream::selection::Selection;
use anyhow::{Context as _, Result, bail, ensure};
use indicatif::HumanBytes;
use std::path::{Path, PathBuf};

/// Make the directory to publish: binaries, images, packages, their repository, checksums and notes
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  cargo xtask release --k3s v1.33.0+k3s1 --arch riscv64,arm64
  cargo xtask release --k3s v1.33.0+k3s1 --product riscv64/ --product arm64/ --sign me@example.org
  cargo xtask release --sample --preview                  see how a release is made
  cargo xtask release check target/dist/v1.33.0+k3s1/release
  cargo xtask release upload target/dist/v1.33.0+k3s1/release")]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    make: Box<MakeArgs>,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Find out whether GitHub would take a release of this tag, and print its k3s version and number of the build
    Preflight {
        /// The k3s version, or that and the number of a later build: v1.35.1+k3s1-2
        #[arg(value_name = "TAG")]
        tag: Tag,
        /// Directory to write, with the repositories of the last release, for cargo xtask release --earlier
        #[arg(long, value_name = "DIR")]
        earlier: Option<PathBuf>,
    },
    /// Add the results of boot tests of a directory, which cargo xtask boot --release has run, in place of those that it
    /// has
    AddBoot {
        /// A directory that cargo xtask release has written
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The directory of results that cargo xtask boot has written, repeated for each run
        #[arg(value_name = "RESULTS", required = true)]
        results: Vec<PathBuf>,
        /// Sign the new checksums with this key of gpg's
        #[arg(long, value_name = "KEYID")]
        sign: Option<String>,
    },
    /// Check a directory against its own checksums, manifests, packages and boot tests, and that it may be published
    Check {
        /// A directory that cargo xtask release has written
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Publish a directory as a release on GitHub, with gh and the account that it is logged in as
    Upload {
        /// A directory that cargo xtask release has written
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

#[derive(Clone, Debug, clap::Args)]
struct MakeArgs {
    #[command(flatten)]
    source: SourceArgs,

    #[command(flatten)]
    arch: ArchList,

    #[command(flatten)]
    options: BuildOptions,

    /// A finished product of just this k3s, instead of building it; repeated for each architecture
    #[arg(long = "product", value_name = "DIR", help_heading = HEADING, conflicts_with = "arch")]
    products: Vec<PathBuf>,

    /// A directory that `cargo xtask images build` has written for this k3s, instead of building its default images;
    /// repeated where architectures have one each
    #[arg(long, value_name = "DIR", help_heading = HEADING)]
    images: Vec<PathBuf>,

    #[command(flatten)]
    packages: PackageOptions,

    /// A directory with repositories of earlier releases (repository-*.tar), whose newest packages of each minor the
    /// new ones keep
    #[arg(long, value_name = "DIR", help_heading = HEADING)]
    earlier: Option<PathBuf>,

    /// Leave the boot tests to cargo xtask boot --release, whose results cargo xtask release add-boot adds
    #[arg(long, help_heading = HEADING)]
    skip_boot: bool,

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
            None => self.make.run(context),
            Some(Action::Preflight { tag, earlier }) => {
                github::preflight(&context, &tag, earlier.as_deref())?;
                // The form of GITHUB_OUTPUT.
                println!("k3s={}\nrelease={}", tag.k3s, tag.release);
                Ok(())
            }
            Some(Action::AddBoot { directory, results, sign }) => {
                let key = sign.map(|id| Key::usable(&context, &id)).transpose()?;
                add_boot::add(&context, &directory, &results, key.as_ref())
            }
            Some(Action::Check { directory }) => {
                let checked = check::directory(&directory)?;
                println!("{}: all {} files are correct", directory.display(), checked.files.len());
                for arch in checked.not_booted()? {
                    println!("  not booted: the files for {arch}");
                }
                problems::check(checked.problems(&context)?, Mode::Release)
                    .with_context(|| format!("{} must not be published", directory.display()))?;
                Ok(())
            }
            Some(Action::Upload { directory }) => {
                println!("{}", github::upload(&context, &directory)?);
                Ok(())
            }
        }
    }
}

/// A product and its architecture.
type Finished = (&'static Target, Product);

impl MakeArgs {
    fn run(self, context: Context) -> Result<()> {
        ensure!(!self.rehearsal, "--rehearsal is now called --preview");
        self.options.validate(&context)?;
        let settings = self.packages.prepare(&context)?;
        if !self.skip_boot {
            let mut requirements = boot::vm_requirements();
            let targets = self.arch.targets();
            let is_mixed = targets.contains(&crate::boot::target()?) && targets.contains(&X86_64.target()?);
            if is_mixed && !self.source.sample {
                requirements.extend(boot::SERVER_REQUIREMENTS);
            }
            doctor::require(&context, Purpose::Boot, &requirements)?;
        }
        let finished = self.finished()?;
        let SourceArgs { k3s, source, vendored, sample, .. } = &self.source;
        let is_selected = k3s.is_some() || source.is_some() || vendored.is_some() || *sample;
        if !finished.is_empty() && !is_selected {
            return self.release(&context, None, &settings, finished);
        }
        let selection = self.select(context)?;
        let products = if finished.is_empty() { self.build(&selection)? } else { finished };
        self.release(&selection.context, Some(&selection), &settings, products)
    }

    fn mode(&self) -> Mode {
        if self.preview { Mode::Preview } else { Mode::Release }
    }

    /// Opens the products that were built before.
    fn finished(&self) -> Result<Vec<Finished>> {
        error::all(self.products.iter().map(|directory| {
            let product = Product::open_any(directory)?;
            Ok((Target::named(&product.manifest.arch)?, product))
        }))
    }

    /// Resolves the source. What keeps the options from making a release is reported with its errors, before anything
    /// is built.
    fn select(&self, context: Context) -> Result<Selection> {
        let locked = self.source.locked || !self.preview;
        let selection = SourceArgs { locked, ..self.source.clone() }.find(context);
        let mut problems = self.problems();
        problems.extend(selection.as_ref().err().map(|error| Problem::Blocking(chain(error))));
        problems::check(problems, self.mode())?;
        selection
    }

    /// Returns the problems of the options, before anything is built.
    fn problems(&self) -> Vec<Problem> {
        let BuildOptions { charts, k3s_root, level, .. } = &self.options;
        let is_oldest = |level: &&String| TARGETS.iter().any(|target| target.go_level.1 == level.as_str());
        let newer = level.as_ref().filter(|level| !is_oldest(level));
        let problems = [
            self.source.sample.then(|| "--sample: the sample is no k3s".to_owned()),
            self.source.source.as_ref().map(|_| {
                "--source: a tree is not an upstream tag's own commit, even if it contains one".to_owned()
            }),
            (*charts == Presence::LeftOut)
                .then(|| "--charts none: the product would be incomplete".to_owned()),
            (*k3s_root == Presence::LeftOut)
                .then(|| "--k3s-root none: the product would be incomplete".to_owned()),
            newer.map(|level| format!("--level {level}: machines of the oldest level could not run it")),
        ];
        problems.into_iter().flatten().map(Problem::NonBlocking).collect()
    }

    /// Builds the source for every architecture.
    fn build(&self, selection: &Selection) -> Result<Vec<Finished>> {
        rpm_version(&selection.source.version, &selection.source.commit.id, selection.source.time)?;
        let products = self.arch.targets().into_iter().map(|target| {
            let (_, product) = build::run(selection, target, &self.options)?;
            // A file that was changed since is not published.
            Ok((target, Product::open(&product.directory, target)?))
        });
        products.collect()
    }

    /// Prepares the build of every product.
    fn builds<'s>(&self, selection: &'s Selection, products: &[Finished]) -> Result<Vec<Build<'s>>> {
        products.iter().map(|(target, _)| build::prepare(selection, target, &self.options)).collect()
    }

    /// Returns the images of every product: those of the options, or else those of the selection, built now. A preview
    /// of finished products may be without.
    fn images(
        &self,
        selection: Option<&Selection>,
        products: &[Finished],
    ) -> Result<Vec<Option<PublishedImages>>> {
        let directories = match selection {
            Some(selection) if self.images.is_empty() => {
                let targets: Vec<_> = products.iter().map(|(target, _)| *target).collect();
                vec![images_build::run(selection, &targets, &self.options, &ImageOptions::default())?.0]
            }
            _ => self.images.clone(),
        };
        error::all(products.iter().map(|(target, product)| {
            let name = manifest::name(target);
            match directories.iter().find(|directory| directory.join(&name).is_file()) {
                Some(directory) => PublishedImages::open(directory, target, &product.manifest.k3s).map(Some),
                None if directories.is_empty() => Ok(None),
                None => bail!("no directory of --images has {name}"),
            }
        }))
    }

    /// Returns the repositories of earlier releases.
    fn earlier_archives(&self) -> Result<Vec<PathBuf>> {
        let Some(directory) = &self.earlier else { return Ok(Vec::new()) };
        let mut archives = dir::entries(directory)?;
        archives.retain(|path| path.extension().is_some_and(|extension| extension == "tar"));
        Ok(archives)
    }

    /// Packages the products and writes the directory. The source package, of which all products are built again, comes
    /// with the first one; other releases of openEuler have the same sources. Without a selection there is none.
    fn release(
        &self,
        context: &Context,
        selection: Option<&Selection>,
        settings: &[Settings],
        products: Vec<Finished>,
    ) -> Result<()> {
        let manifests: Vec<_> = products.iter().map(|(_, product)| &product.manifest).collect();
        let lock = Lockfile::open(&context.lock_file, Adding::Forbidden)?;
        let mut problems = problems::of_products(&manifests, &lock);
        let builds = match selection {
            Some(selection) => self.builds(selection, &products)?,
            None => Vec::new(),
        };
        for (build, (_, product)) in builds.iter().zip(&products) {
            problems.extend(consistency::with_build(&product.manifest, build)?);
        }
        problems.extend(builds.is_empty().then(problems::no_source));
        if selection.is_some() && self.images.is_empty() {
            // The images are built next, which takes long.
            problems = problems::check(problems, self.mode())?;
        }
        let images = self.images(selection, &products)?;
        problems.extend(image_problems(&products, &images, builds.first(), &lock)?);
        let problems = problems::check(problems, self.mode())?;
        let mut rebuild = match builds.is_empty() {
            true => None,
            false => Some(rpm::rebuild(&self.source, &self.options, &builds, products.clone())?),
        };
        let [first, ..] = settings else { bail!("--dist names no release of openEuler") };
        let (_, product) = products.first().context("a release has a product")?;
        let tag = Tag { k3s: product.manifest.k3s.parse()?, release: first.release };
        let earlier = Earlier::unpack(context, &self.earlier_archives()?, &tag)?;
        let packaged = products.into_iter().zip(images).map(|((target, product), images)| {
            let packages = settings.iter().map(|settings| {
                let packaging = Packaging::new(context, &product, target, settings, rebuild.take())?;
                let published = Packaging { images: images.clone(), ..packaging }
                    .publish()
                    .with_context(|| format!("packaging k3s for {}", target.go))?;
                let time = product.manifest.source_date_epoch;
                let repository = earlier.repository(context, target, &published, settings, time)?;
                Ok(DistPackages { dist: settings.dist, published, repository })
            });
            let packages = packages.collect::<Result<_>>()?;
            Ok(PackagedProduct { target, product, packages, images })
        });
        let release = Release {
            context,
            mode: self.mode(),
            products: &packaged.collect::<Result<Vec<_>>>()?,
            settings,
            earlier: earlier.tags().into_iter().cloned().collect(),
            problems,
        };
        let directory = release.publish()?;
        let booted = crate::boot::target()?.go;
        if !self.skip_boot && release.products.iter().any(|product| product.target.go == booted) {
            let results = boot::release(context, &directory)?;
            add_boot::add(context, &directory, &[results], first.key.as_ref())?;
        }
        print(&directory)
    }
}

/// Returns the problems of the products' images.
fn image_problems(
    products: &[Finished],
    images: &[Option<PublishedImages>],
    build: Option<&Build>,
    lock: &Lockfile,
) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let expected = build.map(default_references).transpose()?;
    let expected = expected.map(|references| references.iter().map(ToString::to_string).collect());
    for ((_, product), images) in products.iter().zip(images) {
        let manifest = images.as_ref().map(|images| &images.manifest);
        problems.extend(images::problems(manifest, &product.manifest, lock));
        if let (Some(manifest), Some(expected)) = (manifest, &expected) {
            problems.extend(images::with_references(manifest, expected));
        }
    }
    Ok(problems)
}

/// Prints the written files.
fn print(directory: &Path) -> Result<()> {
    println!("{}", shown(directory));
    let files = assets::list(directory)?;
    let widest = files.iter().map(|file| file.name.len()).max().unwrap_or(0);
    for File { name, size, .. } in files {
        println!("  {name:<widest$}  {:>10}", HumanBytes(size).to_string());
    }
    Ok(())
}
