//! The builds, downloads and links of upstream's scripts, read from the calls that they recorded. A call that would
//! change the product and that none of our steps follows is refused with its place in the script.

use super::calls::Call;
use crate::toolchain::gomod::GoMod;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use std::collections::BTreeMap;
use std::path::Path;

/// One `go build` of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoBuild {
    pub output: String,
    /// The package to build; none means the current directory.
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

/// Everything that the scripts build, fetch and link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    pub builds: Vec<GoBuild>,
    /// Symbolic links below `bin/`, name and target, sorted.
    pub links: Vec<(String, String)>,
    pub clones: Vec<Clone>,
    /// URLs of files that are downloaded.
    pub fetches: Vec<String>,
    /// `BUILDTAGS` of runc's make.
    pub runc_tags: Vec<String>,
    /// zstd's level and window log for the data tarball.
    pub zstd: Option<(i32, u32)>,
    /// Upstream's own checksum of k3s-root's archive, where the tree names one.
    pub root_sha256: Option<String>,
}

/// The outputs of builds, with the environment of each. Our own steps compile them with the same one, except for the
/// C compiler.
const BUILDS: [(&str, &[&str]); 4] = [
    ("bin/k3s", &["CGO_ENABLED=1"]),
    ("bin/cni", &["CGO_ENABLED=0", "GO111MODULE=off", "GOPATH=/recorder"]),
    ("bin/containerd-shim-runc-v2", &["CGO_ENABLED=1", "GOPATH=/recorder/build"]),
    ("dist/artifacts/k3s", &["CGO_ENABLED=0"]),
];

/// Files in `bin/` that are built again after their removal, and one that no release builds any more.
const LEFTOVERS: [&str; 3] = ["containerd-shim", "containerd-shim-runc-v2", "runc"];

/// The directories that repositories are cloned to; containerd and runc are compiled from their Go modules instead.
const CLONES: [&str; 4] = [
    "build/src/github.com/containerd/containerd",
    "build/src/github.com/opencontainers/runc",
    "/recorder/src/github.com/containernetworking/plugins",
    "plugins/meta/flannel",
];

impl Commands {
    /// Returns the build whose output's path ends in this one. For amd64 upstream calls two programs `k3s`: the
    /// server is `bin/k3s`, the finished binary `dist/artifacts/k3s`.
    pub fn build(&self, output: &str) -> Result<&GoBuild> {
        let meant = |build: &&GoBuild| Path::new(&build.output).ends_with(output);
        self.builds.iter().find(meant).ok_or_else(|| anyhow!("upstream's scripts build no {output}"))
    }

    /// Returns the repository whose URL ends in `/<name>` or `/<name>.git`.
    pub fn clone(&self, name: &str) -> Option<&Clone> {
        self.clones.iter().find(|clone| clone.url.trim_end_matches(".git").rsplit('/').next() == Some(name))
    }

    /// Returns the download whose file name begins like this.
    pub fn fetch(&self, prefix: &str) -> impl Iterator<Item = &str> {
        self.fetches.iter().map(String::as_str).filter(move |url| file_name(url).starts_with(prefix))
    }

    /// Adds the records of one script for an architecture.
    pub fn take(&mut self, records: &str, goarch: &str, gomod: &GoMod) -> Result<()> {
        let mut removed = Vec::new();
        for mut call in Call::parse(records)? {
            // Our own steps set those of the target, too.
            call.environment
                .retain(|setting| *setting != ("GOOS", "linux") && *setting != ("GOARCH", goarch));
            if let ["rm", "-f", files @ ..] = call.words.as_slice()
                && let Some(names) = files.iter().map(|file| below_bin(file)).collect::<Option<Vec<_>>>()
            {
                removed.extend(names.into_iter().map(|name| (name.to_owned(), call.to_string())));
                continue;
            }
            self.take_call(&call, gomod).with_context(|| {
                format!(
                    "{call}: no step performs this call\n  \
                     The scripts have changed what they build. Either remove the change from the tree, or add it to\n  \
                     xtask/src/upstream/calls.rs and commands.rs, with the step that does the same."
                )
            })?;
        }
        // A removed file that is not replaced would be missing from upstream's product.
        for (name, call) in removed {
            let again =
                self.links.iter().any(|(link, _)| *link == name) || LEFTOVERS.contains(&name.as_str());
            ensure!(again, "{call} removes bin/{name}, which nothing replaces");
        }
        Ok(())
    }

