//! Upstream's own scripts as the source of truth: they are played, and what they would do is written
//! down.
//!
//! Build tags, `-X` flags, links, download addresses and compression stand in k3s' `scripts/build`,
//! `scripts/package-cli` and `scripts/download`. Bash itself reads them, with every program they would
//! start replaced by a function that records its arguments (`recorder.sh`). Bash does so in a sandbox, since
//! the tree may be anybody's: without the network, with nothing of the user's to read, and with only a temporary
//! directory to write to. So nothing of them is
//! written down a second time here, and a change upstream is followed or, where it starts a program
//! the recorder does not know, refused by name.

use super::gomod::GoMod;
use crate::context::Context;
use crate::process::{self, Program, Sandbox};
use crate::tree;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xshell::cmd;

const RECORDER: &str = include_str!("recorder.sh");
/// The scripts that are played, in the order in which upstream's CI runs them.
const SCRIPTS: [&str; 3] = ["scripts/download", "scripts/build", "scripts/package-cli"];
/// Programs that only compute, which a played script may really run.
const REAL: &[&str] =
    &["awk", "basename", "cat", "cut", "dirname", "grep", "head", "readlink", "sed", "sort", "tr", "xargs"];

/// What the scripts are told about the build.
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

/// One `go build` as a script calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoBuild {
    pub output: String,
    /// The package to build; none means the current folder.
    pub package: Option<String>,
    pub tags: Vec<String>,
    pub ldflags: String,
    pub cgo_cflags: String,
}

/// A repository that a script clones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clone {
    pub url: String,
    pub tag: String,
}

/// All that the scripts told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    pub builds: Vec<GoBuild>,
    /// Symbolic links below `bin/`, name and target, sorted.
    pub links: Vec<(String, String)>,
    pub clones: Vec<Clone>,
    /// Addresses of files that are downloaded.
    pub fetches: Vec<String>,
    /// `BUILDTAGS` of runc's make.
    pub runc_tags: Vec<String>,
    /// zstd's level and window log for the data tarball.
    pub zstd: Option<(i32, u32)>,
    /// Upstream's own sum of k3s-root's archive, where the tree names one.
    pub root_sha256: Option<String>,
}

/// Whether a tree's scripts are executed in a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Scripts of others, which are confined (see [`crate::process::Sandbox`]).
    Sandboxed,
    /// Scripts of our own, or those that the user vouches for with `--trust-scripts`.
    Trusted,
}

/// The time that one script may take; upstream's take less than a second.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Directories with the libraries, the loader among them, of bash and the [`REAL`] programs.
const LIBRARIES: [&str; 7] =
    ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store"];
/// The loader's own list of libraries.
const LOADER_CACHE: &str = "/etc/ld.so.cache";

/// Plays the scripts of a tree.
pub fn play(
    context: &Context,
    root: &Path,
    gomod: &GoMod,
    answers: &Answers,
    trust: Trust,
) -> Result<Recipe> {
    let staging = Staging::new(root, gomod, trust)?;
    let mut recipe = Recipe::default();
    for script in SCRIPTS {
        let records = staging
            .record(context, script, answers, TIMEOUT)
            .with_context(|| format!("playing upstream's {script}"))?;
        recipe.take(&records).with_context(|| format!("what upstream's {script} does"))?;
    }
    recipe.links.sort();
    recipe.links.dedup();
    Ok(recipe)
}

/// A temporary directory in which scripts run: a copy of what they read, and the programs that they may start.
struct Staging {
    directory: tempfile::TempDir,
    bash: PathBuf,
    /// None where the scripts are trusted.
    sandbox: Option<Sandbox>,
}

