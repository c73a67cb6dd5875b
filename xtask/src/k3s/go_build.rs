//! `go build` with upstream's tags and flags and our environment.

use super::Build;
use crate::alias::Alias;
use crate::digest::Digest;
use crate::toolchain::go::Go;
use crate::toolchain::zig::CFLAGS;
use crate::upstream::commands::GoBuild;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};

/// A `go build` for the target, composed before anything runs, so that it can be printed and hashed.
#[derive(Clone, Debug)]
pub struct Compile {
    /// The step that runs it, which names its log.
    step: &'static str,
    go: Go,
    /// `-tags`, `-ldflags` and the package.
    arguments: Vec<String>,
    /// Everything that the result depends on, without paths of this machine.
    environment: Vec<(&'static str, String)>,
    c: C,
}

/// The arguments of a build that upstream decides.
#[derive(Clone, Copy, Debug)]
pub struct Flags<'f> {
    pub tags: &'f [&'f str],
    pub ldflags: &'f str,
    pub cflags: &'f str,
    pub package: &'f str,
}

/// The C code of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum C {
    /// `CGO_ENABLED=0`.
    None,
    /// Compiled by zig.
    Zig,
    /// Compiled by zig, and linked against our libseccomp.
    ZigWithSeccomp,
}

impl Compile {
    /// Composes a build with the arguments of upstream's script.
    pub fn like_upstream(build: &Build, step: &'static str, upstream: &GoBuild, c: C) -> Result<Compile> {
        // The bundled SQLite is compiled instead of linking one that is not there.
        let tags: Vec<&str> =
            upstream.tags.iter().map(String::as_str).filter(|tag| *tag != "libsqlite3").collect();
        let flags = Flags {
            tags: &tags,
            ldflags: &without_zlib(&upstream.ldflags),
            cflags: &upstream.cgo_cflags,
            package: upstream.package.as_deref().unwrap_or("."),
        };
        Compile::new(build, step, &flags, c)
    }

    /// Composes a build in the current directory.
    pub fn new(build: &Build, step: &'static str, flags: &Flags, c: C) -> Result<Compile> {
        let (variable, _) = build.target.go_level;
        if build.options.level.is_some() && build.go.numbers() < (1, 23) && variable == "GORISCV64" {
            bail!(
                "this k3s is built with Go {}, which does not know GORISCV64; leave --level out",
                build.go.version
            );
        }
        let mut environment = vec![("GOOS", "linux".to_owned()), ("GOARCH", build.target.go.to_owned())];
        environment.push((variable, build.level().to_owned()));
        environment.push(("CGO_ENABLED", if c == C::None { "0" } else { "1" }.to_owned()));
        if c != C::None {
            // Upstream's own flags take the place of Go's `-O2 -g` and name no `-O`.
            let cflags = format!("{} {CFLAGS}", flags.cflags).trim().to_owned();
            environment.push(("CC", format!("zig cc -target {}", build.target.zig)));
            environment.push(("CXX", format!("zig c++ -target {}", build.target.zig)));
            environment.push(("CGO_CFLAGS", cflags.clone()));
            environment.push(("CGO_CXXFLAGS", cflags));
            environment.push(("CGO_LDFLAGS", CFLAGS.to_owned()));
        }
        let arguments = vec![
            "-trimpath".to_owned(),
            "-buildvcs=false".to_owned(),
            "-tags".to_owned(),
            flags.tags.join(","),
            "-ldflags".to_owned(),
            // Go's own build ID would depend on the path of the sysroot.
            format!("-buildid= {}", flags.ldflags),
            flags.package.to_owned(),
        ];
        Ok(Compile { step, go: build.go.clone(), arguments, environment, c })
    }

    /// Compiles by another release of Go than the one of k3s.
    pub fn by(self, go: Go) -> Compile {
        Compile { go, ..self }
    }

    /// Returns the build as lines: everything that its result depends on.
    pub fn lines(&self, build: &Build) -> Vec<String> {
        let mut lines: Vec<String> =
            self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        lines.push(format!("go{} build {}", self.go.version, self.arguments.join(" ")));
        if self.c != C::None {
            lines.push(format!("zig {}", build.context.pins.zig.version));
        }
        lines
    }