    fn take_call(&mut self, call: &Call, gomod: &GoMod) -> Result<()> {
        let environment = call.environment.as_slice();
        match call.words.as_slice() {
            ["go", "build", words @ ..] => {
                let build = go_build(words, environment)?;
                let twice = self.builds.iter().any(|other| other.output == build.output);
                ensure!(!twice, "{} is built a second time", build.output);
                self.builds.push(build);
            }
            // The generated files are probed from the tree (see [`super::layout::EmbedMethod`]).
            ["go", "generate"] => only(environment, &["CC=gcc", "CXX=g++"])?,
            ["make", words @ ..] => {
                only(environment, &["GOPATH=/recorder/build"])?;
                self.runc_tags = make(words)?;
            }
            ["ln", "-s", target, name] => self.links.push(link(target, name)?),
            ["git", "clone", words @ ..] => self.clones.push(clone(words, gomod)?),
            ["curl", words @ ..] => self.fetches.push(fetch(words)?),
            ["zstd", words @ ..] => self.zstd = Some(zstd(words)?),
            ["K3S_ROOT_SHA256", sum] => self.root_sha256 = Some((*sum).to_owned()),
            _ => ensure!(call.is_known(), "no such call is known"),
        }
        Ok(())
    }
}

/// Refuses variables that are not among these.
fn only(environment: &[(&str, &str)], known: &[&str]) -> Result<()> {
    let settings = environment.iter().map(|(name, value)| format!("{name}={value}"));
    match settings.into_iter().find(|setting| !known.contains(&setting.as_str())) {
        None => Ok(()),
        Some(setting) => bail!("{setting} is not known here"),
    }
}

/// Returns the last part of a URL.
pub fn file_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// The words of a command, apart from those that change nothing.
struct Arguments<'w> {
    values: BTreeMap<&'static str, &'w str>,
    operands: Vec<&'w str>,
}

/// Parses the words of a command. Each of `options` has a value, behind its `=` or in the next word; words of
/// `ignored` change nothing, and other flags are refused.
fn arguments<'w>(words: &[&'w str], ignored: &[&str], options: &[&'static str]) -> Result<Arguments<'w>> {
    let mut arguments = Arguments { values: BTreeMap::new(), operands: Vec::new() };
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let attached = |option: &str| option.ends_with('=').then(|| word.strip_prefix(option))?;
        let option = options.iter().find(|option| word == **option || attached(option).is_some());
        match option {
            Some(option) => {
                let value = attached(option).or_else(|| words.next());
                arguments.values.insert(option, value.with_context(|| format!("{word} has no value"))?);
            }
            None if ignored.contains(&word) => {}
            None if word.starts_with('-') => bail!("the flag {word} is not known"),
            None => arguments.operands.push(word),
        }
    }
    Ok(arguments)
}

fn go_build(words: &[&str], environment: &[(&str, &str)]) -> Result<GoBuild> {
    // -trimpath and -buildvcs=false are in all our builds; debugging flags are empty here.
    let ignored = ["-buildvcs=false", "-gcflags=all="];
    let Arguments { values, operands } = arguments(words, &ignored, &["-tags", "-ldflags", "-o"])?;
    let value = |option| values.get(option).copied().unwrap_or_default();
    let package = match operands.as_slice() {
        [] => None,
        [package] => Some((*package).to_owned()),
        [_, second, ..] => bail!("{second} is a second package"),
    };
    let tags = value("-tags").split([' ', ',']).filter(|tag| !tag.is_empty());
    let mut build = GoBuild {
        output: value("-o").to_owned(),
        package,
        tags: tags.map(str::to_owned).collect(),
        ldflags: value("-ldflags").split_whitespace().collect::<Vec<_>>().join(" "),
        cgo_cflags: String::new(),
    };
    let output = build.output.as_str();
    let is_of = |known: &str| match known {
        // Its name ends in the architecture's.
        "dist/artifacts/k3s" => output.starts_with(known),
        _ => Path::new(output).ends_with(known),
    };
    let (_, expected) = BUILDS
        .into_iter()
        .find(|(known, _)| is_of(known))
        .with_context(|| format!("the output {output:?} is no part of k3s"))?;
    let mut missing = expected.to_vec();
    for (name, value) in environment {
        let setting = format!("{name}={value}");
        match missing.iter().position(|known| *known == setting) {
            Some(at) => drop(missing.remove(at)),
            None if *name == "CGO_CFLAGS" => build.cgo_cflags = (*value).to_owned(),
            None => bail!("{setting} is not known for {output}"),
        }
    }
    ensure!(missing.is_empty(), "{} is expected for {output}", missing.join(" "));
    Ok(build)
}

