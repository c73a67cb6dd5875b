//! What a run knows from its first moment and never changes: where things are and how to behave.

use crate::fetch::clock::{Clock, SystemClock};
use crate::pins::Pins;
use crate::progress::Progress;
use anyhow::{Context as _, Result, anyhow, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The immutable context of one run, passed by reference to everything.
pub struct Context {
    /// The repository's root.
    pub root: PathBuf,
    /// Downloads, toolchains and git objects: content that can be had again, shared by all builds.
    pub cache: PathBuf,
    /// Results of steps, by the hash of their inputs.
    pub work: PathBuf,
    /// Finished products.
    pub dist: PathBuf,
    /// What the programs we ran have written.
    pub logs: PathBuf,
    /// The program that runs others and dies with us: this very executable.
    pub guard: PathBuf,
    pub pins: Pins,
    pub progress: Progress,
    /// How many steps may run side by side.
    pub jobs: usize,
    /// Whether the network is forbidden.
    pub network: Network,
    /// `k3s.lock.json`, or the file that `K3S_XTASK_LOCK` names.
    pub lock_file: PathBuf,
    /// Where downloads are looked for instead of their own hosts, from `K3S_XTASK_MIRROR`.
    pub mirror: Option<String>,
    /// The time that retries wait by.
    pub clock: Box<dyn Clock>,
    /// The mirror of Debian's archive where apt has no source of Debian's, from `K3S_XTASK_DEBIAN`.
    pub debian_mirror: Option<String>,
}

/// Whether a run may use the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    Allowed,
    /// `--offline`: only what the cache holds.
    Forbidden,
}

impl Context {
    /// Looks around once.
    pub fn new(jobs: Option<usize>, network: Network) -> Result<Context> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies below the repository")?
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
            guard: std::env::current_exe().context("finding this program itself")?,
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

    /// The directory of the tools that were fetched to be run, which machines of several kinds may share.
    pub fn tools(&self) -> PathBuf {
        self.cache.join("toolchain").join(std::env::consts::ARCH)
    }

    /// The file lock that every run shares while it may use the cache: another run's lock of a step or a tool
    /// ends before the tool's use does.
    pub fn cache_in_use(&self) -> PathBuf {
        self.cache.join("in-use.lock")
    }

    /// The file lock that every run shares while it may use results of steps.
    pub fn work_in_use(&self) -> PathBuf {
        self.work.with_extension("lock")
    }

    /// The directory of each run's scratch files.
    pub fn scratch(&self) -> PathBuf {
        self.work.with_file_name("scratch")
    }

    /// The same run with downloads from another place.
    pub fn with_mirror(self, mirror: String) -> Context {
        Context { mirror: Some(mirror), ..self }
    }

    /// The same run, forbidden to use the network.
    pub fn without_network(self) -> Context {
        Context { network: Network::Forbidden, ..self }
    }

    /// A shell to compose commands with; it runs none of them (see [`crate::process::Program`]).
    pub fn shell(&self) -> Result<xshell::Shell> {
        xshell::Shell::new().context("the current folder is gone")
    }
}

/// The path that an environment variable names, from where the user is, as cargo reads its own.
fn path(name: &str) -> Result<Option<PathBuf>> {
    let absolute = |value: OsString| std::path::absolute(&value).with_context(|| format!("{name}={value:?}"));
    set(name).map(absolute).transpose()
}

/// The text of an environment variable.
fn text(name: &str) -> Result<Option<String>> {
    let text =
        |value: OsString| value.into_string().map_err(|value| anyhow!("{name}={value:?} is not UTF-8"));
    set(name).map(text).transpose()
}

/// Refuses a path that no build gets through: Go embeds no files below a directory with a backslash, and what is
/// not UTF-8 cannot stand in its arguments.
fn require_usable(path: &Path) -> Result<()> {
    ensure!(
        path.to_str().is_some_and(|text| !text.contains(|c: char| c.is_control() || c == '\\')),
        "{path:?} is not UTF-8, or has a backslash or a control character, which Go does not take\n  \
         Use another directory: move the repository, or set CARGO_TARGET_DIR or K3S_XTASK_CACHE."
    );
    Ok(())
}

/// An environment variable that is set to something; an empty one says no more than one that is not there.
fn set(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn paths_that_go_does_not_take_are_refused() {
        let latin_1 = Path::new(std::ffi::OsStr::from_bytes(b"/home/caf\xe9"));
        for path in [latin_1, Path::new("/a\\b"), Path::new("/a\nb")] {
            let message = require_usable(path).unwrap_err().to_string();
            assert!(message.contains("Use another directory"), "{message}");
        }
        require_usable(Path::new("/it's a \"%41\"; $HOME, [目录]")).unwrap();
    }
}