impl Staging {
    fn new(root: &Path, gomod: &GoMod, trust: Trust) -> Result<Staging> {
        let directory = tempfile::tempdir().context("making a directory for upstream's scripts")?;
        let path = directory.path();
        for part in ["scripts", "manifests"] {
            let from = root.join(part);
            let real = fs::symlink_metadata(&from).is_ok_and(|metadata| metadata.is_dir());
            ensure!(real, "{} is not a k3s tree: {part} is not a directory", root.display());
            tree::copy(&from, &path.join("tree").join(part))?;
        }
        for name in ["tools", "records", "scratch"] {
            fs::create_dir(path.join(name))?;
        }
        let modules: String = gomod
            .modules()
            .map(|(path, module)| format!("{path} {} {}\n", module.path, module.version))
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
            Trust::Trusted => None,
            Trust::Sandboxed => {
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
        Ok(Staging { directory, bash, sandbox })
    }

    /// Runs a script and returns what it recorded.
    fn record(
        &self,
        context: &Context,
        script: &str,
        answers: &Answers,
        timeout: Duration,
    ) -> Result<String> {
        let path = self.directory.path();
        let records = path.join("records").join("output");
        fs::write(&records, "")?;
        let (shell, bash) = (context.shell()?, &self.bash);
        let mut program = Program::new(context, cmd!(shell, "{bash} {script}"))
            .without_user_environment()
            .dir(path.join("tree"))
            .envs(environment(answers))
            .env("HOME", path.join("scratch"))
            .env("TMPDIR", path.join("scratch"))
            .env("BASH_ENV", path.join("recorder.sh"))
            .env("RECORDER_BIN", path.join("tools"))
            .env("RECORDER_MODULES", path.join("modules"))
            .env("RECORDER_OUTPUT", &records);
        if let Some(sandbox) = &self.sandbox {
            program = program.sandboxed(sandbox.clone());
        }
        program.run_within(timeout)?;
        Ok(fs::read_to_string(&records)?)
    }
}

/// The file of a program on the search path, past all links.
fn real_program(name: &str) -> Result<PathBuf> {
    let found = process::find(name).ok_or_else(|| anyhow!("{name} is not on the search path"))?;
    Ok(fs::canonicalize(found)?)
}

/// The scripts' inputs under all the names they have had (research: `DRONE_TAG` up to v1.34, `TAG` and
/// `GITHUB_SHA` since, `GIT_TAG` and `COMMIT` on master).
fn environment<'a>(answers: &Answers<'a>) -> Vec<(&'static str, &'a str)> {
    let mut pairs = vec![
        ("ARCH", answers.goarch),
        ("OS", "linux"),
        ("STATIC_BUILD", "true"),
        ("SELINUX", "true"),
        ("TREE_STATE", "clean"),
        ("GO", "go"),
        ("RECORDER_GOARCH", answers.goarch),
        ("RECORDER_GOLANG", answers.golang),
        ("RECORDER_DATE", answers.date),
    ];
    pairs.extend(["DRONE_TAG", "TAG", "GIT_TAG"].map(|name| (name, answers.version)));
    pairs.extend(["DRONE_COMMIT", "GITHUB_SHA", "COMMIT"].map(|name| (name, answers.commit)));
    pairs
}

impl Recipe {
    /// The build whose output's path ends in this one. For amd64 upstream calls two programs `k3s`: the
    /// server is `bin/k3s`, the finished binary `dist/artifacts/k3s`.
    pub fn build(&self, output: &str) -> Result<&GoBuild> {
        let meant = |build: &&GoBuild| Path::new(&build.output).ends_with(output);
        self.builds.iter().find(meant).ok_or_else(|| anyhow!("upstream's scripts build no {output}"))
    }

    /// The repository whose address ends in `/<name>` or `/<name>.git`.
    pub fn clone(&self, name: &str) -> Option<&Clone> {
        self.clones.iter().find(|clone| clone.url.trim_end_matches(".git").rsplit('/').next() == Some(name))
    }

    /// The download whose file name begins like this.
    pub fn fetch(&self, prefix: &str) -> impl Iterator<Item = &str> {
        self.fetches.iter().map(String::as_str).filter(move |url| file_name(url).starts_with(prefix))
    }

