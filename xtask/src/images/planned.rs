//! The images of a run: references of the selected k3s, each with the sources that its tag corresponds to.
//!
//! Everything that cannot be had is reported here, before anything is built.

use super::definition::{AddedFile, Definition, OwnFile, Program};
use crate::error;
use crate::k3s::Build;
use crate::k3s::go_build::{C, Compile, Flags};
use crate::lockfile::debian::DebianPackage;
use crate::reference::Reference;
use crate::toolchain::debian;
use crate::toolchain::go::{self, DownloadedModule};
use crate::toolchain::gomod::{GoMod, Module};
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use fs_err as fs;
use std::collections::BTreeMap;

/// An image that is built, under one reference.
pub struct PlannedImage<'d> {
    pub definition: &'d Definition,
    pub reference: Reference,
    /// The version of what is in it: that of the tag, or a substitute.
    pub version: String,
    /// The source of what is in it: a module with its checksum, since a proxy names no commit, Debian packages, or the
    /// commit of k3s.
    pub revision: String,
    /// Set if the version is not the one that the tag names.
    pub substitute: bool,
    pub program: Option<PlannedProgram>,
    /// The packages of each group of Debian files.
    pub debian: Vec<Vec<DebianPackage>>,
}

/// The program of an image, with its module.
pub struct PlannedProgram {
    pub module: Module,
    pub source: DownloadedModule,
    pub compile: Compile,
    /// Files that are compiled with the module, by their path in it.
    pub added: BTreeMap<TreePath, Vec<u8>>,
}

