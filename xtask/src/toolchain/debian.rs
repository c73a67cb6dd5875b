//! Programs that the host lacks, taken from Debian: packages and sources through apt, signed by the archive's
//! keyring, unpacked into the cache and never installed.

use super::tool_directory::ToolDirectory;
use crate::context::{Context, Network};
use crate::file_lock::FileLock;
use crate::process::{self, Command, cmd};
use crate::target::Target;
use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;
use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// An apt of our own: its lists, cache and state lie in our cache, and it knows one Debian release.
pub struct Apt<'a> {
    context: &'a Context,
    directory: PathBuf,
    /// apt's own locks are for the machine's apt; ours serves one process at a time by this.
    _lock: FileLock,
}

impl<'a> Apt<'a> {
    /// Prepares apt for a Debian release and some architectures, the first of which it takes for the machine's,
    /// and fetches its lists.
    pub fn open(context: &'a Context, suite: &str, architectures: &[&str]) -> Result<Apt<'a>> {
        let mirrors = mirrors(context)?;
        let directory = context.cache.join("apt").join(format!("{suite}-{}", architectures.join("-")));
        let lock = FileLock::acquire(context, &directory.with_extension("lock"))?;
        for part in ["lists/partial", "cache/archives/partial", "none/partial", "preferences.d"] {
            fs::create_dir_all(directory.join(part))?;
        }
        let apt = Apt { context, directory, _lock: lock };
        let sources: String = mirrors
            .iter()
            .flat_map(|site| {
                ["deb", "deb-src"].map(|kind| format!("{kind} [signed-by={KEYRING}] {site} {suite} main\n"))
            })
            .collect();
        fs::write(apt.directory.join("sources.list"), sources)?;
        fs::write(apt.directory.join("apt.conf"), apt.configuration(architectures))?;
        if !apt.directory.join("status").exists() {
            fs::write(apt.directory.join("status"), "")?;
        }
        if context.network == Network::Allowed {
            apt.program(cmd!(context, "apt-get update --quiet"))
                .run()
                .context("fetching Debian's package lists")?;
        }
        Ok(apt)
    }

    /// Returns the original source archive of a package and the files beside it, in a directory.
    pub fn source(&self, package: &str) -> Result<PathBuf> {
        let directory = self.directory.join("sources").join(package);
        fs::create_dir_all(&directory)?;
        self.program(cmd!(self.context, "apt-get source --quiet --download-only {package}"))
            .dir(&directory)
            .run()?;
        Ok(directory)
    }

    /// Fetches packages with what they depend on, as apt resolves it for an empty machine, and returns
    /// the files.
    pub fn packages(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        // apt leaves out what it has already, so that it is asked with a cache in which there is nothing.
        let none = format!("Dir::Cache::archives={}", self.directory.join("none").display());
        let install = cmd!(
            self.context,
            "apt-get install --quiet --yes --no-install-recommends --print-uris --option {none} {names...}"
        );
        let uris = self.program(install).read()?;
        let files: BTreeSet<String> = uris
            .lines()
            .filter(|line| line.starts_with('\''))
            .filter_map(|line| line.split(' ').nth(1))
            .map(str::to_owned)
            .collect();
        let install = cmd!(
            self.context,
            "apt-get install --quiet --yes --no-install-recommends --download-only {names...}"
        );
        self.program(install).run()?;
        Ok(files.into_iter().map(|name| self.directory.join("cache/archives").join(name)).collect())
    }

    fn configuration(&self, architectures: &[&str]) -> String {
        let directory = self.directory.display();
        let list: String = architectures.iter().map(|name| format!("\"{name}\"; ")).collect();
        let first = architectures.first().copied().unwrap_or("amd64");
        format!(
            "Dir::State \"{directory}\";\nDir::State::lists \"{directory}/lists\";\nDir::State::status \"{directory}/status\";\n\
             Dir::Cache \"{directory}/cache\";\nDir::Etc::sourcelist \"{directory}/sources.list\";\nDir::Etc::sourceparts \"-\";\n\
             Dir::Etc::preferencesparts \"{directory}/preferences.d\";\nAPT::Architecture \"{first}\";\n\
             APT::Architectures {{ {list}}};\nAPT::Sandbox::User \"\";\nDebug::NoLocking \"true\";\n"
        )
    }

    fn program(&self, command: Command<'a>) -> Command<'a> {
        command.env("APT_CONFIG", self.directory.join("apt.conf")).log("apt")
    }
}

/// Returns whether apt is here with Debian's keyring and a mirror to fetch from, but for the network.
pub fn is_here(context: &Context) -> bool {
    mirrors(context).is_ok()
}

/// Returns the user's own Debian mirrors: the one that was named to us, else those that apt has.
fn mirrors(context: &Context) -> Result<BTreeSet<String>> {
    if process::find("apt-get").is_none() || !Path::new(KEYRING).is_file() {
        bail!("this host has no apt with Debian's archive keyring ({KEYRING})");
    }
    if let Some(mirror) = &context.debian_mirror {
        return Ok(BTreeSet::from([mirror.trim_end_matches('/').to_owned()]));
    }
    let command = cmd!(context, "apt-get indextargets --format '$(ORIGIN) $(SITE)' 'Created-By: Packages'");
    let targets = command.read().context("asking apt for its sources")?;
    let found = debian_sites(&targets);
    if found.is_empty() {
        bail!(
            "apt has no source with Debian's packages\n  \
             K3S_XTASK_DEBIAN=https://MIRROR/debian names one, and leaves this machine's apt as it is"
        );
    }
    Ok(found)
}

/// Packages of the pinned release with all that they depend on, unpacked into a directory of the cache, now
/// or by an earlier run.
pub fn lend(context: &Context, name: &str, architectures: &[&str], packages: &[&str]) -> Result<PathBuf> {
    let suite = &context.pins.debian.suite;
    let directory = ToolDirectory { name, version: &format!("debian-{suite}") };
    directory.get(context, |files| {
        unpack(context, &Apt::open(context, suite, architectures)?.packages(packages)?, files)
    })
}

/// Returns the command line of a program in such a directory: it is started by its own loader, with its own
/// libraries, so that it runs on an older host.
pub fn command(directory: &Path, program: &str) -> Result<Vec<PathBuf>> {
    // Libraries of other architectures, with their own loaders, may be beside the host's.
    let libraries = directory.join("usr/lib").join(host()?.gnu);
    let mut loader = None;
    for entry in fs::read_dir(&libraries)? {
        let file = entry?;
        if file.file_name().to_string_lossy().starts_with("ld-linux-") {
            loader = Some(file.path());
        }
    }
    let loader = loader.ok_or_else(|| anyhow!("no dynamic loader lies in {}", libraries.display()))?;
    Ok(vec![loader, "--library-path".into(), libraries, directory.join("usr/bin").join(program)])
}

/// This machine, as Debian calls it.
pub fn host() -> Result<&'static Target> {
    Target::host().ok_or_else(|| anyhow!("Debian is not known to us on {} machines", std::env::consts::ARCH))
}

/// Unpacks packages into a directory: the first, then the others in parallel, since no two packages of a release
/// have a file in common. None of their scripts is run.
pub fn unpack(context: &Context, packages: &[PathBuf], into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    let unpack =
        |package: &PathBuf| cmd!(context, "dpkg-deb --extract {package} {into}").log("apt").run().map(drop);
    let mut waiting = packages.iter();
    waiting.next().map(unpack).transpose()?;
    let waiting = Mutex::new(waiting);
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        let work = || std::iter::from_fn(next).try_for_each(unpack);
        let workers: Vec<_> = (0..context.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Returns the URLs of Debian's main archive among `origin site` lines.
fn debian_sites(targets: &str) -> BTreeSet<String> {
    let debian = |line: &&str| line.starts_with("Debian ") || line.starts_with(' ');
    let sites = targets.lines().filter(debian).filter_map(|line| line.split_whitespace().last());
    sites
        .map(|site| site.trim_end_matches('/'))
        .filter(|site| site.ends_with("/debian"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_main_archive_of_debian_is_taken() {
        let targets = "Debian http://m.example/debian\nDebian http://m.example/debian-security\nOther http://x.example/debian\n http://n.example/debian\n";
        let found: Vec<String> = debian_sites(targets).into_iter().collect();
        assert_eq!(found, ["http://m.example/debian", "http://n.example/debian"]);
    }
}