/// Returns the build tags of runc, from the variables of its Makefile.
fn make(words: &[&str]) -> Result<Vec<String>> {
    let ignored = ["static", "GO=go", "EXTRA_FLAGS=-gcflags=\"all=\"", "EXTRA_LDFLAGS=-w -s"];
    let Arguments { values, operands } = arguments(words, &ignored, &["BUILDTAGS="])?;
    ensure!(operands.is_empty(), "{operands:?} is not known");
    let tags = values.get("BUILDTAGS=").copied().unwrap_or_default();
    Ok(tags.split_whitespace().map(str::to_owned).collect())
}

/// Returns the name and the target of a link, which are both in `bin/`.
fn link(target: &str, name: &str) -> Result<(String, String)> {
    let name = below_bin(name).with_context(|| format!("{name:?} is no name in bin/"))?;
    ensure!(is_plain(target), "{target:?} is no name in bin/");
    Ok((name.to_owned(), target.to_owned()))
}

/// Returns the name of a file directly in `bin/`.
fn below_bin(path: &str) -> Option<&str> {
    path.strip_prefix("./").unwrap_or(path).strip_prefix("bin/").filter(|name| is_plain(name))
}

/// Returns whether a text is one name of a file and no path.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    !name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(plain)
}

fn clone(words: &[&str], gomod: &GoMod) -> Result<Clone> {
    let Arguments { values, operands } = arguments(words, &["--single-branch", "--depth=1"], &["--branch="])?;
    let (Some(tag), &[url, directory]) = (values.get("--branch=").copied(), operands.as_slice()) else {
        bail!("a clone is known with --branch=, a URL and a directory")
    };
    ensure!(is_plain(tag), "{tag:?} is no tag of a release");
    ensure!(CLONES.contains(&directory), "nothing is known to be cloned to {directory}");
    let url = https(url)?;
    for name in ["containerd", "runc"] {
        if directory.ends_with(&format!("/{name}")) {
            as_module(url, tag, name, gomod)?;
        }
    }
    Ok(Clone { url: url.to_owned(), tag: tag.to_owned() })
}

