//! Modules that a go.mod replaces by a directory of the tree (go.dev/ref/mod#go-mod-file-replace).
//!
//! Such a directory belongs to the tree: it is patched, hashed, packaged and compiled with it. A directory
//! elsewhere on this machine is none of these, so it is refused.

use anyhow::{Result, bail, ensure};
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// The version that Go gives a replaced module which nothing requires (cmd/go, internal/modload).
const NO_VERSION: &str = "v0.0.0-00010101000000-000000000000";

/// A module that is compiled from a directory of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalModule {
    /// The path that it is imported by.
    pub path: String,
    /// The version that go.mod requires, which the directory takes the place of.
    pub version: String,
    /// The directory from the tree's root: `./lab/containerd`.
    pub directory: String,
}

impl LocalModule {
    pub fn new(path: &str, required: Option<&str>, directory: &str) -> LocalModule {
        let version = required.unwrap_or(NO_VERSION).to_owned();
        LocalModule { path: path.to_owned(), version, directory: directory.to_owned() }
    }
}

/// Marks a required version as not the compiled one: `v2.2.0+local`.
pub fn labelled(version: &str) -> String {
    let mark = if version.contains('+') { ".local" } else { "+local" };
    format!("{version}{mark}")
}

impl fmt::Display for LocalModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} => {}", self.path, self.version, self.directory)
    }
}

/// Returns true if the right side of a `replace` is a directory.
pub fn is_directory(text: &str) -> bool {
    [".", ".."].contains(&text) || ["./", "../", "/"].iter().any(|begin| text.starts_with(begin))
}

/// Returns the directory that a go.mod in `base` replaces a module by, as a path from the tree's root:
/// `./lab/containerd`.
///
/// # Errors
/// If it leads out of the tree, also through a symbolic link, or holds no module.
pub fn directory(tree: &Path, base: &str, written: &str) -> Result<String> {
    let mut below = PathBuf::new();
    for component in Path::new(base).components().chain(Path::new(written).components()) {
        match component {
            Component::Normal(name) => below.push(name),
            Component::CurDir => {}
            Component::ParentDir if below.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => bail!(
                "it is outside of the tree, and only the tree is built\n  \
                 Put the directory into the tree, or name a module with its version."
            ),
        }
        ensure!(
            !tree.join(&below).is_symlink(),
            "{} is a symbolic link, which may lead out of the tree\n  Put the directory itself there.",
            tree.join(&below).display()
        );
    }
    ensure!(
        tree.join(&below).join("go.mod").is_file(),
        "it holds no module: {} is missing",
        tree.join(&below).join("go.mod").display()
    );
    Ok(format!("./{}", below.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::gomod::GoMod;
    use fs_err as fs;

    /// Returns a tree with the modules `lab/a` and `lab/a/api`, whose go.mod replaces a module by this directory.
    fn replaced_by(directory: &str, prepare: impl Fn(&Path)) -> Result<String> {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("lab/a/api")).unwrap();
        for module in ["lab/a", "lab/a/api"] {
            fs::write(tree.path().join(module).join("go.mod"), "module a\n").unwrap();
        }
        fs::write(tree.path().join("go.mod"), format!("require a v1.0.0\nreplace a => {directory}\n"))
            .unwrap();
        prepare(tree.path());
        let resolved = GoMod::read(tree.path())?.resolve("a");
        Ok(resolved.unwrap().to_string())
    }

    #[track_caller]
    fn refusal(directory: &str, prepare: impl Fn(&Path)) -> String {
        format!("{:#}", replaced_by(directory, prepare).unwrap_err())
    }

    #[test]
    fn accepts_directory_of_the_tree() {
        for written in ["./lab/a", "./lab/../lab/./a/", "\"./lab/a\""] {
            assert_eq!(replaced_by(written, |_| ()).unwrap(), "a v1.0.0 => ./lab/a", "{written}");
        }
    }

    #[test]
    fn rejects_directories_outside() {
        for written in ["../a", "/tmp/a", "./lab/../../a", ".."] {
            let error = refusal(written, |_| ());
            assert!(error.contains(&format!("go.mod replaces a by the directory {written}")), "{error}");
            assert!(error.contains("outside of the tree"), "{error}");
        }
        let link = |tree: &Path| fs::os::unix::fs::symlink("/tmp", tree.join("link")).unwrap();
        assert!(refusal("./link/a", link).contains("is a symbolic link"));
    }

    #[test]
    fn rejects_directory_without_module() {
        assert!(refusal("./lab", |_| ()).contains("it holds no module"));
    }

    #[test]
    fn replacements_are_relative_to_their_module() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("lab/a/api")).unwrap();
        fs::write(tree.path().join("lab/a/api/go.mod"), "module b\n").unwrap();
        let gomod = |replacement: &str| {
            fs::write(tree.path().join("lab/a/go.mod"), format!("replace b => {replacement}\n")).unwrap();
            GoMod::below(tree.path(), "lab/a/go.mod")
        };
        let local = gomod("./api").unwrap().local_modules().next().unwrap();
        assert_eq!(local.directory, "./lab/a/api");
        assert!(gomod("../../../b").is_err());
    }

    #[test]
    fn label_keeps_version_valid() {
        assert_eq!(labelled("v2.1.5-k3s1"), "v2.1.5-k3s1+local");
        assert_eq!(labelled("v2.0.0+incompatible"), "v2.0.0+incompatible.local");
    }
}
