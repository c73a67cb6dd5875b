//! `images/*.toml`: one file for each image that we build, with the reasons for its content as comments.
//!
//! The files say what a tag of upstream's image corresponds to and what else is in the image. They name no versions:
//! those are in the references of the k3s that is selected.

use crate::context::Context;
use crate::digest::Digest;
use crate::prose::Prose;
use crate::target::Target;
use crate::tree_path::TreePath;
use crate::upstream::release::Origin;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The image that a file describes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Definition {
    /// The name of the file, without `.toml`, by which `--only` and `--substitute` select the image.
    #[serde(skip)]
    pub name: String,
    /// The directory with the files that only this image needs: the file's path without `.toml`.
    #[serde(skip)]
    pub directory: PathBuf,
    /// The references that it serves: `rancher/klipper-lb`, without registry and tag.
    pub repository: String,
    pub title: Prose,
    pub description: Prose,
    /// The sources of the main program.
    pub source: String,
    /// SPDX expression of the main program's licence.
    pub licenses: String,
    /// Content of upstream's image that this one does not have, for people who use it.
    pub left_out: Option<Prose>,
    /// The part of k3s that is in its own image.
    pub product: Option<ProductPart>,
    /// The Debian package whose version has to begin with the tag's.
    pub version_of: Option<String>,
    pub program: Option<Program>,
    #[serde(default)]
    pub debian: Vec<DebianFiles>,
    #[serde(default)]
    pub file: Vec<OwnFile>,
    #[serde(default, rename = "directory")]
    pub directories: Vec<OwnDirectory>,
    pub config: Config,
    /// Runs of its programs, under qemu's user emulation.
    pub check: Vec<ProgramCheck>,
}

/// A part of the k3s that is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProductPart {
    /// The files that k3s unpacks at its first start.
    Bundle,
}

/// A program that is compiled from a Go module.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The module's path, in which `{major}` is the major number of its version.
    pub module: String,
    /// The package that is compiled, from the module's root.
    #[serde(default = "root_package")]
    pub package: String,
    /// The module's version, in which `{tag}` is that of the image without a `v`; none if tags do not say.
    pub version: Option<String>,
    /// Tags for which that rule does not hold, and the module's version.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// Its path in the image.
    pub path: TreePath,
    /// Linker flags, with the placeholders of [`super::planned`].
    #[serde(default)]
    pub ldflags: String,
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// Files of this repository that are compiled with a module.
    #[serde(default)]
    pub add: Vec<AddedFile>,
}

fn root_package() -> String {
    ".".to_owned()
}

/// A file that is compiled with a module.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddedFile {
    /// The module, of those that the tags of the image lead to.
    pub module: String,
    /// Its path in the module.
    pub path: TreePath,
    /// A file in the definition's directory.
    pub from: TreePath,
}

/// A capability of a process that executes the file (capabilities(7), "File capabilities").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// `CAP_NET_BIND_SERVICE`: ports below 1024.
    NetBindService,
}

/// A run that shows that a program of the image works, and that it is the one that was meant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramCheck {
    pub program: TreePath,
    pub arguments: Vec<String>,
    /// Text in its output, with the placeholders of [`super::planned`].
    pub prints: String,
}

/// Files of Debian packages: one layer, which images that have the same share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianFiles {
    /// Exactly these packages, without their dependencies.
    pub packages: Vec<String>,
    /// SPDX identifiers of the files that are taken.
    pub licenses: Vec<String>,
    /// Files and directories that are taken: `lib.so.1` also takes `lib.so.1.2.3`, to which it is a link. The packages'
    /// copyright files always are. The placeholders are those of [`DebianFiles::for_target`].
    #[serde(default)]
    pub include: Vec<String>,
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Files that are written from all files below a directory, one after the other.
    #[serde(default)]
    pub concatenate: BTreeMap<TreePath, TreePath>,
    /// Symbolic links: path, and what it points to.
    #[serde(default)]
    pub links: BTreeMap<TreePath, String>,
    /// A busybox, beside which a link for each of its applets is put.
    pub applets: Option<TreePath>,
}

/// A file of this repository, or with this text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnFile {
    pub path: TreePath,
    /// A file in the definition's directory.
    pub from: Option<TreePath>,
    /// The text of the file, with the placeholders of [`super::planned`].
    pub text: Option<String>,
    #[serde(default = "readable")]
    pub mode: u32,
}

fn readable() -> u32 {
    0o644
}

/// A directory with a mode of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnDirectory {
    pub path: TreePath,
    pub mode: u32,
    /// Numbers of its user and group.
    #[serde(default)]
    pub owner: (u64, u64),
}

/// The settings of containers (image-spec, config.md, `config`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// A number, since `runAsNonRoot` cannot be checked for a name.
    pub user: Option<String>,
    pub working_directory: Option<String>,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub environment: Vec<String>,
    /// Directories in which containers write data.
    pub volumes: Vec<String>,
}

