//! Debian packages and sources for tools that are missing on the host: fetched through apt, signed by the archive's
//! keyring, unpacked into the cache and never installed.

pub mod source;

use super::tool_directory::ToolDirectory;
use crate::alias::Alias;
use crate::context::{Context, Network};
use crate::fetch::{Download, FileName};
use crate::file_lock::FileLock;
use crate::lockfile::Lockfile;
use crate::lockfile::debian::DebianPackage;
use crate::process::{self, Command, cmd};
use crate::target::Target;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use fs_err as fs;
use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A separate configuration of apt: its lists, cache and state are in our cache, and it knows one Debian release.
pub struct Apt<'a> {
    context: &'a Context,
    directory: PathBuf,
    /// Path for apt, whose configuration cannot hold a quotation mark, and which decodes `%` in paths.
    alias: Alias,
    /// apt's own locks are for the machine's apt; this one is for ours.
    _lock: FileLock,
}

impl<'a> Apt<'a> {
    /// Configures apt for a Debian release and some architectures, the first of which counts as the machine's, and
    /// fetches the package lists.
    pub fn open(context: &'a Context, suite: &str, architectures: &[&str]) -> Result<Apt<'a>> {
        require_apt()?;
        let mirrors = mirrors(context)?;
        let directory = context.cache.join("apt").join(format!("{suite}-{}", architectures.join("-")));
        let lock = FileLock::acquire(context, &directory.with_extension("lock"))?;
        for part in ["lists/partial", "cache/archives/partial", "none/partial", "preferences.d"] {
            fs::create_dir_all(directory.join(part))?;
        }
        let apt = Apt { context, alias: Alias::of(&directory)?, directory, _lock: lock };
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
            apt.configured(cmd!(context, "apt-get update --quiet"))
                .run()
                .context("fetching Debian's package lists")?;
        }
        Ok(apt)
    }

    /// Fetches the original source archive of a package and returns the directory that contains it.
    pub fn source(&self, package: &str) -> Result<PathBuf> {
        let directory = self.directory.join("sources").join(package);
        fs::create_dir_all(&directory)?;
        self.configured(cmd!(self.context, "apt-get source --quiet --download-only {package}"))
            .dir(&directory)
            .run()?;
        Ok(directory)
    }

    /// Fetches packages with their dependencies, as apt resolves them for an empty machine, and returns the files.
    pub fn packages(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let install = |options: &[&str]| {
            self.configured(cmd!(
                self.context,
                "apt-get install --quiet --yes --no-install-recommends {options...} {names...}"
            ))
        };
        // apt omits files that it has already, so this call names an empty cache.
        let none = format!("Dir::Cache::archives={}", self.alias.path().join("none").display());
        let uris = install(&["--print-uris", "--option", &none]).read()?;
        install(&["--download-only"]).run()?;
        let names =
            uris.lines().filter(|line| line.starts_with('\'')).filter_map(|line| line.split(' ').nth(1));
        let names: BTreeSet<&str> = names.collect();
        Ok(names.into_iter().map(|name| self.directory.join("cache/archives").join(name)).collect())
    }

    /// Returns these packages without their dependencies, as the archive's signed index has them.
    pub fn exactly(&self, names: &[&str]) -> Result<Vec<DebianPackage>> {
        let command = cmd!(self.context, "apt-get download --quiet --print-uris {names...}");
        let uris = self.configured(command).read()?;
        let found: Vec<DebianPackage> = uris.lines().filter_map(package_of_uri).collect();
        let package = |name: &&str| {
            let found = found.iter().find(|package| package.name() == *name);
            found
                .cloned()
                .with_context(|| format!("apt names no file with a SHA-256 checksum of {name}:\n{uris}"))
        };
        // apt sorts them in its own way.
        names.iter().map(package).collect()
    }

