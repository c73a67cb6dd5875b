//! The options of a build.

use super::Build;
use crate::context::Context;
use crate::patch::PatchSet;
use crate::reference::Reference;
use crate::releases_url::ReleasesUrl;
use crate::target::Target;
use crate::workspace::OWN_PATCHES;
use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;

/// Options of a build
#[derive(Clone, Debug, Default, clap::Args)]
pub struct BuildOptions {
    /// The image that replaces upstream's default pause image [default: see xtask/pins.json]
    #[arg(long, value_name = "REF", value_parser = Reference::parse)]
    pub pause_image: Option<Reference>,

    /// A directory with patches of your own (see patches/README.md)
    #[arg(long, value_name = "DIR")]
    pub patches: Option<PathBuf>,

    /// The URL of the releases that install.sh downloads from, https://github.com/OWNER/REPOSITORY/releases
    #[arg(long, value_name = "URL")]
    pub releases: Option<ReleasesUrl>,

    /// The images inside k3s, which it imports when it starts
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    pub builtin_images: BuiltinImages,

    #[command(flatten)]
    pub substitutes: Substitutes,

    /// The former name of --builtin-images none
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = refuse_no_builtin_pause)]
    pub no_builtin_pause: Option<Infallible>,

    /// The Helm charts, such as traefik's: with `none` the product is incomplete and says so
    #[arg(long, value_enum, default_value_t = Presence::Included)]
    pub charts: Presence,

    /// k3s-root, the user space inside k3s: with `none` the product is incomplete and says so
    #[arg(long, value_enum, default_value_t = Presence::Included)]
    pub k3s_root: Presence,

    /// The Go architecture level (GORISCV64, GOARM64 or GOAMD64) [default: the oldest]
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<String>,
}

/// Versions of images in place of those that tags name, which have to be asked for
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Substitutes {
    /// Build this version of an image in place of the one that its tag names, and label the image so; may be repeated
    #[arg(long = "substitute", value_name = "NAME=VERSION", value_parser = substitute)]
    substitutes: Vec<(String, String)>,
}

/// The options that have no effect on a finished product: those of a build, and of the source of an unreleased k3s.
pub const BUILD_ONLY: [&str; 5] = ["BuildOptions", "Substitutes", "source", "vendored", "sample"];

/// The presence of something in the product that can be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Presence {
    #[default]
    #[value(name = "fetch")]
    Included,
    #[value(name = "none")]
    LeftOut,
}

/// The images that k3s carries inside, so that they need no registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuiltinImages {
    /// No image: all are pulled
    None,
    /// The pause image alone: pods start
    Pause,
    /// Pause, and the default images of which no registry has a riscv64 build
    #[default]
    Missing,
    /// All default images
    All,
}

/// Returns an error with the new name of the option.
fn refuse_no_builtin_pause(_: &str) -> Result<Infallible> {
    bail!("use --builtin-images none instead")
}

fn substitute(text: &str) -> Result<(String, String)> {
    let (name, version) = text.split_once('=').with_context(|| format!("{text:?} is not NAME=VERSION"))?;
    Ok((name.to_owned(), version.to_owned()))
}

impl FromIterator<(String, String)> for Substitutes {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(substitutes: I) -> Substitutes {
        Substitutes { substitutes: substitutes.into_iter().collect() }
    }
}

impl Substitutes {
    /// Returns the version that is asked for in an image's place.
    pub fn get(&self, image: &str) -> Option<&str> {
        let found = self.substitutes.iter().find(|(name, _)| name == image);
        found.map(|(_, version)| version.as_str())
    }

    /// Returns the names of the images.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.substitutes.iter().map(|(name, _)| name)
    }
}

impl fmt::Display for BuiltinImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BuiltinImages::None => "none",
            BuiltinImages::Pause => "pause",
            BuiltinImages::Missing => "missing",
            BuiltinImages::All => "all",
        })
    }
}

impl BuildOptions {
    /// Validates what can be checked before anything is fetched.
    pub fn validate(&self, context: &Context) -> Result<()> {
        self.patches(context).map(drop)
    }

    /// Refuses a product that a boot test could not run pods on.
    pub fn require_bootable(&self, target: &Target, machine: &Target) -> Result<()> {
        ensure!(target == machine, "boot tests run on {}; --arch {} cannot run there", machine.go, target.go);
        ensure!(
            self.builtin_images != BuiltinImages::None,
            "pods are to run on the pause inside k3s, and with --builtin-images none there is none"
        );
        Ok(())
    }

    /// Returns the options of a build, for any architecture, as words for a shell. The user's own patches are named by their path in a
    /// source package.
    pub fn arguments(&self, build: &Build) -> String {
        let mut words = vec![format!("--pause-image {}", build.pause_image)];
        words.extend(self.patches.iter().map(|_| format!("--patches {OWN_PATCHES}")));
        words.extend(self.releases.iter().map(|url| format!("--releases {url}")));
        words.push(format!("--builtin-images {}", self.builtin_images));
        words.extend((self.charts == Presence::LeftOut).then(|| "--charts none".to_owned()));
        words.extend((self.k3s_root == Presence::LeftOut).then(|| "--k3s-root none".to_owned()));
        words.extend(self.level.iter().map(|level| format!("--level {level}")));
        words.join(" ")
    }

    /// Returns the default pause image of the k3s that is built.
    pub fn pause_image(&self, context: &Context) -> Reference {
        context.pins.pause_image.or_selected(self.pause_image.as_ref())
    }

    pub fn patches(&self, context: &Context) -> Result<PatchSet> {
        PatchSet::load(&context.root, self.patches.as_deref())
    }

    /// Returns whether k3s contains the pause image.
    pub fn builtin_pause(&self) -> Presence {
        match self.builtin_images {
            BuiltinImages::None => Presence::LeftOut,
            BuiltinImages::Pause | BuiltinImages::Missing | BuiltinImages::All => Presence::Included,
        }
    }
}