    /// Adds the records of one script.
    fn take(&mut self, text: &str) -> Result<()> {
        for record in text.split_terminator('\u{1e}') {
            let fields: Vec<&str> = record.split_terminator('\u{1f}').collect();
            match fields.as_slice() {
                ["unknown", program @ ..] => {
                    bail!(
                        "it runs `{}`, which this program does not know how to play\n  \
                         Upstream's scripts have changed; xtask/src/upstream/recorder.sh has to learn it.",
                        program.join(" ")
                    )
                }
                ["go-build", rest @ ..] => self.builds.push(go_build(rest)?),
                ["link", target, name] => {
                    let name = name.trim_start_matches("./").trim_start_matches("bin/");
                    self.links.push((name.to_owned(), (*target).to_owned()));
                }
                ["clone", rest @ ..] => self.clones.push(clone(rest)?),
                ["fetch", rest @ ..] => {
                    self.fetches
                        .extend(rest.iter().filter(|word| word.contains("://")).map(|url| (*url).to_owned()));
                }
                ["make", rest @ ..] => {
                    let tags = rest.iter().find_map(|word| word.strip_prefix("BUILDTAGS="));
                    self.runc_tags = tags.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
                }
                ["zstd", rest @ ..] => self.zstd = Some(zstd(rest)?),
                // Which assets have to be generated is probed from files (see [`super::facts::Assets`]).
                ["go-generate"] => {}
                ["root-sha256", sum] => self.root_sha256 = Some((*sum).to_owned()),
                other => bail!("a record that nobody wrote: {other:?}"),
            }
        }
        Ok(())
    }
}

/// The last part of an address.
pub fn file_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

fn go_build(words: &[&str]) -> Result<GoBuild> {
    let [_cgo, cgo_cflags, words @ ..] = words else {
        bail!("a go build without its environment: {words:?}")
    };
    let value = |text: &str| text.split_once('=').map_or(String::new(), |(_, value)| value.to_owned());
    let mut build = GoBuild {
        output: String::new(),
        package: None,
        tags: Vec::new(),
        ldflags: String::new(),
        cgo_cflags: value(cgo_cflags),
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut next = || words.next().ok_or_else(|| anyhow!("go build {word} without a value"));
        match *word {
            "-tags" => {
                build.tags =
                    next()?.split([' ', ',']).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
            }
            "-ldflags" => build.ldflags = next()?.split_whitespace().collect::<Vec<_>>().join(" "),
            "-o" => build.output = (*next()?).to_owned(),
            // Ours are -trimpath and -buildvcs=false in every build; debugging flags are empty here.
            "-buildvcs=false" | "-gcflags=all=" => {}
            flag if flag.starts_with('-') => bail!("go build {flag}: a flag this program does not know"),
            package => build.package = Some(package.to_owned()),
        }
    }
    Ok(build)
}

fn clone(words: &[&str]) -> Result<Clone> {
    let tag = words.iter().find_map(|word| word.strip_prefix("--branch="));
    let url = words.iter().find(|word| word.contains("://"));
    match (url, tag) {
        (Some(url), Some(tag)) => Ok(Clone { url: (*url).to_owned(), tag: tag.to_owned() }),
        _ => bail!("a git clone without an address or a tag: {words:?}"),
    }
}

fn zstd(words: &[&str]) -> Result<(i32, u32)> {
    let level = words.iter().find_map(|word| word.strip_prefix('-')?.parse().ok());
    let window = words.iter().find_map(|word| word.strip_prefix("--long=")?.parse().ok());
    level.zip(window).ok_or_else(|| anyhow!("zstd without a level or a window: {words:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_programs_of_the_same_name_are_told_apart_by_where_they_are_put() {
        let build = |output: &str, package: &str| GoBuild {
            output: output.to_owned(),
            package: Some(package.to_owned()),
            tags: Vec::new(),
            ldflags: String::new(),
            cgo_cflags: String::new(),
        };
        let builds = vec![build("bin/k3s", "./cmd/server"), build("dist/artifacts/k3s", "./cmd/k3s")];
        let recipe = Recipe { builds, ..Recipe::default() };
        let package = |output| recipe.build(output).unwrap().package.as_deref();
        assert_eq!(package("bin/k3s"), Some("./cmd/server"));
        assert_eq!(package("artifacts/k3s"), Some("./cmd/k3s"));
        assert!(recipe.build("artifacts/k3s-riscv64").is_err());
    }
}
