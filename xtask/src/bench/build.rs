//! A whole build beside its bare commands, one after another, both from the same empty caches.

use super::Row;
use crate::context::Context;
use crate::process::{Program, Usage};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use xshell::cmd;

/// One run of this program with caches of its own.
struct Run {
    seconds: f64,
    usage: Usage,
}

/// Measures a cold build, one with nothing changed, and one with another pause image.
pub fn run(context: &Context, arguments: &[String]) -> Result<()> {
    let place = context.work.join("bench");
    if place.exists() {
        crate::command::cache::remove(&place)?;
    }
    context.progress.say("the bare commands, from empty caches");
    let bare = measure(context, &place.join("bare"), &words(&["bench", "bare"], arguments))?;
    context.progress.say("cargo xtask build, from empty caches");
    let ours = place.join("ours");
    let build = words(&["build"], arguments);
    let cold = measure(context, &ours, &build)?;
    let same = measure(context, &ours, &build)?;
    let other = words(&["build", "--pause-image", "example/pause:another"], arguments);
    let pause = measure(context, &ours, &other)?;
    let row = |what: &str, ours: f64, theirs: f64| Row { what: what.to_owned(), ours, theirs, unit: "s" };
    super::print(
        "xtask build",
        "bare commands",
        &[
            row("cold build", cold.seconds, bare.seconds),
            row("nothing changed", same.seconds, bare.seconds),
            row("only the pause image changed", pause.seconds, bare.seconds),
            Row {
                what: "largest process".into(),
                ours: mib(cold.usage),
                theirs: mib(bare.usage),
                unit: "MiB",
            },
        ],
    );
    println!("the orchestrator itself, cold: {:.0} MiB (see {}/own-peak)", own_peak(&ours)?, ours.display());
    Ok(())
}

fn words(first: &[&str], rest: &[String]) -> Vec<String> {
    first.iter().map(|word| (*word).to_owned()).chain(rest.iter().cloned()).collect()
}

fn mib(usage: Usage) -> f64 {
    f64::from(u32::try_from(usage.peak_kib / 1024).unwrap_or(u32::MAX))
}

/// Runs this program with what it has compiled and made elsewhere, and downloads and tools as they are.
fn measure(context: &Context, place: &Path, arguments: &[String]) -> Result<Run> {
    let cache = place.join("cache");
    fs::create_dir_all(&cache)?;
    for shared in ["downloads", "git", "tools", "apt"] {
        let link = cache.join(shared);
        fs::create_dir_all(context.cache.join(shared))?;
        if link.symlink_metadata().is_err() {
            fs::os::unix::fs::symlink(context.cache.join(shared), &link)?;
        }
    }
    let program = &context.guard;
    let shell = context.shell()?;
    let began = Instant::now();
    let usage = Program::new(context, cmd!(shell, "{program} {arguments...}"))
        .inherit("GO", &[])
        .inherit("GIT_", &[])
        .env("CARGO_TARGET_DIR", place)
        .env("K3S_XTASK_CACHE", &cache)
        .env("K3S_XTASK_LOCK", &context.lock_file)
        .env(OWN_PEAK, place.join("own-peak"))
        .log("bench")
        .run()
        .with_context(|| format!("measuring cargo xtask {}", arguments.join(" ")))?;
    Ok(Run { seconds: began.elapsed().as_secs_f64(), usage })
}

/// Names the file into which a measured run writes its own peak resident size, in KiB.
pub const OWN_PEAK: &str = "K3S_XTASK_OWN_PEAK";

/// Writes this process' own peak resident size where a measuring run asks for it.
pub fn tell_own_peak() -> Result<()> {
    use nix::sys::resource::{UsageWho, getrusage};
    if let Some(path) = std::env::var_os(OWN_PEAK) {
        let usage = getrusage(UsageWho::RUSAGE_SELF).context("asking what this process used")?;
        fs::write(PathBuf::from(path), usage.max_rss().to_string())?;
    }
    Ok(())
}

fn own_peak(place: &Path) -> Result<f64> {
    Ok(fs::read_to_string(place.join("own-peak"))?.trim().parse::<f64>()? / 1024.0)
}
