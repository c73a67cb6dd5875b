//! Compares a complete build with the Go commands that take most of its time, each with empty caches of its own.

use super::Row;
use anyhow::{Context as _, Result};
use fs_err as fs;
use xtask::command::cache;
use xtask::context::Context;
use xtask::process::{Command, cmd};

/// Runs the commands of a plan in the directories of a finished build.
const BARE: &str = include_str!("bare.sh");

/// Measures a cold build, one with nothing changed, and one with another pause image.
///
/// The bare commands run last, when their inputs are in memory, and do less than a build, which also prepares the tree,
/// packs and checks. So the ratio rather overstates the cost of a build.
pub fn run(context: &Context, options: &[String]) -> Result<()> {
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
    let xtask = &context.guard;
    let build = |words: &[&str]| {
        timed(
            cmd!(context, "time -f '%e %M' -o {report} {xtask} build {words...} {options...}")
                .inherit("GO", &[])
                .inherit("GIT_", &[]),
        )
    };
    println!("cargo xtask build, from empty caches");
    let [cold, peak] = build(&[])?;
    let [same, _] = build(&[])?;
    let [pause, _] = build(&["--pause-image", "example/pause:another"])?;
    let plan = cmd!(context, "{xtask} build --dry-run {options...}").envs(environment).read()?;
    println!("the bare commands, from empty caches");
    let bare =
        cmd!(context, "time -f '%e %M' -o {report} bash -c {BARE} bare.sh {target} {own_cache} {plan}");
    let [bare, bare_peak] = timed(bare)?;
    let row = |name: &str, ours, theirs, unit| Row { name: name.to_owned(), ours, theirs, unit };
    super::print(
        "xtask build",
        "bare commands",
        &[
            row("cold build", cold, bare, "s"),
            row("nothing changed", same, bare, "s"),
            row("only the pause image changed", pause, bare, "s"),
            row("largest process", peak, bare_peak, "KiB"),
        ],
    );
    Ok(())
}