/// Checks that a clone is what go.mod names, since it is the Go module that we compile.
fn as_module(url: &str, tag: &str, name: &str, gomod: &GoMod) -> Result<()> {
    let paths = ["containerd/containerd/v2", "containerd/containerd", "opencontainers/runc"];
    let paths: Vec<String> = paths.iter().map(|path| format!("github.com/{path}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).filter(|path| path.contains(name)).collect();
    let module = gomod.resolve_any(&paths)?;
    let (repository, version) = (module.path().trim_end_matches("/v2"), module.version());
    ensure!(
        url == format!("https://{repository}") && tag == version,
        "go.mod names {repository} {version}, which is what we compile"
    );
    Ok(())
}

fn fetch(words: &[&str]) -> Result<String> {
    let Arguments { values, operands } = arguments(words, &["--compressed", "-sfL"], &["-o"])?;
    let &[url] = operands.as_slice() else { bail!("one URL is known for a download") };
    let name = file_name(https(url)?);
    let is_known = match values.get("-o").copied() {
        // It is unpacked by the tar that reads the download, or by the next one.
        None => name.starts_with("k3s-root-") && name.ends_with(".tar"),
        Some(file) if file == name => name.starts_with("k3s-root-") && name.ends_with(".tar"),
        Some(file) => file == format!("build/static/charts/{name}") && name.ends_with(".tgz"),
    };
    ensure!(is_known, "only k3s-root and charts are known to be downloaded");
    Ok(url.to_owned())
}

fn https(url: &str) -> Result<&str> {
    let rest = url.strip_prefix("https://").unwrap_or_default();
    ensure!(!rest.is_empty() && !rest.starts_with(['-', '/']), "{url} is not an https:// URL");
    Ok(url)
}

fn zstd(words: &[&str]) -> Result<(i32, u32)> {
    let level = |word: &str| word.strip_prefix('-').and_then(|number| number.parse::<i32>().ok());
    let (levels, words): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| level(word).is_some());
    let Arguments { values, operands } =
        arguments(&words, &["--no-progress", "-T0", "-f", "--rm"], &["--long=", "-o"])?;
    ensure!(operands.iter().all(|file| file.starts_with("./build/out/data")), "{operands:?} is not known");
    let window = values.get("--long=").and_then(|log| log.parse().ok());
    levels.last().and_then(|word| level(word)).zip(window).context("a level and a window are expected")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOMOD: &str = "replace github.com/opencontainers/runc => github.com/k3s-io/runc v1.2.4-k3s1\n";

    /// Returns the commands of calls, one per line, with words separated by `|`.
    fn commands(calls: &str) -> Result<Commands> {
        let records: String = calls
            .lines()
            .enumerate()
            .map(|(number, line)| {
                format!("./scripts/build:{}|{line}|\u{1e}", number + 1).replace('|', "\u{1f}")
            })
            .collect();
        let mut commands = Commands::default();
        commands.take(&records, "riscv64", &GoMod::parse(GOMOD).unwrap()).map(|()| commands)
    }

    #[test]
    fn reads_calls_of_upstream() {
        let found = commands(
            "CGO_CFLAGS=-DX=1|CGO_ENABLED=1|GOARCH=riscv64|GOOS=linux|go|build|-tags|a b|-buildvcs=false|-gcflags=all=|-ldflags|-w  -s|-o|bin/k3s|./cmd/server\n\
             rm|-f|bin/ctr|bin/runc\n\
             ln|-s|k3s|./bin/ctr\n\
             git|clone|--single-branch|--branch=v1.2.4-k3s1|--depth=1|https://github.com/k3s-io/runc|build/src/github.com/opencontainers/runc\n\
             curl|--compressed|-sfL|https://github.com/k3s-io/k3s-root/releases/download/v0.14.1/k3s-root-riscv64.tar\n\
             GOPATH=/recorder/build|make|EXTRA_FLAGS=-gcflags=\"all=\"|EXTRA_LDFLAGS=-w -s|BUILDTAGS= apparmor seccomp|static\n\
             zstd|--no-progress|-T0|-16|-f|--long=25|--rm|./build/out/data.tar|-o|./build/out/data.tar.zst"
        )
        .unwrap();
        assert_eq!(found.builds[0].tags, ["a", "b"]);
        assert_eq!(
            (found.builds[0].ldflags.as_str(), found.builds[0].cgo_cflags.as_str()),
            ("-w -s", "-DX=1")
        );
        assert_eq!(found.links, [("ctr".to_owned(), "k3s".to_owned())]);
        assert_eq!(found.runc_tags, ["apparmor", "seccomp"]);
        assert_eq!(found.zstd, Some((16, 25)));
        assert_eq!((found.clones.len(), found.fetches.len()), (1, 1));
    }

    #[test]
    fn rejects_unknown_calls() {
        let server = "go|build|-o|bin/k3s|./cmd/server";
        for (call, why) in [
            ("cp|tools/new|bin/new-tool".to_owned(), "`cp tools/new bin/new-tool`"),
            ("mv|bin/cni|bin/other".to_owned(), "no such call"),
            ("sed|-i|s/a/b/|pkg/version/version.go".to_owned(), "no such call"),
            ("go|run|./tool".to_owned(), "no such call"),
            (format!("CGO_ENABLED=1|GOEXPERIMENT=x|{server}"), "GOEXPERIMENT=x is not known for bin/k3s"),
            (format!("CGO_ENABLED=1|CGO_LDFLAGS=-s|{server}"), "CGO_LDFLAGS=-s is not known"),
            (format!("CGO_ENABLED=1|GOARCH=arm64|{server}"), "GOARCH=arm64 is not known"),
            (format!("CGO_ENABLED=0|{server}"), "CGO_ENABLED=0 is not known"),
            (server.to_owned(), "CGO_ENABLED=1 is expected"),
            (format!("CGO_ENABLED=1|{server}|./cmd/more"), "./cmd/more is a second package"),
            ("CGO_ENABLED=1|go|build|-race|-o|bin/k3s|./cmd/server".to_owned(), "the flag -race"),
            ("CGO_ENABLED=1|go|build|-o|bin/new|./cmd/new".to_owned(), "\"bin/new\" is no part of k3s"),
            (format!("CGO_ENABLED=1|{server}\nCGO_ENABLED=1|{server}"), "built a second time"),
            (
                "GOPATH=/recorder/build|CGO_CFLAGS=-O0|make|static".to_owned(),
                "CGO_CFLAGS=-O0 is not known here",
            ),
            ("make|BUILDTAGS=seccomp|EXTRA_LDFLAGS=-s".to_owned(), "EXTRA_LDFLAGS=-s"),
            ("rm|-f|bin/iptables".to_owned(), "removes bin/iptables"),
            ("ln|-s|k3s|bin/../../../x".to_owned(), "is no name in bin/"),
            ("ln|-s|/etc/passwd|bin/x".to_owned(), "\"/etc/passwd\" is no name in bin/"),
            ("ln|-sf|k3s|bin/x".to_owned(), "no such call"),
            ("curl|-sfL|file:///etc/passwd".to_owned(), "is not an https:// URL"),
            ("curl|-sfL|https://example.org/new|-o|bin/new".to_owned(), "only k3s-root and charts"),
            ("zstd|-19|--ultra|--long=25".to_owned(), "--ultra is not known"),
        ] {
            let error = format!("{:#}", commands(&call).unwrap_err());
            assert!(error.contains(why) && error.contains("scripts/build:"), "{call}: {error}");
        }
    }

    #[test]
    fn rejects_clones_of_other_sources() {
        let runc = "build/src/github.com/opencontainers/runc";
        for (url, tag, directory, why) in [
            ("ext::sh -c x", "v1", runc, "is not an https:// URL"),
            ("https://github.com/k3s-io/runc", "--upload-pack=x", runc, "is no tag"),
            ("https://github.com/k3s-io/runc", "v1.2.4-k3s1", "extra", "known to be cloned to extra"),
            (
                "https://github.com/k3s-io/runc",
                "release-1.1",
                runc,
                "go.mod names github.com/k3s-io/runc v1.2.4",
            ),
            ("https://github.com/fork/runc", "v1.2.4-k3s1", runc, "which is what we compile"),
        ] {
            let error = format!(
                "{:#}",
                commands(&format!("git|clone|--branch={tag}|{url}|{directory}")).unwrap_err()
            );
            assert!(error.contains(why), "{url} {tag}: {error}");
        }
    }

    #[test]
    fn distinguishes_outputs_of_one_name() {
        let build = |output: &str, package: &str| GoBuild {
            output: output.to_owned(),
            package: Some(package.to_owned()),
            tags: Vec::new(),
            ldflags: String::new(),
            cgo_cflags: String::new(),
        };
        let builds = vec![build("bin/k3s", "./cmd/server"), build("dist/artifacts/k3s", "./cmd/k3s")];
        let commands = Commands { builds, ..Commands::default() };
        let package = |output| commands.build(output).unwrap().package.as_deref();
        assert_eq!(package("bin/k3s"), Some("./cmd/server"));
        assert_eq!(package("artifacts/k3s"), Some("./cmd/k3s"));
        assert!(commands.build("artifacts/k3s-riscv64").is_err());
    }
}
