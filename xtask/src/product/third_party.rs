//! Third-party packages in the product, read from what was really compiled, with the licence texts that have to be
//! distributed with it.

use super::Components;
use super::component::Component;
use super::go_buildinfo::{self, Compiled, CompiledFrom};
use super::licenses::{ThirdPartyPackage, document};
use super::root_licenses;
use super::sbom::{self, Licenses, Sums};
use crate::k3s::options::Presence;
use crate::k3s::root_release::RootRelease;
use crate::k3s::{Build, cni, root, seccomp};
use crate::process::cmd;
use crate::purl;
use crate::spdx::{Checksum, Part};
use crate::toolchain::gomod::{Module, Resolved};
use crate::toolchain::local_module;
use crate::toolchain::module_cache::ModuleCache;
use crate::upstream::checkout;
use crate::upstream::commands::file_name;
use crate::upstream::release::Origin;
use crate::url::without_credentials;
use anyhow::{Context as _, Result};
use fs_err as fs;
use memchr::memmem;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The third-party packages, as the manifest lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThirdParty {
    /// Go modules in any of the programs.
    pub modules: BTreeSet<Compiled>,
    /// Everything else that has a version: the Go runtime, C libraries, k3s-root.
    pub libraries: BTreeMap<String, String>,
    /// The packages in k3s-root. Some are also a library, in another version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub k3s_root: BTreeMap<String, String>,
    /// SPDX identifiers of all of it, and of k3s itself.
    pub licenses: BTreeSet<String>,
}

/// A kind of package inside the binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bundled {
    Module,
    Other,
}

impl ThirdParty {
    /// Returns kind, name and version of each package: a replacement was compiled under the name of the module that it
    /// replaces.
    pub fn bundled(&self) -> impl Iterator<Item = (Bundled, String, String)> {
        let modules = self.modules.iter();
        let modules = modules.map(|it| (Bundled::Module, it.path.clone(), it.compiled_version()));
        let others = self.libraries.iter().chain(&self.k3s_root);
        modules.chain(others.map(|(name, version)| (Bundled::Other, name.clone(), version.clone())))
    }

    /// Adds what others wrote of another part of the product.
    pub fn extend(&mut self, other: ThirdParty) {
        self.modules.extend(other.modules);
        self.libraries.extend(other.libraries);
        self.k3s_root.extend(other.k3s_root);
        self.licenses.extend(other.licenses);
    }
}

/// The name of k3s-root among the libraries.
pub const K3S_ROOT: &str = "k3s-root";

/// Gathers all of it, each package for the SBOM, and the document with the licences.
pub fn gather(build: &Build, components: &Components) -> Result<(ThirdParty, Vec<Part>, String)> {
    let mut found = ThirdParty::default();
    let (mut parts, mut sums) = (Vec::new(), Sums::new());
    let mut packages = Vec::new();

    let (containerd, runc) = (&build.facts.containerd, &build.facts.runc);
    let programs = [
        (Component::Server, None),
        (Component::Shim, Some(containerd)),
        (Component::Runc, Some(runc)),
        (Component::Binary, None),
    ];
    for (component, main) in programs {
        let listed = go_buildinfo::of_program(&components[&component])?;
        found.modules.extend(modules_in(build, &listed, main)?);
        sums.extend(go_buildinfo::sums(&listed));
    }
    // The shim and runc are compiled as their own main modules, which they therefore do not name.
    for module in [containerd, runc].map(Compiled::from) {
        if !found.modules.iter().any(|known| known.origin() == module.origin()) {
            found.modules.insert(module);
        }
    }
    let cache = build.any_go.module_cache();
    // Several may be compiled from one origin: a module, and that which it replaces.
    let origins: BTreeSet<_> = found.modules.iter().map(Compiled::origin).collect();
    for origin in origins {
        packages.push(ThirdPartyPackage::in_directory(&origin.to_string(), &files(build, &cache, &origin)?)?);
    }
    let plugins = plugins(build, &fs::read(&components[&Component::Cni])?)?;
    for (module, package) in plugins {
        if found.modules.insert(module) {
            packages.push(package);
        }
    }
    if build.source.origin == Origin::Sample {
        packages.iter_mut().filter(|package| package.texts.is_empty()).for_each(stand_in);
    }
    for (library, package) in libraries(build, &found.modules, &cache)? {
        parts.push(part(build, library.as_ref(), &package));
        found.libraries.extend(library);
        packages.push(package);
    }
    if build.options.k3s_root == Presence::Included {
        let tag = root::tag(build)?;
        found.libraries.insert(K3S_ROOT.to_owned(), tag.to_owned());
        parts.push(root_licenses::own_part(tag));
        match RootRelease::named(build.context, tag)? {
            Some(release) => {
                packages.extend(root_licenses::of(build.context, &release)?);
                parts.extend(release.packages.iter().map(root_licenses::part));
                found.k3s_root = release.versions();
            }
            None => packages.push(root_licenses::unknown(tag)),
        }
    }
    let licenses: Licenses = packages.iter().map(|it| (it.name.as_str(), &it.licenses)).collect();
    parts.extend(found.modules.iter().map(|it| sbom::module(it, &licenses, &sums)));
    found.licenses.insert("Apache-2.0".to_owned());
    found.licenses.extend(packages.iter().flat_map(|package| package.licenses.iter().cloned()));
    Ok((found, parts, document(&format!("k3s {}", build.source.version), &packages)))
}

