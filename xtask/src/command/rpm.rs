//! `cargo xtask rpm`: packages for openEuler, and their repository.

use super::arch_args::ArchArg;
use super::build;
use super::source_args::SourceArgs;
use crate::context::Context;
use crate::dir::shown;
use crate::doctor::requirements::{CREATEREPO_C, GPG, RPMBUILD, RPMSIGN, Requirement};
use crate::doctor::{self, Purpose};
use crate::k3s::Build;
use crate::k3s::options::{BUILD_ONLY, BuildOptions};
use crate::product::Product;
use crate::rpm::dist::Dist;
use crate::rpm::nevra::{SOURCE_PACKAGE, rpm_version};
use crate::rpm::sign::Key;
use crate::rpm::source_package::Rebuild;
use crate::rpm::{DIST, Packaging, Published, Settings, URL, repository};
use crate::target::Target;
use crate::upstream::version::Version;
use crate::url::{file_path, without_credentials};
use crate::vendoring;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use indicatif::HumanBytes;
use std::path::{Path, PathBuf};

/// Package k3s for openEuler: RPMs, and a repository that dnf installs them from
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask rpm --sample                            all steps, on the sample
  cargo xtask rpm --k3s v1.33.0+k3s1 --dist oe2403sp1
  cargo xtask rpm --product target/dist/v1.33.0+k3s1/riscv64 --sign me@example.org")]
pub struct Args {
    #[command(flatten)]
    pub source: SourceArgs,

    #[command(flatten)]
    pub arch: ArchArg,

    #[command(flatten)]
    pub options: BuildOptions,

    /// A finished product, instead of building one
    #[arg(long, value_name = "DIR", help_heading = HEADING, conflicts_with_all = BUILD_ONLY)]
    pub product: Option<PathBuf>,

    /// A directory that `cargo xtask images build` has written for the same k3s: its bundle becomes the package
    /// k3s-airgap-images
    #[arg(long, value_name = "DIR", help_heading = HEADING)]
    pub images: Option<PathBuf>,

    #[command(flatten)]
    pub packages: PackageOptions,
}

/// Tools that build packages.
pub const PACKAGING: &[&Requirement] = &[&RPMBUILD, &CREATEREPO_C];

/// Tools that sign.
const SIGNING: &[&Requirement] = &[&RPMSIGN, &GPG];

/// Heading in the help of the options that builds do not have.
pub const HEADING: &str = "The packages";

/// Options of packages
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = HEADING)]
pub struct PackageOptions {
    /// The openEuler release, as in the names of its packages, or several: oe2403,oe2403sp1
    #[arg(long, value_name = "DIST", default_value = DIST, value_delimiter = ',')]
    pub dist: Vec<Dist>,

    /// The RPM Release number, to be increased for each rebuild of one version
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub release: u32,

    /// Sign packages and metadata with this key of gpg's
    #[arg(long, value_name = "KEYID")]
    pub sign: Option<String>,

    /// The URL of the published repository, without the architecture, for its .repo file; of several releases of
    /// openEuler, each has its name below the URL
    #[arg(long, value_name = "URL", default_value = URL)]
    pub repository: String,

    /// Allow --repository at a network URL without --sign: dnf then verifies nothing of what it downloads
    #[arg(long)]
    pub unsigned: bool,
}

impl PackageOptions {
    /// Checks the options, the tools and the key before there is a product. Returns the settings for each release of
    /// openEuler.
    pub fn prepare(&self, context: &Context) -> Result<Vec<Settings>> {
        ensure!(
            self.unsigned || self.sign.is_some() || file_path(&self.repository).is_some(),
            "--repository {}: dnf installs as root what it downloads there, and nothing would be signed\n  \
             sign it: --sign KEYID; or, on a network that you trust: --unsigned",
            without_credentials(&self.repository)
        );
        doctor::require(context, Purpose::Rpm, PACKAGING)?;
        if self.sign.is_some() {
            doctor::require(context, Purpose::Rpm, SIGNING)?;
        }
        let key = self.sign.as_ref().map(|id| Key::usable(context, id)).transpose()?;
        let url = |dist: &Dist| match &self.dist[..] {
            [_, _, ..] if file_path(&self.repository).is_none() => {
                format!("{}/{dist}", self.repository.trim_end_matches('/'))
            }
            _ => self.repository.clone(),
        };
        let mut dists = self.dist.clone();
        dists.sort();
        dists.dedup();
        let of = |dist: Dist| Settings { dist, release: self.release, url: url(&dist), key: key.clone() };
        Ok(dists.into_iter().map(of).collect())
    }
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        let target = self.arch.arch;
        self.options.validate(&context)?;
        let settings = self.packages.prepare(&context)?;
        let (context, product, rebuild) = match &self.product {
            Some(directory) => (context, self.finished(directory, target)?, None),
            None => {
                let selection = self.source.find(context)?;
                rpm_version(&selection.source.version, &selection.source.commit.id, selection.source.time)?;
                let (build, product) = build::run(&selection, target, &self.options)?;
                let products = vec![(target, product.clone())];
                let rebuild = rebuild(&self.source, &self.options, &[build], products)?;
                // A file that was changed since does not go into a package.
                (selection.context, Product::open(&product.directory, target)?, Some(rebuild))
            }
        };
        for settings in &settings {
            let mut packaging = Packaging::new(&context, &product, target, settings, rebuild.clone())?;
            if let Some(directory) = &self.images {
                packaging = packaging.with_images(directory)?;
            }
            print(&packaging.publish()?)?;
        }
        Ok(())
    }

    fn finished(&self, directory: &Path, target: &Target) -> Result<Product> {
        let product = Product::open(directory, target)?;
        if let Some(expected) = &self.source.k3s {
            let expected: Version = expected.parse()?;
            let found = &product.manifest.k3s;
            ensure!(
                expected.to_string() == *found,
                "{} contains k3s {found}, not {expected}",
                directory.display()
            );
        }
        Ok(product)
    }
}

/// Returns the data to rebuild products from a source package, given the build of each architecture: vendored sources,
/// options and patches.
pub fn rebuild(
    source: &SourceArgs,
    options: &BuildOptions,
    builds: &[Build],
    products: Vec<(&'static Target, Product)>,
) -> Result<Rebuild> {
    let build = builds.first().context("a source package is for an architecture")?;
    let vendored = match &source.vendored {
        Some(directory) => directory.clone(),
        None => vendoring::run(builds).context("gathering the sources of the source package")?,
    };
    Ok(Rebuild { vendored, products, options: options.arguments(build), patches: options.patches.clone() })
}

/// Prints the directory and the written files.
fn print(published: &Published) -> Result<()> {
    println!("{}", shown(&published.directory));
    let widest = published.packages.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, files) in &published.packages {
        let size = HumanBytes(fs::metadata(published.directory.join(name))?.len()).to_string();
        println!("  {name:<widest$}  {size:>10}  {files} files");
    }
    println!("  {} and repodata/, for dnf", repository::REPO_FILE);
    if !published.packages.iter().any(|(name, _)| name.ends_with(SOURCE_PACKAGE)) {
        println!("  no source package: a finished product does not contain its sources");
    }
    Ok(())
}