    fn configuration(&self, architectures: &[&str]) -> String {
        let directory = self.alias.path().display();
        let list: String = architectures.iter().map(|name| format!("\"{name}\"; ")).collect();
        let first = architectures.first().copied().unwrap_or("amd64");
        format!(
            "Dir::State \"{directory}\";\nDir::State::lists \"{directory}/lists\";\nDir::State::status \"{directory}/status\";\n\
             Dir::Cache \"{directory}/cache\";\nDir::Etc::sourcelist \"{directory}/sources.list\";\nDir::Etc::sourceparts \"-\";\n\
             Dir::Etc::preferencesparts \"{directory}/preferences.d\";\nAPT::Architecture \"{first}\";\n\
             APT::Architectures {{ {list}}};\nAPT::Sandbox::User \"\";\nDebug::NoLocking \"true\";\n"
        )
    }

    fn configured(&self, command: Command<'a>) -> Command<'a> {
        command.env("APT_CONFIG", self.alias.path().join("apt.conf")).log("apt")
    }
}

/// Parses a line of `apt-get --print-uris`: `'URI' FILE SIZE SHA256:DIGEST`.
fn package_of_uri(line: &str) -> Option<DebianPackage> {
    let [uri, _, _, checksum] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
    let file = uri.trim_matches('\'').split_once("/pool/").map(|(_, file)| format!("pool/{file}"))?;
    Some(DebianPackage { file, sha256: checksum.strip_prefix("SHA256:")?.parse().ok()? })
}

/// Returns the pinned release and an architecture, as the lockfile names them.
pub fn release(context: &Context, target: &Target) -> String {
    format!("{} {}", context.pins.debian.suite, target.debian)
}

/// Returns the packages with these names that the pinned release has now.
pub fn current_packages(context: &Context, target: &Target, names: &[&str]) -> Result<Vec<DebianPackage>> {
    Apt::open(context, &context.pins.debian.suite, &[target.debian])?.exactly(names)
}

/// Returns the packages with these names in the pinned release, fetched by the lockfile's checksums. Those that it does
/// not lock are added as the archive's signed index has them.
pub fn locked_packages(
    context: &Context,
    lock: &Lockfile,
    target: &Target,
    names: &[String],
) -> Result<Vec<DebianPackage>> {
    let release = release(context, target);
    let missing: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| lock.debian_package(&release, name).is_none())
        .collect();
    for name in &missing {
        lock.require_adding(&format!("Debian's package {name}"), &format!("--debian {name}"))?;
    }
    if !missing.is_empty() {
        for (name, package) in missing.iter().zip(current_packages(context, target, &missing)?) {
            lock.add_debian_package(context, &release, name, &package)?;
        }
    }
    let fetched = |name: &String| {
        let package = lock
            .debian_package(&release, name)
            .with_context(|| format!("{name} was removed from the lockfile"))?;
        fetch(context, &package)?;
        Ok(package)
    };
    names.iter().map(fetched).collect()
}

/// Returns the verified file of a package.
pub fn fetch(context: &Context, package: &DebianPackage) -> Result<PathBuf> {
    fetch_file(context, package).with_context(|| superseded(package))
}

/// Returns an error's context for a package that cannot be fetched, or whose sources cannot be.
pub fn superseded(package: &DebianPackage) -> String {
    let name = package.name();
    format!(
        "{name} {} cannot be fetched from Debian's archive, which keeps only current versions\n  \
         To lock the current one: cargo xtask bump --debian {name}",
        package.version()
    )
}

