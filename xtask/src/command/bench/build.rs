//! Compares a complete build with the Go commands that take most of its time, each with empty caches of its own.

use super::Row;
use crate::context::Context;
use crate::process::{Command, Usage, cmd};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::PathBuf;
use std::time::Instant;

/// Runs the commands of a plan in the directories of a finished build.
const BARE: &str = include_str!("build/bare.sh");

/// Measures a cold build, one with nothing changed, and one with another pause image.
///
/// The bare commands run last, when their inputs are in memory, and do less than a build, which also prepares the tree,
/// packs and checks. So the ratio rather overstates the cost of a build.
pub fn run(context: &Context, arguments: &[String]) -> Result<()> {
    let directory = context.work.join("bench");
    if directory.exists() {
        crate::command::cache::remove(&directory)?;
    }
    let bench = Bench::create(context, directory)?;
    context.progress.print("cargo xtask build, from empty caches");
    let cold = timed(bench.xtask(&words(&["build"], arguments))?.log("bench"))?;
    let same = timed(bench.xtask(&words(&["build"], arguments))?.log("bench"))?;
    let other = words(&["build", "--pause-image", "example/pause:another"], arguments);
    let pause = timed(bench.xtask(&other)?.log("bench"))?;
    let plan = bench.xtask(&words(&["build", "--dry-run"], arguments))?.read()?;
    context.progress.print("the bare commands, from empty caches");
    let bare = timed(bench.bare(plan)?)?;
    let row = |name: &str, ours: f64, theirs: f64| Row { name: name.to_owned(), ours, theirs, unit: "s" };
    super::print(
        "xtask build",
        "bare commands",
        &[
            row("cold build", cold.0, bare.0),
            row("nothing changed", same.0, bare.0),
            row("only the pause image changed", pause.0, bare.0),
            Row { name: "largest process".into(), ours: mib(cold.1), theirs: mib(bare.1), unit: "MiB" },
        ],
    );
    Ok(())
}

/// Builds in a directory of their own, with the downloads and tools of the cache.
struct Bench<'a> {
    context: &'a Context,
    target: PathBuf,
    cache: PathBuf,
}

impl<'a> Bench<'a> {
    fn create(context: &'a Context, target: PathBuf) -> Result<Bench<'a>> {
        let cache = target.join("cache");
        fs::create_dir_all(&cache)?;
        for shared in ["downloads", "git", "toolchain", "apt"] {
            fs::create_dir_all(context.cache.join(shared))?;
            fs::os::unix::fs::symlink(context.cache.join(shared), cache.join(shared))?;
        }
        Ok(Bench { context, target, cache })
    }

    /// Returns a command that runs xtask.
    fn xtask(&self, arguments: &[String]) -> Result<Command<'a>> {
        let program = &self.context.guard;
        Ok(cmd!(self.context, "{program} {arguments...}")
            .inherit("GO", &[])
            .inherit("GIT_", &[])
            .env("CARGO_TARGET_DIR", &self.target)
            .env("K3S_XTASK_CACHE", &self.cache)
            .env("K3S_XTASK_LOCK", &self.context.lock_file))
    }

    /// Returns a command that runs the bare commands of a plan.
    fn bare(&self, plan: String) -> Result<Command<'a>> {
        let (target, cache) = (&self.target, &self.cache);
        Ok(cmd!(self.context, "bash -c {BARE} bare.sh {target} {cache}").input(plan).log("bench"))
    }
}

fn words(first: &[&str], rest: &[String]) -> Vec<String> {
    first.iter().map(|word| (*word).to_owned()).chain(rest.iter().cloned()).collect()
}

fn mib(usage: Usage) -> f64 {
    f64::from(u32::try_from(usage.peak_kib / 1024).unwrap_or(u32::MAX))
}

/// Runs a command, and returns its duration in seconds and the memory of its largest process.
fn timed(command: Command) -> Result<(f64, Usage)> {
    let begin = Instant::now();
    let usage = command.run().context("measuring a build")?;
    Ok((begin.elapsed().as_secs_f64(), usage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    #[test]
    fn runs_the_commands_of_the_plan() {
        let directory = tempfile::tempdir().unwrap();
        let (logs, modules) = (directory.path().join("logs"), directory.path().join("mod"));
        let (module, go) = (modules.join("github.com/runc@v1"), directory.path().join("go"));
        fs::create_dir_all(&logs).unwrap();
        fs::create_dir_all(&module).unwrap();
        let record = "#!/bin/sh\nprintf '<%s>' \"$PWD\" \"$CC\" \"$GOMODCACHE\" \"$@\"\n";
        fs::write(&go, record).unwrap();
        fs::set_permissions(&go, PermissionsExt::from_mode(0o755)).unwrap();
        let log = format!("$ {} build -o x\n  in {}\ngo: downloading\n", go.display(), module.display());
        fs::write(logs.join("runc.log"), log).unwrap();
        let plan = directory.path().join("plan");
        let lines = "libseccomp\n    zig 1.2 cc\nrunc  after libseccomp\n    CC=zig cc -target t\n    \
                     go1.25.5 build -trimpath -tags a,b -ldflags -buildid= -extldflags '-static' ./cmd\n\
                     wrapper\n    go1.25.5 build -trimpath -ldflags -w ./cmd/k3s\n";
        fs::write(&plan, lines).unwrap();
        let mut bash = Command::new("bash");
        bash.args(["-c", BARE, "bare.sh"]).arg(directory.path()).arg(directory.path().join("cache"));
        let found = bash.stdin(fs::File::open(plan).unwrap().into_file()).output().unwrap();
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
        let expected = format!(
            "<{}><zig cc -target t><{}><build><-mod=readonly><-o><{}><-trimpath><-tags><a,b>\
             <-ldflags><-buildid= -extldflags '-static'><./cmd>",
            module.display(),
            modules.display(),
            directory.path().join("bare/runc").display()
        );
        assert_eq!(String::from_utf8_lossy(&found.stdout), expected);
    }
}
