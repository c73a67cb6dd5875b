//! Layers of files from Debian packages, of which nothing is executed here but busybox.

use super::LAYER;
use super::definition::DebianFiles;
use super::layer::Layer;
use crate::digest::Digest;
use crate::k3s::Build;
use crate::lockfile::debian::DebianPackage;
use crate::product::run::Emulator;
use crate::step::Step;
use crate::toolchain::debian;
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::Path;

/// Returns the step that writes the layer.
pub fn step<'a>(
    build: &'a Build<'a>,
    name: &'static str,
    files: &'a DebianFiles,
    packages: &'a [DebianPackage],
) -> Step<'a> {
    let mut inputs: Vec<String> =
        packages.iter().map(|package| format!("{} sha256:{}", package.file, package.sha256)).collect();
    let text = format!("{files:?}");
    inputs.push(format!("selection sha256:{} for {}", Digest::of(text), build.target.debian));
    Step::in_process(name, inputs).work(move |directory, _| {
        let archives = packages.iter().map(|package| debian::fetch(build.context, package));
        let archives = archives.collect::<Result<Vec<_>>>()?;
        let unpacked = tempfile::tempdir_in(directory)?;
        debian::unpack(build.context, &archives, unpacked.path())?;
        let layer = layer(build, files, unpacked.path())?;
        layer.write(&directory.join(LAYER))?;
        unpacked.close().context("removing unpacked packages")
    })
}

/// Selects the files.
fn layer(build: &Build, files: &DebianFiles, root: &Path) -> Result<Layer> {
    let mut layer = Layer::default();
    let paths = |list: &[String]| -> Vec<String> {
        list.iter().map(|path| DebianFiles::for_target(path, build.target)).collect()
    };
    let (include, exclude) = (paths(&files.include), paths(&files.exclude));
    let mut used = vec![false; include.len()];
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = entry.path().strip_prefix(root)?;
        let is_below = |list: &[String]| list.iter().position(|name| is_named(&path.to_string_lossy(), name));
        let included = is_below(&include).filter(|_| is_below(&exclude).is_none());
        if let Some(index) = included {
            used[index] = true;
        }
        if included.is_some() || is_copyright(path) {
            layer.copy(&TreePath::parse(&path.to_string_lossy())?, entry.path())?;
        }
    }
    let unused = include.iter().zip(used).find(|(_, used)| !used);
    ensure!(
        unused.is_none(),
        "the packages {} have no {}",
        files.packages.join(", "),
        unused.map_or("", |it| it.0)
    );
    for (path, from) in &files.concatenate {
        layer.bytes(path, concatenated(&from.below(root)?)?, 0o644);
    }
    for (path, target) in &files.links {
        layer.link(path, target);
    }
    if let Some(busybox) = &files.applets {
        let directory =
            busybox.as_str().rsplit_once('/').map_or(String::new(), |(parent, _)| format!("{parent}/"));
        for applet in applets(build, &busybox.below(root)?)? {
            layer.link(&TreePath::parse(&format!("{directory}{applet}"))?, "busybox");
        }
    }
    Ok(layer)
}

/// Returns whether a path is this one, below it, or that of a library with more numbers in its version.
fn is_named(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
}

/// Returns whether a file is a package's copyright, which is distributed with it.
fn is_copyright(path: &Path) -> bool {
    path.starts_with("usr/share/doc") && path.ends_with("copyright")
}

/// Returns the text of all files below a directory, in the order of their names.
fn concatenated(directory: &Path) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() {
            all.extend(fs::read(entry.path())?);
            if !all.ends_with(b"\n") {
                all.push(b'\n');
            }
        }
    }
    ensure!(!all.is_empty(), "no file is below {}", directory.display());
    Ok(all)
}

/// Returns the names of busybox's applets, which it lists itself.
fn applets(build: &Build, busybox: &Path) -> Result<Vec<String>> {
    let list = Emulator::require(build.target)?.program(build.context, busybox, &["--list"])?.read()?;
    ensure!(
        list.lines().any(|applet| applet == "sh"),
        "{} lists no shell among its applets",
        busybox.display()
    );
    Ok(list.lines().filter(|applet| *applet != "busybox").map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_takes_what_is_below_it_and_longer_versions() {
        for (path, taken) in [
            ("usr/lib/libm.so.6", true),
            ("usr/lib/libm.so.6.1", true),
            ("usr/lib/libm.so.6/x", true),
            ("usr/lib/libm.so.61", false),
            ("usr/lib/libmvec.so.1", false),
        ] {
            assert_eq!(is_named(path, "usr/lib/libm.so.6"), taken, "{path}");
        }
    }

    #[test]
    fn copyright_files_are_recognized() {
        assert!(is_copyright(Path::new("usr/share/doc/libc6/copyright")));
        assert!(!is_copyright(Path::new("usr/share/doc/libc6/changelog.gz")));
    }
}
