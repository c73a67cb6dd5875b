//! Immutable settings of a run: paths and options.

use crate::clock::{Clock, SystemClock};
use crate::pins::Pins;
use crate::progress::Progress;
use anyhow::{Context as _, Result, anyhow, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The immutable context of a run.
pub struct Context {
    /// The repository's root.
    pub root: PathBuf,
    /// Downloads, toolchains and git objects, which can be fetched again; shared by all builds.
    pub cache: PathBuf,
    /// Results of steps, by the hash of their inputs.
    pub work: PathBuf,
    /// Finished products.
    pub dist: PathBuf,
    /// Output of the commands we run.
    pub logs: PathBuf,
    /// The executable that runs child processes and dies with us: this one.
    pub guard: PathBuf,
    pub pins: Pins,
    pub progress: Progress,
    /// Number of steps that may run in parallel.
    pub jobs: usize,
    /// Permission to use the network.
    pub network: Network,
    /// `k3s.lock.json`, or the file that `K3S_XTASK_LOCK` names.
    pub lock_file: PathBuf,
    /// Mirror that replaces the downloads' own hosts, from `K3S_XTASK_MIRROR`.
    pub mirror: Option<String>,
    /// Clock that retries wait by.
    pub clock: Box<dyn Clock>,
    /// Mirror of Debian's archive for hosts whose apt has no such source, from `K3S_XTASK_DEBIAN`.
    pub debian_mirror: Option<String>,
}

/// Permission of a run to use the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    Allowed,
    /// `--offline`: only the cache is used.
    Forbidden,
}

impl Context {
    /// Reads the environment once and checks its paths.
    pub fn new(jobs: Option<usize>, network: Network) -> Result<Context> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask is below the repository")?
            .to_owned();
        let target = path("CARGO_TARGET_DIR")?.unwrap_or_else(|| root.join("target"));
        let cache = path("K3S_XTASK_CACHE")?.unwrap_or_else(|| target.join("cache"));
        for path in [&root, &target, &cache] {
            require_usable(path)?;
        }
        Ok(Context {
            work: target.join("work"),
            dist: target.join("dist"),
            logs: target.join("logs"),
            cache,
            guard: std::env::current_exe().context("finding this executable itself")?,
            pins: Pins::load()?,
            progress: Progress::new(),
            jobs: jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
            network,
            lock_file: path("K3S_XTASK_LOCK")?.unwrap_or_else(|| root.join("k3s.lock.json")),
            mirror: text("K3S_XTASK_MIRROR")?,
            clock: Box::new(SystemClock),
            debian_mirror: text("K3S_XTASK_DEBIAN")?,
            root,
        })
    }

    /// Returns the directory of fetched tools; machines of several architectures may share the cache.
    pub fn tools(&self) -> PathBuf {
        self.cache.join("toolchain").join(std::env::consts::ARCH)
    }

    /// Returns the file lock that every run shares while it may use the cache: another run's lock of a step or a tool
    /// ends before the tool's use does.
    pub fn cache_in_use(&self) -> PathBuf {
        self.cache.join("in-use.lock")
    }

    /// Returns the file lock that every run shares while it may use results of steps.
    pub fn work_in_use(&self) -> PathBuf {
        self.work.with_extension("lock")
    }

    /// Returns the directory of each run's scratch files.
    pub fn scratch(&self) -> PathBuf {
        self.work.with_file_name("scratch")
    }
}

/// Returns the path in an environment variable, relative to the current directory as for cargo's variables.
fn path(name: &str) -> Result<Option<PathBuf>> {
    let absolute = |value: OsString| std::path::absolute(&value).with_context(|| format!("{name}={value:?}"));
    set(name).map(absolute).transpose()
}

/// Returns the text of an environment variable.
fn text(name: &str) -> Result<Option<String>> {
    let text =
        |value: OsString| value.into_string().map_err(|value| anyhow!("{name}={value:?} is not UTF-8"));
    set(name).map(text).transpose()
}

/// Refuses a path that builds fail in: Go embeds no files below a directory with a backslash, and its arguments
/// have to be UTF-8.
fn require_usable(path: &Path) -> Result<()> {
    ensure!(
        path.to_str().is_some_and(|text| !text.contains(|c: char| c.is_control() || c == '\\')),
        "{path:?} is not UTF-8, or has a backslash or a control character, which Go does not take\n  \
         Use another directory: move the repository, or set CARGO_TARGET_DIR or K3S_XTASK_CACHE."
    );
    Ok(())
}

/// Returns the value of an environment variable; an empty one counts as unset.
fn set(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn rejects_paths_that_go_cannot_use() {
        let latin_1 = Path::new(std::ffi::OsStr::from_bytes(b"/home/caf\xe9"));
        for path in [latin_1, Path::new("/a\\b"), Path::new("/a\nb")] {
            let message = require_usable(path).unwrap_err().to_string();
            assert!(message.contains("Use another directory"), "{message}");
        }
        require_usable(Path::new("/it's a \"%41\"; $HOME, [目录]")).unwrap();
    }
}
