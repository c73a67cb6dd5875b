//! The tree that is compiled: upstream's files, patched, with its assets in place.

use super::go_build::{GO_TEMPORARY, Package};
use super::options::Presence;
use super::{Build, builtin_images, charts, manifests, pause_image};
use crate::dir;
use crate::patch::BuiltFile;
use crate::step::Step;
use crate::tree_path::TreePath;
use crate::upstream::layout::EmbedMethod;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// The step's name.
pub const STEP: &str = "tree";

/// The directory in the step's result that contains the tree and nothing else, so that our files cannot collide with
/// the tree's.
pub const TREE: &str = "tree";

/// Returns the step that completes the tree.
pub fn step<'a>(build: &'a Build<'a>) -> Step<'a> {
    let mut step = Step::in_process(
        STEP,
        vec![
            format!("k3s {} {}", build.source.version, build.source.commit.id),
            format!("patched tree sha256:{}", build.patched.digest),
            format!("pause image {}, inside k3s: {:?}", build.pause_image, build.options.builtin_pause()),
            format!("assets {:?}, charts {:?}", build.facts.embed_method, build.options.charts),
        ],
    );
    let (pause, charts) = (step.need(pause_image::STEP), step.need(charts::STEP));
    let images = step.need(builtin_images::STEP);
    step.work(move |directory, results| {
        let tree = directory.join(TREE);
        dir::copy(&build.patched.tree, &tree)?;
        for (file, built) in &build.patched.outcome.built_files {
            let place = TreePath::parse(file)?.room_below(&tree)?;
            match (built, build.options.builtin_pause()) {
                (BuiltFile::PauseImage, Presence::Included) => {
                    fs::copy(results.of(pause).join(pause_image::ARCHIVE), place).map(drop)
                }
                (BuiltFile::PauseImage, Presence::LeftOut) => fs::write(place, ""),
                (BuiltFile::BuiltinImages, _) => {
                    fs::copy(results.of(images).join(builtin_images::ARCHIVE), place).map(drop)
                }
            }?;
        }
        put_assets(build, &tree, results.of(charts))
    })
}

/// Copies manifests and charts to where the compiler embeds them.
fn put_assets(build: &Build, directory: &Path, charts: &Path) -> Result<()> {
    let below = |path: &str| TreePath::parse(path)?.directory_below(directory);
    let assets = below("build/static")?;
    below("build/data")?;
    for entry in fs::read_dir(charts)? {
        let entry = entry?;
        // Not before there is a chart: `//go:embed` refuses a directory without files.
        let name = Path::new("build/static/charts").join(entry.file_name());
        let place = TreePath::parse(&name.to_string_lossy())?.room_below(directory)?;
        fs::copy(entry.path(), place)?;
    }
    if build.options.charts == Presence::LeftOut {
        // Without its chart an object would ask for an installation that cannot succeed.
        manifests::leave_out_charts(&directory.join("manifests"))?;
    }
    match build.facts.embed_method {
        EmbedMethod::GoEmbed => {
            dir::copy(&directory.join("manifests"), &below("pkg/deploy/embed")?)?;
            dir::copy(&assets, &below("pkg/static/embed")?)
        }
        // Upstream compiles the committed files; they are generated again only if they would differ from the
        // directories.
        EmbedMethod::GoBindata if charts::origin(build)? != charts::Charts::InTree => {
            generate(build, directory)
        }
        EmbedMethod::GoBindata if build.patched.changes("manifests/") => generate_manifests(build, directory),
        EmbedMethod::GoBindata => Ok(()),
    }
}

/// The file in which upstream commits the charts, under go-bindata.
pub const COMMITTED_CHARTS: &str = "pkg/static/zz_generated_bindata.go";

/// Generates the manifests again and keeps the committed charts: from the empty `build/static`, the generator would
/// write a file without them.
fn generate_manifests(build: &Build, directory: &Path) -> Result<()> {
    let charts = TreePath::parse(COMMITTED_CHARTS)?;
    let committed = fs::read(charts.below(directory)?)?;
    generate(build, directory)?;
    Ok(fs::write(charts.room_below(directory)?, committed)?)
}

/// Upstream's generator of Go files, from the root of the tree.
pub const GENERATOR: &str = "pkg/codegen/main.go";

/// Lists the packages of upstream's generator, with Go's settings for the origin of modules.
pub fn generator_packages(
    build: &Build,
    directory: &Path,
    settings: &[(&'static str, String)],
) -> Result<Vec<Package>> {
    Package::list(build, directory, &[GENERATOR.to_owned()], [("CGO_ENABLED", "0")], settings)
        .context("listing the packages of upstream's generator")
}

/// Runs upstream's generator on the host, which writes directories as Go files.
pub fn generate(build: &Build, directory: &Path) -> Result<()> {
    let arguments = ["run", "-mod=readonly", "-trimpath", GENERATOR].map(str::to_owned);
    let temporary = tempfile::tempdir_in(directory.parent().context("a tree is in a directory")?)?;
    build
        .go
        .command(build.context, &arguments)
        .dir(directory)
        .log("generate")
        .env("CGO_ENABLED", "0")
        .env(GO_TEMPORARY, temporary.path())
        .run()
}
