//! Upstream's own scripts, run with stubs that record the commands they would call.
//!
//! Build tags, `-X` flags, links, download URLs and compression are in k3s' `scripts/build`, `scripts/package-cli`
//! and `scripts/download`. Bash runs them, with every command replaced by a function that records it (`recorder.sh`).
//! So nothing of them is duplicated here, and a change upstream is followed or, if it calls an unknown command,
//! refused by name ([`super::calls`], [`super::commands`]).
//!
//! Bash runs in a sandbox, since the tree is not trusted: without the network, with no files of the user's to read,
//! and with only a temporary directory to write to. A forged record can contain no more than the script could have
//! called.

use super::commands::Commands;
use crate::context::Context;
use crate::dir;
use crate::process::{self, Sandbox, cmd};
use crate::toolchain::gomod::{GoMod, KUBERNETES, Resolved};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const RECORDER: &str = include_str!("recorder.sh");
/// The scripts that are run, in the order in which upstream's CI runs them.
const SCRIPTS: [&str; 3] = ["scripts/download", "scripts/build", "scripts/package-cli"];
/// Executables that only compute, which a script may really run.
const REAL: [&str; 11] =
    ["awk", "basename", "cat", "cut", "dirname", "grep", "head", "readlink", "sed", "sort", "tr"];
/// The files that scripts/package-cli writes by redirection; k3s/bundle.rs makes its own.
const WRITTEN: [&str; 2] = [".sha256sums", ".links"];

/// Values of the build for the scripts.
#[derive(Clone, Debug)]
pub struct Answers<'a> {
    pub goarch: &'a str,
    /// The tag, `v1.33.0+k3s1`.
    pub version: &'a str,
    pub commit: &'a str,
    /// The Go version without `go`: `1.24.2`.
    pub golang: &'a str,
    /// The build date in RFC 3339.
    pub date: &'a str,
}

/// ScriptTrust in a tree's scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptTrust {
    /// Untrusted scripts, which run in a sandbox (see [`crate::process::Sandbox`]).
    Sandboxed,
    /// Our own scripts, or those of `--trust-scripts`.
    Trusted,
}

/// Timeout of one script; upstream's take less than a second.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Directories with the libraries, the loader among them, of bash and the [`REAL`] programs.
const LIBRARIES: [&str; 7] =
    ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store"];
/// The loader's own list of libraries.
const LOADER_CACHE: &str = "/etc/ld.so.cache";

/// Runs the scripts of a tree and returns their commands.
pub fn run(
    context: &Context,
    root: &Path,
    gomod: &GoMod,
    answers: &Answers,
    trust: ScriptTrust,
) -> Result<Commands> {
    let staging = Staging::new(root, gomod, trust)?;
    let mut commands = Commands::default();
    for script in SCRIPTS {
        let (records, result) = staging.record(context, script, answers, TIMEOUT)?;
        // A call that is not known is often why a script fails.
        commands
            .take(&records, answers.goarch, gomod)
            .and(result)
            .and_then(|()| staging.check_unchanged())
            .with_context(|| format!("running upstream's {script}"))?;
    }
    commands.links.sort();
    commands.links.dedup();
    Ok(commands)
}

/// A temporary directory in which scripts run: a copy of the files they read, and the executables they may start.
struct Staging {
    directory: tempfile::TempDir,
    /// Every file of the copy before the first script ran.
    files: BTreeMap<PathBuf, String>,
    bash: PathBuf,
    /// None where the scripts are trusted.
    sandbox: Option<Sandbox>,
}

impl Staging {
    fn new(root: &Path, gomod: &GoMod, trust: ScriptTrust) -> Result<Staging> {
        let directory = tempfile::tempdir().context("making a directory for upstream's scripts")?;
        let path = directory.path();
        for part in ["scripts", "manifests"] {
            let from = root.join(part);
            let real = fs::symlink_metadata(&from).is_ok_and(|metadata| metadata.is_dir());
            ensure!(real, "{} is not a k3s tree: {part} is not a directory", root.display());
            dir::copy(&from, &path.join("tree").join(part))?;
        }
        for name in ["tools", "records", "scratch"] {
            fs::create_dir(path.join(name))?;
        }
        let modules: String = gomod
            .modules()
            .map(|(path, module)| {
                format!("{path} {} {}\n", module.path(), version_for_scripts(path, &module))
            })
            .collect();
        fs::write(path.join("modules"), modules)?;
        fs::write(path.join("recorder.sh"), RECORDER)?;
        let bash = real_program("bash")?;
        let mut execute = vec![bash.clone()];
        for name in REAL {
            let real = real_program(name)?;
            fs::os::unix::fs::symlink(&real, path.join("tools").join(name))?;
            execute.push(real);
        }
        let sandbox = match trust {
            ScriptTrust::Trusted => None,
            ScriptTrust::Sandboxed => {
                process::sandbox_available().context(
                    "upstream's build scripts are executed in a sandbox, which this machine does not have\n  \
                     If you trust the scripts of this source tree: --trust-scripts executes them without one.",
                )?;
                execute.extend(LIBRARIES.map(PathBuf::from));
                Some(Sandbox {
                    read: vec![path.join("recorder.sh"), path.join("modules"), LOADER_CACHE.into()],
                    execute,
                    write: ["tree", "records", "scratch"].map(|name| path.join(name)).into(),
                })
            }
        };
        let files = contents(&path.join("tree"))?;
        Ok(Staging { directory, files, bash, sandbox })
    }

