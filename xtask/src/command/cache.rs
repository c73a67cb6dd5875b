//! `cargo xtask cache`: the sizes of the directories in target/, and removal of what can be fetched or built again.

use crate::context::Context;
use crate::file_lock::FileLock;
use anyhow::{Context as _, Result};
use fs_err as fs;
use indicatif::HumanBytes;
use std::path::Path;

/// Show the sizes of the caches, or remove them
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Remove the results of steps; downloads, tools and compilers' caches are kept
    #[arg(long)]
    prune: bool,

    /// With --prune: remove everything that can be fetched or built again
    #[arg(long, requires = "prune")]
    all: bool,
}

/// Directories of the cache; nothing else in it is removed.
const CACHED: [(&str, &str); 10] = [
    ("downloads", "downloads, by checksum"),
    ("git", "git objects"),
    ("toolchain", "zig, crane and other fetched tools"),
    ("apt", "Debian's packages"),
    ("guests", "guests for boot tests (sparse files)"),
    ("kernels", "kernels for boot tests"),
    ("zig", "C libraries that zig has compiled"),
    ("go-build", "Go's build cache"),
    ("sample-modules", "the sample's modules"),
    ("vendored-modules", "modules of source packages"),
];

impl Args {
    pub fn run(self, context: &Context) -> Result<()> {
        let cached = CACHED.map(|(name, what)| (context.cache.join(name), what));
        let made = [(context.work.clone(), "results of steps"), (context.logs.clone(), "logs")];
        let products = [(context.dist.clone(), "products")];
        for (path, what) in cached.iter().chain(&made).chain(&products) {
            println!("{:>10}  {:<46} {}", HumanBytes(size(path)?).to_string(), what, path.display());
        }
        if !self.prune {
            return Ok(());
        }
        let removed: Vec<_> =
            if self.all { made.iter().chain(&cached).collect() } else { made.iter().collect() };
        let _work = require_unused(&context.work_in_use())?;
        let _cache = if self.all { Some(require_unused(&context.cache_in_use())?) } else { None };
        for (path, _) in removed.into_iter().filter(|(path, _)| path.exists()) {
            remove(path)?;
            println!("removed {}", path.display());
        }
        Ok(())
    }
}

/// Locks a directory that every run shares, or fails if another run is using it.
fn require_unused(file: &Path) -> Result<FileLock> {
    FileLock::try_acquire(file)?.with_context(|| {
        format!(
            "another cargo xtask is running and shares {}; nothing was removed\n  Try again when it has ended.",
            file.display()
        )
    })
}

/// Returns the disk space of a directory's files, which for a sparse file is less than its length.
fn size(directory: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut total = 0;
    for entry in walkdir::WalkDir::new(directory).into_iter().filter_map(Result::ok) {
        if entry.file_type().is_file() {
            // Counted in units of 512 bytes (stat(2), `st_blocks`).
            total += entry.metadata()?.blocks() * 512;
        }
    }
    Ok(total)
}

/// Removes a directory, with those in it that Go makes read-only.
pub fn remove(directory: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if !directory.exists() {
        return Ok(());
    }
    for entry in walkdir::WalkDir::new(directory) {
        let entry = entry?;
        if entry.file_type().is_dir() {
            fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(fs::remove_dir_all(directory)?)
}