impl Capability {
    /// Returns its number (linux/capability.h).
    pub fn number(self) -> u32 {
        match self {
            Capability::NetBindService => 10,
        }
    }
}

impl Definition {
    /// Reads the definitions of the images of a k3s; the sample has its own.
    pub fn of_origin(context: &Context, origin: Origin) -> Result<Vec<Definition>> {
        let directory = match origin {
            Origin::Sample => "sample/images",
            Origin::Release | Origin::Tree => "images",
        };
        Definition::load(&context.root.join(directory))
    }

    /// Returns what identifies the definition among the inputs of a step, wherever it was read.
    pub fn input(&self) -> String {
        let text = format!("{self:?}").replace(&*self.directory.to_string_lossy(), "images");
        format!("definition {} sha256:{}", self.name, Digest::of(text))
    }

    /// Reads all definitions of a directory.
    pub fn load(directory: &Path) -> Result<Vec<Definition>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = fs::read_to_string(&path)?;
                found.push(
                    Definition::parse(&text, &path).with_context(|| format!("reading {}", path.display()))?,
                );
            }
        }
        found.sort_by(|one: &Definition, other| one.name.cmp(&other.name));
        Ok(found)
    }

    fn parse(text: &str, path: &Path) -> Result<Definition> {
        let mut definition: Definition = toml::from_str(text)?;
        definition.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        definition.directory = path.with_extension("");
        let user = definition.config.user.as_deref().unwrap_or("0");
        ensure!(
            user.split(':').all(|part| part.parse::<u32>().is_ok()),
            "user {user:?} is not a number, and `runAsNonRoot` needs one"
        );
        for file in &definition.file {
            ensure!(
                file.from.is_some() != file.text.is_some(),
                "{} needs one of `from` and `text`",
                file.path
            );
        }
        Ok(definition)
    }
}

impl DebianFiles {
    /// Returns a path for an architecture: `{gnu}` is its GNU triple, `{loader}` the path of its dynamic loader and
    /// `{loader-file}` the loader's name.
    pub fn for_target(path: &str, target: &Target) -> String {
        let file = target.loader.rsplit('/').next().unwrap_or(target.loader);
        path.replace("{gnu}", &target.gnu()).replace("{loader}", target.loader).replace("{loader-file}", file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::{Adding, Lockfile};
    use crate::pins::Pins;
    use crate::target::TARGETS;

    const TEXT: &str = "repository = \"rancher/x\"\ntitle = \"x\"\ndescription = \"x\"\nsource = \"x\"\nlicenses = \"MIT\"\ncheck = []\n";

    fn parse(more: &str) -> Result<Definition> {
        Definition::parse(&format!("{TEXT}{more}"), Path::new("images/x.toml"))
    }

    #[test]
    fn committed_definitions_are_well_formed() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images");
        let names: Vec<_> = Definition::load(&directory).unwrap().into_iter().map(|it| it.name).collect();
        assert!(names.contains(&"coredns".to_owned()), "{names:?}");
    }

    #[test]
    fn committed_lockfile_locks_debians_packages() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let lock = Lockfile::open(&root.join("k3s.lock.json"), Adding::Forbidden).unwrap();
        let suite = Pins::load().unwrap().debian.suite;
        let definitions = Definition::load(&root.join("images")).unwrap();
        let packages = definitions.iter().flat_map(|it| &it.debian).flat_map(|files| &files.packages);
        for (package, target) in packages.flat_map(|package| TARGETS.iter().map(move |it| (package, it))) {
            let release = format!("{suite} {}", target.debian);
            assert!(lock.debian_package(&release, package).is_some(), "{package} for {}", target.debian);
        }
    }

    #[test]
    fn files_beside_a_definition_have_its_name() {
        let definition = parse("[config]\n").unwrap();
        assert_eq!((definition.name.as_str(), definition.directory.as_path()), ("x", Path::new("images/x")));
    }

    #[test]
    fn rejects_a_user_by_name() {
        let error = format!("{:#}", parse("[config]\nuser = \"nobody\"\n").unwrap_err());
        assert!(error.contains("\"nobody\" is not a number"), "{error}");
    }

    #[test]
    fn rejects_paths_that_lead_out_of_the_image() {
        for path in ["../x", "/etc/passwd"] {
            let file = format!("[[file]]\npath = \"{path}\"\ntext = \"\"\n[config]\n");
            assert!(parse(&file).is_err(), "{path}");
        }
    }

    #[test]
    fn rejects_a_file_without_content() {
        let error = format!("{:#}", parse("[[file]]\npath = \"a\"\n[config]\n").unwrap_err());
        assert!(error.contains("a needs one of"), "{error}");
    }

    #[test]
    fn rejects_unknown_keys() {
        assert!(format!("{:#}", parse("[config]\nusr = \"1\"\n").unwrap_err()).contains("usr"));
    }
}