    /// Lists the packages that the build in `dir` would compile, with Go's settings for the origin of modules.
    pub fn packages(
        &self,
        build: &Build,
        dir: &Path,
        settings: &[(&'static str, String)],
    ) -> Result<Vec<Package>> {
        let environment = self.environment.iter().map(|(name, value)| (*name, value.as_str()));
        Package::list(build, dir, &self.arguments, environment, settings)
    }

    /// Runs the build in `dir`, with modules as its go.mod and go.sum say, or without modules at all.
    pub fn run(
        &self,
        build: &Build,
        dir: &Path,
        modules: &Modules,
        output: &Path,
        sysroot: Option<&Path>,
    ) -> Result<()> {
        let mut arguments = vec!["build".to_owned()];
        if *modules == Modules::ReadOnly {
            arguments.push("-mod=readonly".to_owned());
        }
        arguments.extend(["-o".to_owned(), output.to_string_lossy().into_owned()]);
        arguments.extend(self.arguments.iter().cloned());
        let scratch = tempfile::tempdir_in(output.parent().context("an output is in a directory")?)?;
        let temporary = Alias::of(scratch.path())?;
        let sysroot = sysroot.map(Alias::of).transpose()?;
        // A semicolon separates the paths of the compiler's `-trimpath`: one in a path would keep it in the binary.
        let (dir, cache) = (Alias::of(dir)?, Alias::of(&build.any_go.module_cache().directory)?);
        let mut program = self
            .go
            .command(build.context, &arguments)
            .dir(dir.path())
            .env("PWD", dir.path())
            .log(self.step)
            .env("GOMODCACHE", cache.path())
            .env(GO_TEMPORARY, temporary.path())
            .envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        if let Modules::GoPath(path) = modules {
            program = program.env("GO111MODULE", "off").env("GOPATH", path);
        }
        if self.c != C::None {
            program = program.envs(build.zig.environment(sysroot.as_ref().map(Alias::path))?);
        }
        if let Some(sysroot) = &sysroot {
            // From the search path, as zig, so that the command has no path.
            program = program.env("PKG_CONFIG", "pkg-config");
            for (name, flags) in self.environment.iter().filter(|(name, _)| COMPILER_FLAGS.contains(name)) {
                program = program.env(name, format!("{flags} {}", mark_of(sysroot.path())));
            }
        }
        program.run()
    }
}

/// A package that a build would compile, as `go list` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub directory: PathBuf,
    /// Files in it or below it that the compiler embeds, relative to the directory.
    pub embedded: Vec<PathBuf>,
}

/// The template of `go list` that [`Package`] is parsed from: a line for each package outside the standard library.
const PACKAGE_LINE: &str =
    "{{if not .Standard}}{{.Dir}}{{range .EmbedFiles}}{{printf \"\\t\"}}{{.}}{{end}}{{end}}";

impl Package {
    /// Lists the packages that `go build` would compile, with Go's settings for the origin of modules.
    pub fn list<'e>(
        build: &Build,
        dir: &Path,
        arguments: &[String],
        environment: impl IntoIterator<Item = (&'e str, &'e str)>,
        settings: &[(&'static str, String)],
    ) -> Result<Vec<Package>> {
        let list = ["list", "-mod=readonly", "-deps", "-f", PACKAGE_LINE].map(str::to_owned);
        let arguments: Vec<String> = list.into_iter().chain(arguments.iter().cloned()).collect();
        let list = build
            .go
            .command(build.context, &arguments)
            .dir(dir)
            .envs(environment)
            .envs(settings.iter().map(|(name, value)| (*name, value.as_str())))
            .read()?;
        Ok(list.lines().filter_map(Package::parse).collect())
    }

    fn parse(line: &str) -> Option<Package> {
        let mut words = line.split('\t');
        let directory = words.next().filter(|directory| !directory.is_empty())?;
        Some(Package { directory: directory.into(), embedded: words.map(PathBuf::from).collect() })
    }
}

/// The way in which a build finds its packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Modules {
    /// As go.mod and go.sum require; nothing unverified is added.
    ReadOnly,
    /// Without modules, in a GOPATH, as the CNI plugins are still built.
    GoPath(PathBuf),
}

/// The variable that names the directory in which Go builds, and from which `go run` executes. The system's may
/// be small, and nothing may be executed in it where it is mounted `noexec`.
pub const GO_TEMPORARY: &str = "GOTMPDIR";

/// The variables with the flags that cgo passes to the C and C++ compilers.
const COMPILER_FLAGS: [&str; 2] = ["CGO_CFLAGS", "CGO_CXXFLAGS"];

/// Returns a flag that only changes the key in Go's build cache, which otherwise does not notice that pkg-config names
/// another directory, and would return the name of one that was removed.
fn mark_of(sysroot: &Path) -> String {
    format!("-DSYSROOT_{}", Digest::of(sysroot.to_string_lossy().as_bytes()).short())
}

/// Returns upstream's linker flags without `-lz`: no package asks for zlib, and there is none for the target.
fn without_zlib(ldflags: &str) -> String {
    ldflags.replace(" -lz ", " ").replace(" -lz'", "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_only_the_zlib_flag() {
        let upstream = "-w -s -extldflags '-static -lm -ldl -lz -lpthread'";
        assert_eq!(without_zlib(upstream), "-w -s -extldflags '-static -lm -ldl -lpthread'");
        assert_eq!(without_zlib("-extldflags '-static'"), "-extldflags '-static'");
    }
}
