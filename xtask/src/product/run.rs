//! The parts are run, on this machine or under qemu's user emulation.

use super::check::Check;
use crate::context::Context;
use crate::k3s::Build;
use crate::process::{Command, cmd};
use crate::step::Outputs;
use crate::target::Target;
use crate::toolchain::qemu;
use crate::userns;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the emulated server may take to its first messages.
const LIMIT: Duration = Duration::from_secs(180);

/// The last of the checks, which tells that a product was run.
pub const SERVER_STARTS: &str = "k3s server passes the checks at its start";

/// Runs a version flag of every part, unpacks the bundle with k3s' own code, and starts the server. Below the
/// directory is room for what is unpacked.
pub fn all(build: &Build, outputs: &Outputs, directory: &Path) -> Result<Vec<Check>> {
    let Some(emulator) = Emulator::of(build.target) else {
        let name = format!("qemu-{}", build.target.qemu);
        build.context.progress.print(format!(
            "warning: {name} is not here, so nothing of the product was run\n  cargo xtask doctor --fix --for build"
        ));
        return Ok(vec![Check {
            what: "NOT CHECKED: whether the product runs".into(),
            seen: format!("{name} is missing"),
        }]);
    };
    let versions = [
        (
            outputs.of("binary")?.join(build.target.k3s_binary()),
            "--version",
            build.source.version.to_string(),
        ),
        (
            outputs.of("runc")?.join("runc"),
            "--version",
            "libseccomp: ".to_owned() + &build.context.pins.libseccomp.version,
        ),
        (outputs.of("shim")?.join("containerd-shim-runc-v2"), "-v", format!("go{}", build.go.version)),
        (outputs.of("pause")?.join("pause"), "-v", "pause".to_owned()),
    ];
    let mut checks = Vec::new();
    for (program, flag, expected) in versions {
        let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let said = emulator
            .program(build.context, &program, &[flag])?
            .read()
            .with_context(|| format!("running {name} {flag}"))?;
        ensure!(said.contains(&expected), "{name} {flag} does not say {expected:?} but:\n{said}");
        checks.push(Check {
            what: format!("{name} runs and tells its version"),
            seen: said.lines().collect::<Vec<_>>().join("; "),
        });
    }
    // What is unpacked is executed, which the system's directory for temporary files may forbid.
    let data = tempfile::tempdir_in(directory)?;
    checks.push(unpacks_itself(build, &emulator, outputs, data.path())?);
    checks.push(server_starts(build, &emulator, data.path())?);
    data.close().context("removing what k3s has unpacked")?;
    Ok(checks)
}

/// What of the checks can be done here, which takes part in what their result depends on: the emulator, and
/// whether the server can be started.
pub fn conditions(context: &Context, target: &Target) -> Result<String> {
    let emulator = match Emulator::of(target) {
        None => return Ok("not run".to_owned()),
        Some(Emulator(None)) => "run".to_owned(),
        Some(Emulator(Some(path))) => {
            format!("run by {}", path.file_name().unwrap_or_default().to_string_lossy())
        }
    };
    Ok(if userns::are_allowed(context)? { emulator } else { emulator + ", but for the server" })
}

/// What runs a program of the target: nothing on its own kind of machine, qemu elsewhere.
struct Emulator(Option<PathBuf>);

impl Emulator {
    fn of(target: &Target) -> Option<Emulator> {
        if Target::host() == Some(target) {
            return Some(Emulator(None));
        }
        qemu::find(target).map(|path| Emulator(Some(path)))
    }

    fn program<'a>(&self, context: &'a Context, program: &Path, arguments: &[&str]) -> Result<Command<'a>> {
        let emulator = self.0.iter();
        let mut words = emulator.map(PathBuf::as_path).chain([program]);
        let first = words.next().context("there is always a program")?.to_owned();
        let rest: Vec<&Path> = words.collect();
        Ok(cmd!(context, "{first} {rest...} {arguments...}"))
    }
}

/// k3s unpacks its bundle before it starts anything of it; its own code verifies every sum and link.
fn unpacks_itself(build: &Build, emulator: &Emulator, outputs: &Outputs, data: &Path) -> Result<Check> {
    let k3s = outputs.of("binary")?.join(build.target.k3s_binary());
    let directory = data.to_string_lossy();
    // Under emulation the program that k3s then becomes cannot be started; that it was unpacked is
    // what is asked here.
    let (_, stdout, stderr) = emulator
        .program(build.context, &k3s, &["kubectl", "version", "--client"])?
        .env("K3S_DATA_DIR", &*directory)
        .env("HOME", &*directory)
        .capture()?;
    unpacked(data)
        .map(|found| Check { what: "k3s unpacks and verifies its own bundle".into(), seen: found.1 })
        .with_context(|| {
            format!("k3s said: {}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr))
        })
}

/// The `bin/k3s` below a data directory of k3s, wherever the directory's rules put it, and the bundle's sum.
fn unpacked(data: &Path) -> Result<(PathBuf, String)> {
    for entry in walkdir::WalkDir::new(data).max_depth(5) {
        let path = entry?.into_path();
        let below = path.strip_prefix(data)?;
        if path.ends_with("bin/k3s") && !below.to_string_lossy().contains("-tmp") {
            let sum = path
                .ancestors()
                .nth(2)
                .and_then(Path::file_name)
                .map(|name| name.to_string_lossy().into_owned());
            return Ok((path, sum.unwrap_or_default()));
        }
    }
    Err(anyhow!("nothing was unpacked below {}", data.display()))
}

/// `k3s server` gets past the checks at its start, which `--version` does not reach: between v1.30 and
/// v1.35 it ends at once unless it was built with Kubernetes' own Go.
fn server_starts(build: &Build, emulator: &Emulator, data: &Path) -> Result<Check> {
    if !userns::are_allowed(build.context)? {
        // In the chroot of a build service, for instance, and where a security module forbids them.
        build
            .context
            .progress
            .print("warning: user namespaces are not allowed here, so the server was not started");
        return Ok(Check {
            what: "NOT CHECKED: whether k3s server passes the checks at its start".into(),
            seen: "user namespaces are not allowed".into(),
        });
    }
    let (server, _) = unpacked(data)?;
    // Its sockets are in there, whose paths must be short (unix(7)).
    let state = tempfile::tempdir()?;
    let mut words: Vec<String> = emulator.0.iter().map(|path| path.display().to_string()).collect();
    words.extend([
        server.display().to_string(),
        "server".to_owned(),
        "--data-dir".to_owned(),
        state.path().display().to_string(),
    ]);
    // Root and a network of its own, so that nothing of this machine is listened on or changed; that
    // network has no route, from which k3s would take its address.
    words.extend(["--node-ip", "10.0.0.1"].map(str::to_owned));
    let program = cmd!(build.context, "unshare --map-root-user --net {words...}")
        .env("HOME", state.path())
        .log("server-start");
    let wanted = format!("Starting k3s {}", build.source.version);
    let watched = program.watch(&wanted, LIMIT)?;
    if !watched.found {
        bail!("the server did not get to {wanted:?}; it said:\n{}", watched.text);
    }
    let line = watched.text.lines().rfind(|line| line.contains(&wanted)).unwrap_or_default().to_owned();
    Ok(Check { what: SERVER_STARTS.into(), seen: without_time(&line) })
}

/// A log line without the time it begins with, since the manifest holds no times.
fn without_time(line: &str) -> String {
    match line.split_once("\" ") {
        Some((time, rest)) if time.starts_with("time=") => rest.to_owned(),
        _ => line.to_owned(),
    }
}
