//! The tree that is compiled: upstream's files, patched, with its assets in place.

use super::compile::{Package, go_cache};
use super::{Build, Part, charts, pause_image};
use crate::patch::{Applied, Outcome, Values};
use crate::step::{Outputs, Step};
use crate::tree;
use crate::upstream::facts::Assets;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The directory of the step's result that holds the tree, and nothing of ours under a name that the tree
/// could have, too.
const TREE: &str = "tree";

/// The file beside the tree that says which patches were applied.
const APPLIED: &str = "applied.json";

/// The tree of the step's result.
pub fn of(outputs: &Outputs) -> Result<PathBuf> {
    Ok(outputs.of("tree")?.join(TREE))
}

/// The patches that the step has applied.
pub fn applied(outputs: &Outputs) -> Result<Vec<Applied>> {
    let text = fs::read(outputs.of("tree")?.join(APPLIED))?;
    let Outcome { applied, .. } = serde_json::from_slice(&text)?;
    Ok(applied)
}

/// The step that makes the tree.
pub fn step<'a>(build: &'a Build<'a>) -> Step<'a> {
    let values = Values { pause_image: build.options.pause_image.clone(), parts: BTreeMap::new() };
    Step {
        name: "tree",
        recipe: &[
            include_str!("tree.rs"),
            include_str!("../patch/apply.rs"),
            include_str!("../patch/diff.rs"),
            include_str!("../patch/edit.rs"),
            include_str!("../patch/image.rs"),
            include_str!("../patch/set.rs"),
            include_str!("../patch/tree.rs"),
        ],
        needs: vec!["pause-image", "charts"],
        inputs: vec![
            format!("k3s {} {}", build.source.version, build.source.commit.id),
            format!("patches sha256:{}", build.patches.digest(&values, left_out(build))),
            format!("pause image {}, inside k3s: {:?}", values.pause_image, build.options.builtin_pause),
            format!("assets {:?}, charts {:?}", build.facts.assets, build.options.charts),
        ],
        run: Box::new(move |folder, outputs| make(build, folder, outputs)),
    }
}

/// The patches that are not wanted.
fn left_out(build: &Build) -> &'static [&'static str] {
    match build.options.builtin_pause {
        Part::Included => &[],
        Part::LeftOut => &["builtin-pause"],
    }
}

/// What the patches would change, found out without making the tree. The pause image is not made yet; all that a
/// diff tells of it is that it is no text.
pub fn foreseen(build: &Build) -> Result<Vec<Applied>> {
    let parts = BTreeMap::from([("pause-image".to_owned(), vec![0])]);
    let values = Values { pause_image: build.options.pause_image.clone(), parts };
    Ok(build.patches.check(&build.checkout, &values, left_out(build))?.applied)
}

fn make(build: &Build, folder: &Path, outputs: &Outputs) -> Result<()> {
    let place = folder.join(TREE);
    tree::copy(&build.checkout, &place)?;
    let pause = fs::read(outputs.of("pause-image")?.join(pause_image::ARCHIVE))?;
    let values = Values {
        pause_image: build.options.pause_image.clone(),
        parts: BTreeMap::from([("pause-image".to_owned(), pause)]),
    };
    let outcome = build.patches.apply(&place, &values, left_out(build))?;
    fs::write(folder.join(APPLIED), serde_json::to_vec_pretty(&outcome)?)?;
    let mut files = outcome.applied.iter().flat_map(|patch| &patch.files);
    let manifests_changed = files.any(|file| file.starts_with("manifests/"));
    put_assets(build, &place, outputs.of("charts")?, manifests_changed)
}

/// Puts manifests and charts where the compiler finds them.
fn put_assets(build: &Build, folder: &Path, charts: &Path, manifests_changed: bool) -> Result<()> {
    fs::create_dir_all(folder.join("build/static"))?;
    fs::create_dir_all(folder.join("build/data"))?;
    for entry in fs::read_dir(charts)? {
        let entry = entry?;
        // Not before there is a chart: `//go:embed` refuses a folder without files.
        let place = folder.join("build/static/charts");
        fs::create_dir_all(&place)?;
        fs::copy(entry.path(), place.join(entry.file_name()))?;
    }
    if build.options.charts == Part::LeftOut {
        // Without its charts the manifest would ask for an installation that cannot succeed.
        fs::remove_file(folder.join("manifests/traefik.yaml"))?;
    }
    match build.facts.assets {
        Assets::GoEmbed => {
            tree::copy(&folder.join("manifests"), &folder.join("pkg/deploy/embed"))?;
            tree::copy(&folder.join("build/static"), &folder.join("pkg/static/embed"))
        }
        // The committed files are what upstream compiles; they are made anew only where they would
        // no longer say what the folders hold.
        Assets::GoBindata if charts::wanted(build)? != charts::Wanted::InTree => generate(build, folder),
        Assets::GoBindata if manifests_changed => generate_manifests(build, folder),
        Assets::GoBindata => Ok(()),
    }
}

/// The file in which upstream commits the charts, under go-bindata.
pub const COMMITTED_CHARTS: &str = "pkg/static/zz_generated_bindata.go";

/// Generates the manifests again and keeps the committed charts, which are nowhere else: from the empty
/// `build/static`, the generator would write a file without them.
fn generate_manifests(build: &Build, folder: &Path) -> Result<()> {
    let charts = folder.join(COMMITTED_CHARTS);
    let committed = fs::read(&charts)?;
    generate(build, folder)?;
    Ok(fs::write(&charts, committed)?)
}

/// Upstream's generator of Go files, from the root of the tree.
pub const GENERATOR: &str = "pkg/codegen/main.go";

/// Lists what upstream's generator is compiled from, with modules from where these settings say.
pub fn generator_packages(
    build: &Build,
    folder: &Path,
    settings: &[(&'static str, String)],
) -> Result<Vec<Package>> {
    Package::list(build, folder, &[GENERATOR.to_owned()], [("CGO_ENABLED", "0")], settings)
        .context("listing the packages of upstream's generator")
}

/// Runs upstream's generator, a program of the host, which turns folders into Go files.
pub fn generate(build: &Build, folder: &Path) -> Result<()> {
    let arguments = ["run", "-mod=readonly", "-trimpath", GENERATOR].map(str::to_owned);
    build
        .go
        .command(build.context, &arguments)?
        .dir(folder)
        .log("generate")
        .env("CGO_ENABLED", "0")
        .env("GOCACHE", go_cache(build))
        .run()?;
    Ok(())
}