    /// Runs a script and returns its records, even if it failed.
    fn record(
        &self,
        context: &Context,
        script: &str,
        answers: &Answers,
        timeout: Duration,
    ) -> Result<(String, Result<()>)> {
        let path = self.directory.path();
        let records = path.join("records").join("output");
        fs::write(&records, "")?;
        let bash = &self.bash;
        let mut program = cmd!(context, "{bash} {script}")
            .without_user_environment()
            .dir(path.join("tree"))
            .envs(environment(answers))
            .env("HOME", path.join("scratch"))
            .env("TMPDIR", path.join("scratch"))
            // bash expands this value, so that a path in it could run commands; what it expands to is final.
            .env("BASH_ENV", "$RECORDER")
            .env("RECORDER", path.join("recorder.sh"))
            .env("RECORDER_REAL", REAL.join(" "))
            .env("RECORDER_BIN", path.join("tools"))
            .env("RECORDER_MODULES", path.join("modules"))
            .env("RECORDER_OUTPUT", &records);
        if let Some(sandbox) = &self.sandbox {
            program = program.sandboxed(sandbox.clone());
        }
        let result = program.run_within(timeout);
        Ok((fs::read_to_string(&records)?, result))
    }

    /// Refuses files that scripts wrote without a command, by a redirection for example.
    fn check_unchanged(&self) -> Result<()> {
        let now = contents(&self.directory.path().join("tree"))?;
        let mut paths = now.keys().chain(self.files.keys());
        let changed = paths.find(|path| now.get(*path) != self.files.get(*path));
        match changed {
            None => Ok(()),
            Some(path) => bail!(
                "it writes {}, by a redirection or an executable that should only compute, which no step follows",
                path.display()
            ),
        }
    }
}

/// Returns the content of every file and link below a directory, except [`WRITTEN`].
fn contents(directory: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut found = dir::contents(directory)?;
    WRITTEN.iter().for_each(|name| drop(found.remove(Path::new(name))));
    Ok(found)
}

/// Returns the file of an executable on the search path, past all links.
fn real_program(name: &str) -> Result<PathBuf> {
    let found = process::find(name).ok_or_else(|| anyhow!("{name} is not on the search path"))?;
    Ok(fs::canonicalize(found)?)
}

/// Returns the version of a module for the scripts. They compare that of Kubernetes with the version of k3s, which is
/// marked itself if a directory of the tree is compiled.
fn version_for_scripts(path: &str, module: &Resolved) -> String {
    if path == KUBERNETES { module.written_version().to_owned() } else { module.version() }
}

/// Returns the scripts' inputs under all the names they have had (`DRONE_TAG` up to v1.34, `TAG` and
/// `GITHUB_SHA` since, `GIT_TAG` and `COMMIT` on master).
fn environment<'a>(answers: &Answers<'a>) -> Vec<(&'static str, &'a str)> {
    let mut pairs = vec![
        ("ARCH", answers.goarch),
        ("OS", "linux"),
        ("STATIC_BUILD", "true"),
        ("SELINUX", "true"),
        ("TREE_STATE", "clean"),
        ("RECORDER_GOARCH", answers.goarch),
        ("RECORDER_GOLANG", answers.golang),
        ("RECORDER_DATE", answers.date),
    ];
    pairs.extend(["DRONE_TAG", "TAG", "GIT_TAG"].map(|name| (name, answers.version)));
    pairs.extend(["DRONE_COMMIT", "GITHUB_SHA", "COMMIT"].map(|name| (name, answers.commit)));
    pairs
}
