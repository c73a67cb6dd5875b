//! Compares a complete build, of k3s or of its default images, with the Go commands that take most of its time, each with empty caches of its own.

use super::Row;
use anyhow::{Context as _, Result};
use fs_err as fs;
use indicatif::HumanBytes;
use std::path::{Path, PathBuf};
use xtask::command::cache;
use xtask::context::Context;
use xtask::process::{Command, cmd};
use xtask::toolchain::go::AnyGo;

/// Runs the commands of a plan in the directories of a finished build.
const BARE: &str = include_str!("bare.sh");

/// The command that is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    Build,
    Images,
}

impl Measured {
    fn words(self) -> &'static [&'static str] {
        match self {
            Measured::Build => &["build"],
            Measured::Images => &["images", "build"],
        }
    }
}

/// Measures a cold build, one with nothing changed, and of k3s one with another pause image.
///
/// The bare commands run last, when their inputs are in memory, and do less than a build, which also prepares the tree,
/// packs and checks. So the ratio rather overstates the cost of a build.
pub fn run(context: &Context, measured: Measured, options: &[String]) -> Result<()> {
    // A target directory and a cache of their own, with the downloads and tools of the user's cache.
    let target = context.work.join("bench");
    cache::remove(&target)?;
    let own_cache = target.join("cache");
    fs::create_dir_all(&own_cache)?;
    for shared in ["downloads", "git", "toolchain", "apt"] {
        fs::create_dir_all(context.cache.join(shared))?;
        fs::os::unix::fs::symlink(context.cache.join(shared), own_cache.join(shared))?;
    }
    let report = target.join("time");
    let environment = [
        ("CARGO_TARGET_DIR", &target),
        ("K3S_XTASK_CACHE", &own_cache),
        ("K3S_XTASK_LOCK", &context.lock_file),
    ];
    let timed = |command: Command| -> Result<[f64; 2]> {
        command.envs(environment).log("bench").run().context("measuring a build")?;
        let text = fs::read_to_string(&report)?;
        let figure = |at| text.split_whitespace().nth(at).and_then(|word| word.parse().ok());
        figure(0).zip(figure(1)).map(|(seconds, kib)| [seconds, kib]).context("time(1) printed no figures")
    };
    let (xtask, command) = (&context.guard, measured.words());
    let build = |words: &[&str]| {
        timed(
            cmd!(context, "time -f '%e %M' -o {report} {xtask} {command...} {words...} {options...}")
                .inherit("GO", &[])
                .inherit("GIT_", &[]),
        )
    };
    println!("cargo xtask {}, from empty caches", command.join(" "));
    let [cold, peak] = build(&[])?;
    let [same, _] = build(&[])?;
    let pause = match measured {
        Measured::Build => Some(build(&["--pause-image", "example/pause:another"])?),
        Measured::Images => None,
    };
    let plan = cmd!(context, "{xtask} {command...} --dry-run {options...}").envs(environment).read()?;
    println!("the bare commands, from empty caches");
    let modules = AnyGo::find(context, None)?.module_cache().directory;
    let time = cmd!(context, "time -f '%e %M' -o {report}");
    let bare = time.args(["bash", "-c", BARE, "bare.sh"]).args([&target, &own_cache, &modules]).args([plan]);
    let [bare, bare_peak] = timed(bare)?;
    let row = |name: &str, ours, theirs, unit| Row { name: name.to_owned(), ours, theirs, unit };
    let mut rows = vec![row("cold build", cold, bare, "s"), row("nothing changed", same, bare, "s")];
    rows.extend(pause.map(|[pause, _]| row("only the pause image changed", pause, bare, "s")));
    rows.push(row("largest process", peak, bare_peak, "KiB"));
    super::print("xtask", "bare commands", &rows);
    for archive in find_bundles(&target.join("dist"))? {
        println!("{}  {}", archive.display(), HumanBytes(fs::metadata(&archive)?.len()));
    }
    Ok(())
}

/// Returns the bundles of images in a directory of results.
fn find_bundles(dist: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(dist).sort_by_file_name() {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("k3s-airgap-images-") {
            found.push(entry.into_path());
        }
    }
    Ok(found)
}
