//! Products of the sample that tests share, each built once.

use super::test_env::{self, TestEnv};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use xtask::images::builtin::Images;
use xtask::k3s::options::{BuildOptions, BuiltinImages, Presence, Substitutes};
use xtask::k3s::{Build, source_tree};
use xtask::product::manifest::Manifest;
use xtask::step::Plan;
use xtask::target::Target;
use xtask::upstream::selection::Selection;

/// The two layouts of upstream, and the version of the sample in each.
pub const LAYOUTS: [(&str, &str); 2] = [("embed", "v0.35.0+k3s1.sample"), ("bindata", "v0.31.1+k3s1.sample")];

/// A finished product.
pub struct Product {
    pub directory: PathBuf,
    pub manifest: Manifest,
    /// Messages of the build.
    pub printed: String,
}

impl Product {
    pub fn read(directory: PathBuf, printed: String) -> Product {
        let manifest = Manifest::read(&directory.join("manifest.json")).unwrap();
        Product { directory, manifest, printed }
    }

    /// Returns the text that `sha256sum --check` reads, which names every file of the product.
    pub fn sums(&self) -> String {
        std::fs::read_to_string(self.directory.join("SHA256SUMS")).unwrap()
    }
}

/// Returns the place where products are built. It outlives the last test, so the next run removes it.
fn test_env() -> &'static TestEnv {
    static PLACE: OnceLock<TestEnv> = OnceLock::new();
    PLACE.get_or_init(|| {
        for entry in std::fs::read_dir(env!("CARGO_TARGET_TMPDIR")).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let process = name.strip_prefix("fixtures-").and_then(|rest| rest.split('-').next());
            if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
                std::fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        TestEnv::named(&format!("fixtures-{}-", std::process::id()))
    })
}

/// Returns the sample built with no other options than these two.
pub fn product(layout: &str, arch: &str) -> &'static Product {
    static PRODUCTS: Mutex<Vec<(String, &Product)>> = Mutex::new(Vec::new());
    let name = format!("{layout} {arch}");
    let mut products = PRODUCTS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some((_, product)) = products.iter().find(|(known, _)| *known == name) {
        return product;
    }
    let built = build(test_env(), &["--sample-layout", layout, "--arch", arch]);
    products.push((name, Box::leak(Box::new(built))));
    products.last().unwrap().1
}

/// Builds the sample with these options.
#[track_caller]
pub fn build(env: &TestEnv, options: &[&str]) -> Product {
    let arguments = ["build", "--sample"].iter().chain(options);
    let (_, printed) = test_env::succeeded(env.xtask(arguments).output().unwrap());
    let after = |flag: &str| options.iter().position(|word| *word == flag).map(|at| options[at + 1]);
    let arch = after("--arch").unwrap_or("riscv64");
    let layout = after("--sample-layout").unwrap_or("embed");
    let (_, version) = LAYOUTS.iter().find(|(name, _)| *name == layout).unwrap();
    Product::read(env.dist().join(version).join(arch), printed)
}

/// Returns a build that has not begun, for an architecture and with the patches of this directory.
#[track_caller]
pub fn prepare<'a>(selection: &'a Selection, arch: &str, patches: Option<&Path>) -> Build<'a> {
    let options = BuildOptions {
        pause_image: None,
        patches: patches.map(Path::to_owned),
        releases: None,
        builtin_images: BuiltinImages::Pause,
        substitutes: Substitutes::default(),
        no_builtin_pause: None,
        charts: Presence::Included,
        k3s_root: Presence::Included,
        level: None,
    };
    xtask::command::build::prepare(selection, Target::named(arch).unwrap(), &options).unwrap()
}

/// Returns the path of this file in the result of a step of a shared product.
pub fn result(arch: &str, step: &str, file: impl AsRef<Path>) -> PathBuf {
    let steps = std::fs::read_dir(test_env().work().join(arch).join(step)).unwrap();
    let directories = steps.map(|entry| entry.unwrap().path().join("output"));
    let mut found = directories.filter(|directory| directory.join(file.as_ref()).exists());
    found.next().unwrap_or_else(|| panic!("no result of {step} holds {}", file.as_ref().display()))
}

/// Makes the tree that a build compiles, with the steps that it needs.
pub fn make_tree(build: &Build) -> anyhow::Result<PathBuf> {
    let plan = Plan::new(build.steps(Images::None.steps(build)?)?)?.up_to(source_tree::STEP);
    let (results, _) = plan.run(build.context, &build.directory())?;
    Ok(results.directory(source_tree::STEP)?.join(source_tree::TREE))
}

/// Returns the architecture of this machine, whose products run without emulation.
pub fn host() -> &'static Target {
    Target::host().expect("the machine is of a kind that k3s is built for")
}