/// Returns a file of the archive, verified by its checksum.
fn fetch_file(context: &Context, file: &DebianPackage) -> Result<PathBuf> {
    let name = FileName::of_url(&file.file)?;
    let from = |url: String| Download { name: name.clone(), url, sha256: file.sha256.clone() };
    // A mirror is only looked for where the cache does not have the file.
    let cached = from(file.file.clone());
    if cached.is_cached(context)? {
        return Ok(cached.path(context));
    }
    let mut failures = Vec::new();
    for mirror in mirrors(context)? {
        match from(format!("{mirror}/{}", file.file)).get(context) {
            Ok(file) => return Ok(file),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    bail!("{}: {}", file.file, failures.join("; "))
}

/// Returns true if apt is here with Debian's keyring and a mirror to fetch from.
pub fn is_here(context: &Context) -> bool {
    require_apt().and_then(|()| mirrors(context)).is_ok()
}

fn require_apt() -> Result<()> {
    ensure!(
        process::find("apt-get").is_some() && Path::new(KEYRING).is_file(),
        "this host has no apt with Debian's archive keyring ({KEYRING})"
    );
    Ok(())
}

/// Returns the user's Debian mirrors: the one of `K3S_XTASK_DEBIAN`, else those that apt has.
fn mirrors(context: &Context) -> Result<BTreeSet<String>> {
    if let Some(mirror) = &context.debian_mirror {
        return Ok(BTreeSet::from([mirror.trim_end_matches('/').to_owned()]));
    }
    require_apt().context("K3S_XTASK_DEBIAN=https://MIRROR/debian names no mirror either")?;
    let command = cmd!(context, "apt-get indextargets --format '$(ORIGIN) $(SITE)' 'Created-By: Packages'");
    let targets = command.read().context("reading apt's sources")?;
    let found = debian_sites(&targets);
    if found.is_empty() {
        bail!(
            "apt has no source with Debian's packages\n  \
             K3S_XTASK_DEBIAN=https://MIRROR/debian names one, and leaves this machine's apt as it is"
        );
    }
    Ok(found)
}

/// Returns a directory of the cache with packages of the pinned release and their dependencies, unpacked now or by an
/// earlier run.
pub fn unpacked(context: &Context, name: &str, architectures: &[&str], packages: &[&str]) -> Result<PathBuf> {
    let suite = &context.pins.debian.suite;
    let directory = ToolDirectory { name, version: &format!("debian-{suite}") };
    directory.get(context, |files| {
        unpack(context, &Apt::open(context, suite, architectures)?.packages(packages)?, files)
    })
}

/// Returns the command line of an executable in such a directory: it is started by its own loader, with its own
/// libraries, so that it runs on an older host.
pub fn command(directory: &Path, program: &str) -> Result<Vec<PathBuf>> {
    // Libraries of other architectures, with their own loaders, may be beside the host's.
    let libraries = directory.join(format!("usr/lib/{}-linux-gnu", host()?.rpm));
    let mut files = fs::read_dir(&libraries)?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_loader =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux-"));
    let loader =
        files.find(is_loader).ok_or_else(|| anyhow!("no dynamic loader is in {}", libraries.display()))?;
    Ok(vec![loader, "--library-path".into(), libraries, directory.join("usr/bin").join(program)])
}

/// Returns this machine's architecture.
pub fn host() -> Result<&'static Target> {
    Target::host()
        .ok_or_else(|| anyhow!("no Debian architecture is known for {} machines", std::env::consts::ARCH))
}

/// Unpacks packages into a directory: the first, then the others in parallel, since no two packages of a release
/// have a file in common. None of their scripts is run.
pub fn unpack(context: &Context, packages: &[PathBuf], into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    let unpack = |package: &PathBuf| cmd!(context, "dpkg-deb --extract {package} {into}").log("apt").run();
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
    fn packages_are_read_from_apts_uris() {
        let digest = "0".repeat(64);
        let line = format!(
            "'http://m.example/debian/pool/main/b/busybox/x_1%2bb3_riscv64.deb' x_1+b3_riscv64.deb 9 SHA256:{digest}"
        );
        let package = package_of_uri(&line).unwrap();
        assert_eq!(package.file, "pool/main/b/busybox/x_1%2bb3_riscv64.deb");
        assert_eq!((package.name(), package.version()), ("x", "1+b3".to_owned()));
        assert_eq!(package_of_uri(&line.replace("SHA256", "MD5Sum")), None);
        assert_eq!(package_of_uri("Reading package lists..."), None);
    }

    #[test]
    fn uses_only_the_main_archive() {
        let targets = "Debian http://m.example/debian\nDebian http://m.example/debian-security\nOther http://x.example/debian\n http://n.example/debian\n";
        let found: Vec<String> = debian_sites(targets).into_iter().collect();
        assert_eq!(found, ["http://m.example/debian", "http://n.example/debian"]);
    }
}