/// A module of the sample has no licence file, since it was written in this repository.
fn stand_in(package: &mut ThirdPartyPackage) {
    package.licenses = BTreeSet::from(["Apache-2.0".to_owned()]);
    package.remark = Some("a stand-in of the sample, written for it".to_owned());
}

/// Returns the directory of the files that were compiled. An earlier run may have compiled them, and the module cache may have
/// been emptied since (`go clean -modcache`): then they are fetched again.
fn files(build: &Build, cache: &ModuleCache, origin: &CompiledFrom) -> Result<PathBuf> {
    match origin {
        CompiledFrom::Directory(directory) => Ok(build.patched.tree.join(directory)),
        CompiledFrom::Module { path, version } => {
            let files = cache.files(path, version);
            if files.is_dir() {
                return Ok(files);
            }
            let module = Module { path: path.clone(), version: version.clone() };
            build.module_directory(&Resolved::Fetched(module))
        }
    }
}

/// Returns the modules that a program lists, whose main module is k3s' own where none is named. Directories that the main
/// module's go.mod names become paths from the tree's root.
fn modules_in(build: &Build, listed: &str, main: Option<&Resolved>) -> Result<BTreeSet<Compiled>> {
    let base = match main {
        Some(Resolved::Local(local)) => local.directory.as_str(),
        Some(Resolved::Fetched(_)) | None => "",
    };
    let from_root = |module: Compiled| -> Result<Compiled> {
        let Some(CompiledFrom::Directory(written)) = &module.replacement else { return Ok(module) };
        let directory = local_module::directory(&build.patched.tree, base, written)
            .with_context(|| format!("{} is compiled from the directory {written}", module.path))?;
        Ok(Compiled { replacement: Some(CompiledFrom::Directory(directory)), ..module })
    };
    go_buildinfo::of_build_info(listed).into_iter().map(from_root).collect()
}

/// Returns the CNI plugins' repositories and those of their vendored modules that the linker kept: programs compiled in
/// a GOPATH do not list their modules, but contain the names of their functions.
fn plugins(build: &Build, program: &[u8]) -> Result<Vec<(Compiled, ThirdPartyPackage)>> {
    let mut found = Vec::new();
    for repository in cni::repositories(build)? {
        let tree = tempfile::tempdir()?;
        checkout::export(&repository.commit, tree.path())?;
        let url = without_credentials(&repository.url);
        let module = Compiled::plain(url.trim_start_matches("https://"), &repository.tag);
        let package = ThirdPartyPackage::in_directory(&module.to_string(), tree.path())?;
        found.push((module, package));
        let vendor = tree.path().join("vendor");
        let list = fs::read_to_string(vendor.join("modules.txt")).unwrap_or_default();
        for module in go_buildinfo::of_vendor_list(&list) {
            if memmem::find(program, format!("/vendor/{}", module.path).as_bytes()).is_some() {
                let package =
                    ThirdPartyPackage::in_directory(&module.to_string(), &vendor.join(&module.path))?;
                found.push((module, package));
            }
        }
    }
    Ok(found)
}

