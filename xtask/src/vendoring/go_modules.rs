//! Go's module cache, reduced to what one build reads.
//!
//! Not `go mod vendor`: a program compiled with `-mod=vendor` does not name the checksums of its modules, so it
//! differs from the binary that is to be reproduced (cmd/go, internal/load, `setBuildInfo`). One cache also serves
//! k3s, the shim and runc together, and Go still verifies every go.mod in it against go.sum.

use crate::dir;
use crate::k3s::go_build::Package;
use crate::k3s::{Build, binary, runc, server, shim, source_tree};
use crate::product::licenses::contains_a_license;
use crate::toolchain::gomod::{Module, Resolved};
use crate::toolchain::module_cache::{ModuleCache, unescaped};
use crate::upstream::layout::EmbedMethod;
use crate::upstream::probe::GO_VERSION_FILES;
use crate::url::file_url;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// Settings of Go that lead it to a module cache.
pub type Settings = [(&'static str, String)];

/// Fills `directory` with the packages that the patched tree, the shim and runc are compiled from.
///
/// Go lists all packages with a module cache that is empty at first. Afterwards it contains exactly what Go needs.
pub fn gather(build: &Build, tree: &Path, directory: &Path) -> Result<()> {
    let theirs = build.any_go.module_cache();
    // Beside the result, since complete modules need more room than a system may have for temporary files.
    let scratch = tempfile::tempdir_in(directory.parent().unwrap_or(directory))?;
    let asked = ModuleCache { directory: scratch.path().join("modules") };
    let settings = [
        ("GOMODCACHE", asked.directory.to_string_lossy().into_owned()),
        ("GOPROXY", format!("{},{}", file_url(&theirs.downloads()), build.any_go.proxy())),
        // Or the scratch directory could not be removed.
        ("GOFLAGS", "-modcacherw".to_owned()),
    ];
    let into = ModuleCache { directory: directory.to_owned() };
    for package in packages(build, tree, &settings)? {
        let below =
            |cache: &ModuleCache| Some(package.directory.strip_prefix(&cache.directory).ok()?.to_owned());
        // Other packages are in the tree.
        if let Some(relative) = below(&asked).or_else(|| below(&theirs)) {
            copy_package(&package, &directory.join(relative))?;
        }
    }
    copy_records(&asked, &into)?;
    copy_main_modules(build, &theirs, &into)
}

/// Returns every package that is compiled, whichever program it is for.
fn packages(build: &Build, tree: &Path, settings: &Settings) -> Result<Vec<Package>> {
    let of_shim = build.module_directory(&build.facts.containerd)?;
    let of_runc = build.module_directory(&build.facts.runc)?;
    let mut found = Vec::new();
    for (compile, directory) in [
        (server::compile(build)?, tree),
        (binary::compile(build, "vendor")?, tree),
        (shim::compile(build)?, &of_shim),
        (runc::compile(build)?, &of_runc),
    ] {
        let packages = compile.packages(build, directory, settings);
        found.extend(packages.with_context(|| format!("listing the packages of {}", directory.display()))?);
    }
    match build.facts.embed_method {
        EmbedMethod::GoEmbed => {}
        EmbedMethod::GoBindata => found.extend(source_tree::generator_packages(build, tree, settings)?),
    }
    Ok(found)
}

/// Copies what may take part in a package: all files beside each other but tests, and what it embeds.
fn copy_package(package: &Package, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    dir::copy_files(&package.directory, to, |name| !name.ends_with("_test.go"))?;
    package.embedded.iter().try_for_each(|file| dir::copy_file(&package.directory.join(file), &to.join(file)))
}

/// Copies what Go wrote down about the modules it asked for, and their licences, but no zip.
fn copy_records(from: &ModuleCache, into: &ModuleCache) -> Result<()> {
    let downloads = from.downloads();
    for entry in walkdir::WalkDir::new(&downloads).sort_by_file_name() {
        let entry = entry?;
        let Some((module, kind)) = recorded(entry.path().strip_prefix(&downloads)?) else { continue };
        if ["info", "mod", "ziphash"].contains(&kind.as_str()) {
            copy_record(from, into, &module, &kind)?;
        }
        if kind == "ziphash" {
            copy_licenses(from, into, &module)?;
        }
    }
    Ok(())
}

/// Returns the module of a record and its kind: `example.com/a/@v/v1.0.0.mod`.
fn recorded(path: &Path) -> Option<(Module, String)> {
    let (module, file) = path.to_str()?.split_once("/@v/")?;
    let (version, kind) = file.rsplit_once('.')?;
    Some((Module { path: unescaped(module), version: unescaped(version) }, kind.to_owned()))
}

/// Copies the modules that xtask itself reads: the shim's and runc's, which are compiled in their own directories,
/// and Kubernetes', which names the Go version.
fn copy_main_modules(build: &Build, theirs: &ModuleCache, into: &ModuleCache) -> Result<()> {
    let go_sum = fs::read_to_string(build.patched.tree.join("go.sum"))?;
    let kubernetes = build.facts.gomod.kubernetes()?;
    for module in [&build.facts.containerd, &build.facts.runc, &kubernetes] {
        // A directory of the tree comes with the tree.
        let Resolved::Fetched(module) = module else { continue };
        for kind in ["info", "mod", "ziphash"] {
            copy_record(theirs, into, module, kind)?;
        }
        // A module without an entry in go.sum is only read from a zip.
        if theirs.verified(module, &go_sum).is_none() {
            copy_record(theirs, into, module, "zip")?;
        }
        copy_licenses(theirs, into, module)?;
        // By these two, Go recognises the root of a module.
        copy_existing(theirs, into, module, &["go.mod", "go.sum"])?;
    }
    match &kubernetes {
        Resolved::Fetched(kubernetes) => copy_existing(theirs, into, kubernetes, &GO_VERSION_FILES),
        Resolved::Local(_) => Ok(()),
    }
}

fn copy_record(from: &ModuleCache, into: &ModuleCache, module: &Module, kind: &str) -> Result<()> {
    let record = |cache: &ModuleCache| cache.record(&module.path, &module.version, kind);
    dir::copy_file(&record(from), &record(into))
}

/// Copies the licence files of a module. A module without any still gets a directory: Go reads all that might contain
/// a package.
fn copy_licenses(from: &ModuleCache, into: &ModuleCache, module: &Module) -> Result<()> {
    let (files, to) = (from.files(&module.path, &module.version), into.files(&module.path, &module.version));
    fs::create_dir_all(&to)?;
    dir::copy_files(&files, &to, contains_a_license)
}

fn copy_existing(from: &ModuleCache, into: &ModuleCache, module: &Module, names: &[&str]) -> Result<()> {
    let (files, to) = (from.files(&module.path, &module.version), into.files(&module.path, &module.version));
    for name in names.iter().filter(|name| files.join(name).is_file()) {
        dir::copy_file(&files.join(name), &to.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_module_of_a_record() {
        let (module, kind) = recorded(Path::new("github.com/!a/b/@v/v1.0.0-rc.1+incompatible.mod")).unwrap();
        assert_eq!((module.path.as_str(), kind.as_str()), ("github.com/A/b", "mod"));
        assert_eq!(module.version, "v1.0.0-rc.1+incompatible");
        assert!(recorded(Path::new("sumdb/latest")).is_none());
    }
}
