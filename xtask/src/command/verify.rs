//! `cargo xtask verify`: a published release against its own records.

mod rebuild;
mod recorded;

use crate::context::Context;
use crate::release::{download, verify};
use anyhow::Result;
use fs_err as fs;
use rebuild::RebuildArgs;
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

/// Verify a release that others have published: checksums, packages, signatures, boot tests; or build it again
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask verify https://github.com/OWNER/REPOSITORY/releases/tag/v1.35.1+k3s1
  cargo xtask verify --key KEY.asc downloads/
  cargo xtask verify --rebuild downloads/")]
pub struct Args {
    /// A directory with all files of a release, or its URL, from which they are downloaded
    #[arg(value_name = "DIR|URL")]
    release: Location,

    /// The public key that must have signed the release [default: the one in the release, which shows no more than that
    /// all of it has one author]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    #[command(flatten)]
    rebuild: RebuildArgs,
}

/// The place of a release.
#[derive(Clone, Debug)]
enum Location {
    Directory(PathBuf),
    Url(String),
}

impl FromStr for Location {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Location, Infallible> {
        Ok(if text.contains("://") {
            Location::Url(text.to_owned())
        } else {
            Location::Directory(text.into())
        })
    }
}

impl Args {
    pub fn run(self, context: Context) -> Result<()> {
        let scratch = tempfile::tempdir()?;
        let (context, directory) = match self.release {
            Location::Directory(directory) => (context, directory),
            Location::Url(url) => {
                let directory = scratch.path().join("release");
                fs::create_dir(&directory)?;
                let cache = context.cache.clone();
                // A cache of its own, since what an earlier run has fetched may not be what is published now.
                let context = Context { cache: scratch.path().join("cache"), ..context };
                download::release(&context, &url, &directory)?;
                (Context { cache, ..context }, directory)
            }
        };
        let (checked, lines) = verify::directory(&context, &directory, self.key.as_deref())?;
        println!("{}", checked.tag()?);
        lines.iter().for_each(|line| println!("  {line}"));
        if self.rebuild.is_asked_for() {
            self.rebuild.run(context, &checked)?.iter().for_each(|line| println!("  {line}"));
        }
        Ok(())
    }
}