/// Returns a package that is no Go module for the SBOM.
fn part(build: &Build, library: Option<&(String, String)>, package: &ThirdPartyPackage) -> Part {
    let (name, version) = library.cloned().unzip();
    let mut part = Part {
        name: name.unwrap_or_else(|| package.name.clone()),
        version,
        licenses: package.licenses.clone(),
        source: package.remark.clone(),
        ..Part::default()
    };
    match (part.name.as_str(), &part.version) {
        (GO, Some(version)) => part.purl = Some(purl::golang("stdlib", version)),
        (LIBSECCOMP, _) => {
            let pin = &build.context.pins.libseccomp;
            part.download = Some(pin.url.clone());
            part.checksum = Some(Checksum::Sha256(pin.sha256.clone()));
        }
        _ => {}
    }
    part
}

const GO: &str = "golang";
const LIBSECCOMP: &str = "libseccomp";

type Library = (Option<(String, String)>, ThirdPartyPackage);

/// Returns the third-party packages that are no Go modules.
fn libraries(build: &Build, modules: &BTreeSet<Compiled>, cache: &ModuleCache) -> Result<Vec<Library>> {
    let go_root = build.go.program.ancestors().nth(2).map(PathBuf::from).unwrap_or_default();
    // The executable on the search path may be a link to the one beside zig's libraries.
    let zig = fs::canonicalize(&build.zig.program)?.parent().map(PathBuf::from).unwrap_or_default();
    let go = &build.go.version;
    let mut found = vec![
        (Some((GO.to_owned(), go.clone())), ThirdPartyPackage::in_directory(&format!("Go {go}"), &go_root)?),
        (None, ThirdPartyPackage::in_directory("musl, the C library", &zig.join("lib/libc/musl"))?),
        libseccomp(build)?,
    ];
    found.extend(sqlite(build, modules, cache)?);
    if build.options.charts == Presence::Included {
        for url in build.facts.commands.fetches.iter().filter(|url| url.ends_with(".tgz")) {
            let url = without_credentials(url);
            found.push((
                None,
                ThirdPartyPackage::elsewhere(file_name(&url), &["Apache-2.0"], format!("from {url}")),
            ));
        }
    }
    Ok(found)
}

fn libseccomp(build: &Build) -> Result<Library> {
    let pin = &build.context.pins.libseccomp;
    let archive = seccomp::archive(build)?;
    let file = format!("libseccomp-{}/LICENSE", pin.version);
    let text = cmd!(build.context, "tar --extract --to-stdout --file {archive} {file}")
        .read()
        .context("reading libseccomp's licence")?;
    let name = format!("libseccomp {}", pin.version);
    let package = ThirdPartyPackage::of(&name, vec![("LICENSE".to_owned(), text)]);
    Ok((Some((LIBSECCOMP.to_owned(), pin.version.clone())), package))
}

/// SQLite, which go-sqlite3 carries in one file.
fn sqlite(build: &Build, modules: &BTreeSet<Compiled>, cache: &ModuleCache) -> Result<Option<Library>> {
    let Some(module) = modules.iter().find(|module| module.path == "github.com/mattn/go-sqlite3") else {
        return Ok(None);
    };
    let header = files(build, cache, &module.origin())?.join("sqlite3-binding.h");
    let Some(version) = fs::read_to_string(header).ok().as_deref().and_then(sqlite_version) else {
        return Ok(None);
    };
    let package =
        ThirdPartyPackage::elsewhere(&format!("SQLite {version}"), &["blessing"], "in the public domain");
    Ok(Some((Some(("sqlite".to_owned(), version)), package)))
}

/// Returns the value of `#define SQLITE_VERSION "3.50.4"`.
fn sqlite_version(header: &str) -> Option<String> {
    let line = header.lines().find_map(|line| line.strip_prefix("#define SQLITE_VERSION "))?;
    Some(line.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlites_version_is_read_from_its_header() {
        let header = "#define SQLITE_VERSION_NUMBER 3050004\n#define SQLITE_VERSION        \"3.50.4\"\n";
        assert_eq!(sqlite_version(header).as_deref(), Some("3.50.4"));
    }
}
