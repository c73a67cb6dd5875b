//! A complete build compared with the Go commands that take most of its time, each with empty caches of its own.

use super::Row;
use crate::context::Context;
use crate::process::{Command, Usage, cmd};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::PathBuf;
use std::time::Instant;

/// Runs the commands of a plan in the directories in which a finished build has run them.
const BARE: &str = include_str!("build/bare.sh");

/// Cost of a run: seconds, and the peak memory of its largest process.
type Taken = (f64, Usage);

/// Measures a cold build, one with nothing changed, and one with another pause image.
///
/// The bare commands come last, when the files they read are in memory, and do less than a build, which also
/// lays out the tree, packs and checks: the ratio says too much rather than too little.
pub fn run(context: &Context, arguments: &[String]) -> Result<()> {
    let directory = context.work.join("bench");
    if directory.exists() {
        crate::command::cache::remove(&directory)?;
    }
    let tried = Tried::create(context, directory)?;
    context.progress.print("cargo xtask build, from empty caches");
    let cold = timed(tried.xtask(&words(&["build"], arguments))?.log("bench"))?;
    let same = timed(tried.xtask(&words(&["build"], arguments))?.log("bench"))?;
    let other = words(&["build", "--pause-image", "example/pause:another"], arguments);
    let pause = timed(tried.xtask(&other)?.log("bench"))?;
    let plan = tried.xtask(&words(&["build", "--dry-run"], arguments))?.read()?;
    context.progress.print("the bare commands, from empty caches");
    let bare = timed(tried.bare(plan)?)?;
    let row = |what: &str, ours: f64, theirs: f64| Row { what: what.to_owned(), ours, theirs, unit: "s" };
    super::print(
        "xtask build",
        "bare commands",
        &[
            row("cold build", cold.0, bare.0),
            row("nothing changed", same.0, bare.0),
            row("only the pause image changed", pause.0, bare.0),
            Row { what: "largest process".into(), ours: mib(cold.1), theirs: mib(bare.1), unit: "MiB" },
        ],
    );
    Ok(())
}

/// Builds with directories of their own, downloads and tools as they are.
struct Tried<'a> {
    context: &'a Context,
    target: PathBuf,
    cache: PathBuf,
}

impl<'a> Tried<'a> {
    fn create(context: &'a Context, target: PathBuf) -> Result<Tried<'a>> {
        let cache = target.join("cache");
        fs::create_dir_all(&cache)?;
        for shared in ["downloads", "git", "toolchain", "apt"] {
            fs::create_dir_all(context.cache.join(shared))?;
            fs::os::unix::fs::symlink(context.cache.join(shared), cache.join(shared))?;
        }
        Ok(Tried { context, target, cache })
    }

    /// Composes a run of this program.
    fn xtask(&self, arguments: &[String]) -> Result<Command<'a>> {
        let program = &self.context.guard;
        Ok(cmd!(self.context, "{program} {arguments...}")
            .inherit("GO", &[])
            .inherit("GIT_", &[])
            .env("CARGO_TARGET_DIR", &self.target)
            .env("K3S_XTASK_CACHE", &self.cache)
            .env("K3S_XTASK_LOCK", &self.context.lock_file))
    }

    /// Composes a run of the bare commands of a plan.
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

fn timed(program: Command) -> Result<Taken> {
    let began = Instant::now();
    let usage = program.run().context("measuring a build")?;
    Ok((began.elapsed().as_secs_f64(), usage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    #[test]
    fn bare_commands_are_those_of_the_plan() {
        let place = tempfile::tempdir().unwrap();
        let (logs, modules) = (place.path().join("logs"), place.path().join("mod"));
        let (module, go) = (modules.join("github.com/runc@v1"), place.path().join("go"));
        fs::create_dir_all(&logs).unwrap();
        fs::create_dir_all(&module).unwrap();
        let record = "#!/bin/sh\nprintf '<%s>' \"$PWD\" \"$CC\" \"$GOMODCACHE\" \"$@\"\n";
        fs::write(&go, record).unwrap();
        fs::set_permissions(&go, PermissionsExt::from_mode(0o755)).unwrap();
        let log = format!("$ {} build -o x\n  in {}\ngo: downloading\n", go.display(), module.display());
        fs::write(logs.join("runc.log"), log).unwrap();
        let plan = place.path().join("plan");
        let lines = "libseccomp\n    zig 1.2 cc\nrunc  after libseccomp\n    CC=zig cc -target t\n    \
                     go1.25.5 build -trimpath -tags a,b -ldflags -buildid= -extldflags '-static' ./cmd\n\
                     wrapper\n    go1.25.5 build -trimpath -ldflags -w ./cmd/k3s\n";
        fs::write(&plan, lines).unwrap();
        let mut bash = Command::new("bash");
        bash.args(["-c", BARE, "bare.sh"]).arg(place.path()).arg(place.path().join("cache"));
        let found = bash.stdin(fs::File::open(plan).unwrap().into_file()).output().unwrap();
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
        let expected = format!(
            "<{}><zig cc -target t><{}><build><-mod=readonly><-o><{}><-trimpath><-tags><a,b>\
             <-ldflags><-buildid= -extldflags '-static'><./cmd>",
            module.display(),
            modules.display(),
            place.path().join("bare/runc").display()
        );
        assert_eq!(String::from_utf8_lossy(&found.stdout), expected);
    }
}
