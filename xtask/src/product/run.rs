//! Runs the programs of the product, on this machine or under qemu's user emulation.

use super::Components;
use super::check::Check;
use super::component::Component;
use crate::context::Context;
use crate::k3s::Build;
use crate::process::{Command, cmd};
use crate::target::Target;
use crate::toolchain::qemu;
use crate::userns;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The check that shows that a product was run.
pub const SERVER_STARTS: &str = "k3s server passes the checks at its start";

/// Timeout of the emulated server until its first messages.
const TIMEOUT: Duration = Duration::from_secs(180);

/// Runs a version flag of each program, lets k3s unpack its bundle, and starts the server. Files are unpacked below
/// the directory.
pub fn all(build: &Build, components: &Components, directory: &Path) -> Result<Vec<Check>> {
    let Some(emulator) = Emulator::of(build.target) else {
        let name = format!("qemu-{}", build.target.rpm);
        build.context.progress.print(format!(
            "warning: {name} was not found, so the product was not run\n  cargo xtask doctor --fix --for build"
        ));
        let reason = format!("{name} was not found");
        return Ok(vec![
            Check::not_run("the programs run and print their versions", &reason),
            Check::not_run(SERVER_STARTS, reason),
        ]);
    };
    let libseccomp = format!("libseccomp: {}", build.context.pins.libseccomp.version);
    let versions = [
        (Component::Binary, "--version", build.source.version.to_string()),
        (Component::Runc, "--version", libseccomp),
        (Component::Shim, "-v", format!("go{}", build.go.version)),
        (Component::Pause, "-v", "pause".to_owned()),
    ];
    let mut checks = Vec::new();
    for (component, flag, expected) in versions {
        let (name, program) = (component.file(build.target), &components[&component]);
        let output = emulator
            .program(build.context, program, &[flag])?
            .read()
            .with_context(|| format!("running {name} {flag}"))?;
        ensure!(output.contains(&expected), "{name} {flag} does not print {expected:?} but:\n{output}");
        let evidence = output.lines().collect::<Vec<_>>().join("; ");
        checks.push(Check::passed(format!("{name} runs and prints its version"), evidence));
    }
    // Not in the system's directory for temporary files, which may be mounted `noexec`.
    let data = tempfile::tempdir_in(directory)?;
    checks.push(unpacks_itself(build, &emulator, &components[&Component::Binary], data.path())?);
    checks.push(server_starts(build, &emulator, data.path())?);
    data.close().context("removing what k3s has unpacked")?;
    Ok(checks)
}

/// Returns which of the checks this machine can run: the emulator, and whether it can start the server. The
/// product's manifest depends on it.
pub fn conditions(context: &Context, target: &Target) -> Result<String> {
    let emulator = match Emulator::of(target) {
        None => return Ok("not run".to_owned()),
        Some(Emulator(None)) => "run".to_owned(),
        Some(Emulator(Some(path))) => {
            format!("run by {}", path.file_name().unwrap_or_default().to_string_lossy())
        }
    };
    Ok(if userns::are_allowed(context)? { emulator } else { emulator + ", except the server" })
}

/// The emulator that runs programs of the target: none on a machine of that architecture, qemu elsewhere.
pub struct Emulator(Option<PathBuf>);

impl Emulator {
    /// Returns it, or an error with the command that installs it.
    pub fn require(target: &Target) -> Result<Emulator> {
        if Target::host() == Some(target) {
            return Ok(Emulator(None));
        }
        Ok(Emulator(Some(qemu::require(target)?)))
    }

    fn of(target: &Target) -> Option<Emulator> {
        if Target::host() == Some(target) {
            return Some(Emulator(None));
        }
        qemu::find(target).map(|path| Emulator(Some(path)))
    }

    pub fn program<'a>(
        &self,
        context: &'a Context,
        program: &Path,
        arguments: &[&str],
    ) -> Result<Command<'a>> {
        let emulator = self.0.iter();
        let mut words = emulator.map(PathBuf::as_path).chain([program]);
        let first = words.next().context("there is always a program")?.to_owned();
        let rest: Vec<&Path> = words.collect();
        Ok(cmd!(context, "{first} {rest...} {arguments...}"))
    }
}

/// Lets k3s unpack its bundle, which it does before it starts anything: its own code verifies every file and link.
fn unpacks_itself(build: &Build, emulator: &Emulator, k3s: &Path, data: &Path) -> Result<Check> {
    let directory = data.to_string_lossy();
    // Under emulation, k3s cannot start the program that it has unpacked, so its exit status does not count.
    let (_, stdout, stderr) = emulator
        .program(build.context, k3s, &["kubectl", "version", "--client"])?
        .env("K3S_DATA_DIR", &*directory)
        .env("HOME", &*directory)
        .capture()?;
    unpacked(data)
        .map(|(_, digest)| Check::passed("k3s unpacks and verifies its own bundle", digest))
        .with_context(|| {
            format!("k3s printed: {}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr))
        })
}

/// Returns the `bin/k3s` below a data directory of k3s, and the digest of the bundle, which is in its path.
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

/// Checks that `k3s server` passes its own checks at start, which `--version` does not reach: v1.30 to v1.35 exit at
/// once unless they were built with the Go version of Kubernetes.
fn server_starts(build: &Build, emulator: &Emulator, data: &Path) -> Result<Check> {
    if !userns::are_allowed(build.context)? {
        // In the chroot of a build service, for instance, and where a security module forbids them.
        build
            .context
            .progress
            .print("warning: user namespaces are not allowed here, so the server was not started");
        return Ok(Check::not_run(SERVER_STARTS, "user namespaces are not allowed"));
    }
    let (server, _) = unpacked(data)?;
    // Its sockets are in there, whose paths must be short (unix(7)).
    let state = tempfile::tempdir()?;
    let (emulator, directory) = (emulator.0.as_deref(), state.path());
    // In a network namespace, so that nothing of this machine is changed. It has no route, from which k3s would
    // take its address.
    let options = ["server", "--node-ip", "10.0.0.1", "--data-dir"];
    let program =
        cmd!(build.context, "unshare --map-root-user --net {emulator...} {server} {options...} {directory}")
            .env("HOME", directory)
            .log("server-start");
    let wanted = format!("Starting k3s {}", build.source.version);
    let watched = program.watch(&wanted, TIMEOUT)?;
    if !watched.found {
        bail!("the server did not print {wanted:?} but:\n{}", watched.text);
    }
    let line = watched.text.lines().rfind(|line| line.contains(&wanted)).unwrap_or_default().to_owned();
    Ok(Check::passed(SERVER_STARTS, without_time(&line)))
}

/// Removes the time from a log line, since the manifest contains no times.
fn without_time(line: &str) -> String {
    match line.split_once("\" ") {
        Some((time, rest)) if time.starts_with("time=") => rest.to_owned(),
        _ => line.to_owned(),
    }
}