impl<'d> PlannedImage<'d> {
    /// Finds the sources of an image.
    pub fn new(build: &Build, definition: &'d Definition, reference: Reference) -> Result<PlannedImage<'d>> {
        let substitute = build.options.substitutes.get(&definition.name);
        let tag = reference.tag();
        let debian = debian_packages(build, definition)?;
        let (version, program) = match &definition.program {
            Some(program) => {
                let module =
                    module(program, tag, substitute).with_context(|| remedy(definition, "VERSION"))?;
                let version = module.version.clone();
                (version, Some(PlannedProgram::new(build, definition, program, module)?))
            }
            None => (debian_version(definition, &debian, tag, substitute)?, None),
        };
        let revision = match &program {
            Some(PlannedProgram { module, source, .. }) => {
                format!("{} {} {}", module.path, module.version, source.sum)
            }
            None => {
                let packages = debian.iter().flatten();
                let packages = packages.map(|it| format!("{} {}", it.name(), it.version()));
                packages.collect::<Vec<_>>().join(", ")
            }
        };
        let substitute = substitute.is_some();
        Ok(PlannedImage { definition, reference, version, revision, substitute, program, debian })
    }

    /// Finds the sources of the image of the k3s that is built.
    pub fn of_k3s(build: &Build, definition: &'d Definition) -> Result<PlannedImage<'d>> {
        let version = build.source.version.to_string();
        // A tag has no `+` (distribution-spec, "Pulling manifests").
        let reference = format!("{}:{}", definition.repository, version.replace('+', "-"));
        Ok(PlannedImage {
            definition,
            reference: Reference::parse(&reference)?,
            version,
            revision: build.source.commit.id.clone(),
            substitute: false,
            program: None,
            debian: debian_packages(build, definition)?,
        })
    }

    /// Replaces the placeholders in a text: `{version}`, and `{number}`, as upstream's numbers are written.
    pub fn expand(&self, text: &str) -> String {
        text.replace("{version}", &self.version).replace("{number}", self.number())
    }

    /// Returns the content of a file of our own.
    pub fn content(&self, file: &OwnFile) -> Result<Vec<u8>> {
        match (&file.from, &file.text) {
            (Some(from), _) => Ok(fs::read(from.below(&self.definition.directory)?)?),
            (None, text) => Ok(self.expand(text.as_deref().unwrap_or_default()).into_bytes()),
        }
    }

    /// Returns the version as upstream's numbers: without a `v`, and without Debian's revision.
    pub fn number(&self) -> &str {
        let number = self.version.trim_start_matches('v');
        if self.program.is_some() { number } else { number.split('-').next().unwrap_or(number) }
    }

    /// Returns the name of one of the image's steps, which exists as long as this process.
    pub fn step_name(&self, what: &str) -> &'static str {
        format!("{what}-{}", self.definition.name).leak()
    }
}

/// Returns the packages of each group of Debian files.
fn debian_packages(build: &Build, definition: &Definition) -> Result<Vec<Vec<DebianPackage>>> {
    let packages = definition
        .debian
        .iter()
        .map(|files| debian::locked_packages(build.context, build.lock, build.target, &files.packages));
    error::all(packages)
}

impl PlannedProgram {
    fn new(
        build: &Build,
        definition: &Definition,
        program: &Program,
        module: Module,
    ) -> Result<PlannedProgram> {
        let source = build
            .any_go
            .locked(build.context, build.lock, &module)
            .with_context(|| remedy(definition, "VERSION"))?;
        // A module inside its repository is no part of the module in the proxy.
        let gomod = GoMod::read(&source.dir).with_context(|| remedy(definition, "VERSION"))?;
        let go = go::newer(&build.go.version, gomod.go_version());
        let flags = Flags {
            tags: &[],
            ldflags: &format!("-s -w {}", expand(&program.ldflags, &module, &gomod)?),
            cflags: "",
            package: &program.package,
        };
        let name = format!("program-{}", definition.name).leak();
        let mut compile = Compile::new(build, name, &flags, C::None)?;
        if go != build.go.version {
            compile = compile.by(build.any_go.release(build.context, go)?);
        }
        let added = program.add.iter().filter(|file| file.module == module.path);
        let content = |file: &AddedFile| {
            let from = file.from.below(&definition.directory)?;
            Ok((file.path.clone(), fs::read(from)?))
        };
        let added = added.map(content).collect::<Result<_>>()?;
        Ok(PlannedProgram { module, source, compile, added })
    }
}

/// Describes what an image is built from, as far as its definition says, without looking for it.
pub fn sources(definition: &Definition, tag: &str) -> String {
    let mut sources = Vec::new();
    if let Some(program) = &definition.program {
        sources.push(match module(program, tag, None) {
            Ok(module) => format!("{} {}", module.path, module.version),
            Err(_) => format!("{}, no version of which is known for this tag", unversioned(program)),
        });
    }
    let packages = definition.debian.iter().flat_map(|files| &files.packages);
    sources.extend(packages.map(|package| format!("Debian's {package}")));
    if definition.file.iter().any(|file| file.from.is_some()) {
        sources.push(format!("images/{}/", definition.name));
    }
    sources.join(", ")
}

/// Returns the module that a tag corresponds to, or the version that was asked for in its place.
fn module(program: &Program, tag: &str, substitute: Option<&str>) -> Result<Module> {
    let version = match (substitute, program.versions.get(tag), &program.version) {
        (Some(version), ..) => version.to_owned(),
        (None, Some(version), _) => version.clone(),
        (None, None, Some(rule)) => rule.replace("{tag}", tag.trim_start_matches('v')),
        (None, None, None) => bail!("no version of {} is known that {tag} names", unversioned(program)),
    };
    let major = version.trim_start_matches('v').split('.').next().unwrap_or_default();
    Ok(Module { path: program.module.replace(MAJOR, major), version })
}

/// Returns the path of a program's module without its major number.
fn unversioned(program: &Program) -> &str {
    program.module.trim_end_matches(MAJOR).trim_end_matches("/v")
}

/// The placeholder in a module's path for the major number of its version (go.dev/ref/mod#major-version-suffixes).
const MAJOR: &str = "{major}";

/// Checks that Debian has the version that a tag names.
fn debian_version(
    definition: &Definition,
    debian: &[Vec<DebianPackage>],
    tag: &str,
    substitute: Option<&str>,
) -> Result<String> {
    let Some(name) = &definition.version_of else {
        ensure!(substitute.is_none(), "{} has no version of its own to be substituted", definition.name);
        return Ok(tag.to_owned());
    };
    let package = debian.iter().flatten().find(|package| package.name() == name);
    let version = package.with_context(|| format!("{name} is none of the image's packages"))?.version();
    let upstream = version.rsplit_once('-').map_or(version.as_str(), |(upstream, _)| upstream).to_owned();
    let wanted = substitute.unwrap_or(tag.trim_start_matches('v'));
    ensure!(
        upstream == wanted,
        "Debian has {name} {upstream}, not {wanted}\n  {}",
        remedy(definition, &upstream)
    );
    Ok(version)
}

fn remedy(definition: &Definition, version: &str) -> String {
    format!(
        "the version of {} cannot be had\n  To build another one in its place, which is labelled so: --substitute {}={version}",
        definition.repository, definition.name
    )
}

/// Replaces the placeholders: `{module}`, `{version}`, `{number}`, which is the version without a `v`, and `{minor PATH}`,
/// the minor number of a module that the program is compiled with.
fn expand(text: &str, module: &Module, gomod: &GoMod) -> Result<String> {
    let mut expanded = text
        .replace("{module}", &module.path)
        .replace("{version}", &module.version)
        .replace("{number}", module.version.trim_start_matches('v'));
    while let Some((before, rest)) = expanded.split_once("{minor ") {
        let (path, after) =
            rest.split_once('}').with_context(|| format!("{text:?} has an open placeholder"))?;
        let resolved = gomod.resolve(path).ok_or_else(|| anyhow!("{module:?} does not require {path}"))?;
        let version = resolved.version();
        let minor = version.split('.').nth(1).with_context(|| format!("{version} has no minor number"))?;
        expanded = format!("{before}{minor}{after}");
    }
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn program() -> Program {
        let text = "module = \"m/v{major}\"\npath = \"p\"\nversion = \"v{tag}\"\nversions = { \"v9-build1\" = \"v3.1.0\", \"v10\" = \"v4.0.0\" }\n";
        toml::from_str(text).unwrap()
    }

    fn named(tag: &str, substitute: Option<&str>) -> String {
        let module = module(&program(), tag, substitute).unwrap();
        format!("{}@{}", module.path, module.version)
    }

    #[test]
    fn tag_names_the_module_by_rule_or_exception() {
        assert_eq!(named("2.2", None), "m/v2@v2.2");
        assert_eq!(named("v2.2", None), "m/v2@v2.2");
        assert_eq!(named("v9-build1", None), "m/v3@v3.1.0");
        assert_eq!(named("v10", None), "m/v4@v4.0.0");
        assert_eq!(named("v9-build1", Some("v3.2.0")), "m/v3@v3.2.0");
    }

    #[test]
    fn sources_are_module_packages_and_own_files() {
        let definitions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images");
        let definitions = Definition::load(&definitions).unwrap();
        let of = |name: &str, tag| sources(definitions.iter().find(|it| it.name == name).unwrap(), tag);
        assert_eq!(of("busybox", "1.37.0"), "Debian's busybox-static");
        let helm = of("klipper-helm", "v0.9.14-build20260210");
        assert!(helm.starts_with("helm.sh/helm/v3 v3.19.5, Debian's "), "{helm}");
        assert!(helm.ends_with(", images/klipper-helm/"), "{helm}");
        let unknown = of("klipper-helm", "v9");
        assert!(unknown.starts_with("helm.sh/helm, no version of which is known"), "{unknown}");
    }

    #[test]
    fn tag_without_a_rule_needs_a_substitute() {
        let program = Program { version: None, ..program() };
        assert!(module(&program, "v11", None).unwrap_err().to_string().contains("v11"));
        assert_eq!(module(&program, "v11", Some("v3.3.0")).unwrap().version, "v3.3.0");
    }

    #[test]
    fn placeholders_are_replaced() {
        let gomod = GoMod::parse("require k8s.io/client-go v0.34.2\n").unwrap();
        let module = Module { path: "m/v3".to_owned(), version: "v3.1.0".to_owned() };
        let expanded = |text| expand(text, &module, &gomod);
        assert_eq!(expanded("-X {module}/x={version} {number}").unwrap(), "-X m/v3/x=v3.1.0 3.1.0");
        assert_eq!(expanded("a={minor k8s.io/client-go}").unwrap(), "a=34");
        assert!(expanded("{minor absent}").unwrap_err().to_string().contains("does not require absent"));
    }
}
