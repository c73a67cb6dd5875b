//! `cargo xtask cache`: what target/ holds, and room for new.

use crate::context::Context;
use anyhow::Result;
use fs_err as fs;
use indicatif::HumanBytes;
use std::path::Path;

/// Show how large the caches are, or make room
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Remove the results of steps; downloads, tools and compilers' caches stay
    #[arg(long)]
    prune: bool,

    /// With --prune: remove everything that can be fetched or made again
    #[arg(long, requires = "prune")]
    all: bool,
}

impl Args {
    pub fn run(self, context: &Context) -> Result<()> {
        let rows = [
            (context.cache.join("downloads"), "downloads, by sum"),
            (context.cache.join("git"), "git objects"),
            (context.cache.join("tools"), "zig, crane and what else was fetched to be run"),
            (context.cache.join("apt"), "Debian's packages"),
            (context.cache.join("guests"), "machines to be booted, which have holes"),
            (context.cache.join("zig"), "C libraries that zig has compiled"),
            (context.cache.join("go-build"), "Go's build cache"),
            (context.cache.join("sample-modules"), "the sample's modules"),
            (context.work.clone(), "results of steps"),
            (context.logs.clone(), "logs"),
            (context.dist.clone(), "products"),
        ];
        for (path, what) in &rows {
            println!("{:>10}  {:<46} {}", HumanBytes(size(path)?).to_string(), what, path.display());
        }
        if self.prune {
            let removed = if self.all {
                vec![&context.work, &context.logs, &context.cache]
            } else {
                vec![&context.work, &context.logs]
            };
            for path in removed {
                remove(path)?;
                println!("removed {}", path.display());
            }
        }
        Ok(())
    }
}

/// What the files of a folder take on the disk, which for a file with holes is less than its length.
fn size(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut total = 0;
    for entry in walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok) {
        if entry.file_type().is_file() {
            // Counted in units of 512 bytes (stat(2), `st_blocks`).
            total += entry.metadata()?.blocks() * 512;
        }
    }
    Ok(total)
}

/// Removes a folder, with those in it that Go makes read-only.
pub fn remove(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if !folder.exists() {
        return Ok(());
    }
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry?;
        if entry.file_type().is_dir() {
            fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(fs::remove_dir_all(folder)?)
}
