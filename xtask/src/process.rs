//! Child processes: the one way to run another command.
//!
//! A [`Command`] gets a composed environment and not an inherited one, keeps its full output in a log, shows the end
//! of it when it fails, and never outlives this process (see [`guard`]).

mod environment;
mod guard;
mod output;
mod sandbox;
mod streaming;

pub use environment::home;
pub use guard::{GUARD, guard};
pub use sandbox::{SANDBOX, Sandbox, available as sandbox_available, enter as enter_sandbox};
pub use streaming::{Child, Event, Watched};

use crate::context::Context;
use crate::url::without_credentials;
use anyhow::{Context as _, Result, bail, ensure};
use environment::Environment;
use fs_err as fs;
use nix::sys::signal;
use nix::unistd::Pid;
use std::ffi::{OsStr, OsString};
use std::io::{PipeReader, PipeWriter, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

/// Lines of a failed command's output that are shown at the terminal; the log has the rest.
const TAIL: usize = 25;

/// Characters of one argument that are shown at the terminal.
const LONGEST_WORD: usize = 200;

/// A command to be run, with its directory and environment.
#[must_use = "a command does nothing until it is run"]
pub struct Command<'a> {
    context: &'a Context,
    argv: Vec<OsString>,
    dir: PathBuf,
    environment: Environment,
    log: Option<PathBuf>,
    sandbox: Option<Sandbox>,
}

/// A child process and our end of the socket to its guard.
struct Started {
    child: std::process::Child,
    /// The guard reports over it; closed, it makes the guard kill the child.
    line: UnixStream,
}

/// Begins a [`Command`] from a command line in xshell's syntax: `cmd!(context, "git ls-remote -- {url}")`.
///
/// `{name}` is one argument whatever is in it, `{names...}` several.
#[macro_export]
macro_rules! cmd {
    ($context:expr, $line:literal) => {
        $crate::process::Command::new($context, |shell| xshell::cmd!(shell, $line))
    };
}
pub use cmd;

impl<'a> Command<'a> {
    /// Begins a command from an xshell command; see [`cmd!`].
    pub fn new(
        context: &'a Context,
        compose: impl for<'s> FnOnce(&'s xshell::Shell) -> xshell::Cmd<'s>,
    ) -> Command<'a> {
        // The shell only parses, but it cannot be made where the current directory is gone: then there are no words.
        let composed = xshell::Shell::new().map(|shell| std::process::Command::from(compose(&shell)));
        let words = |composed: std::process::Command| -> Vec<OsString> {
            std::iter::once(composed.get_program()).chain(composed.get_args()).map(OsStr::to_owned).collect()
        };
        Command::from_argv(context, composed.map(words).unwrap_or_default())
    }

    /// Begins a command from its words.
    pub fn from_argv<T: Into<OsString>>(
        context: &'a Context,
        argv: impl IntoIterator<Item = T>,
    ) -> Command<'a> {
        Command {
            context,
            argv: argv.into_iter().map(Into::into).collect(),
            dir: context.root.clone(),
            environment: Environment::compose(),
            log: None,
            sandbox: None,
        }
    }

    /// Runs in this directory instead of the repository's root.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = dir.into();
        self
    }

    /// Adds arguments.
    pub fn args<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.argv.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.variables.insert(name.into(), value.into());
        self
    }

    pub fn envs<K: Into<OsString>, V: Into<OsString>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.environment.variables.extend(pairs.into_iter().map(|(k, v)| (k.into(), v.into())));
        self
    }

    /// Runs without what the user's environment would pass on: no home, no credentials, no proxies.
    pub fn without_user_environment(mut self) -> Self {
        self.environment.leave_out_user();
        self
    }

    /// Runs in a sandbox, which needs [`sandbox_available`].
    pub fn sandboxed(mut self, sandbox: Sandbox) -> Self {
        self.sandbox = Some(sandbox);
        self
    }

    /// Passes on the user's variables with this prefix (`GIT_`, `PIP_` …), except those that would point the tool
    /// at another directory than the one it is called for.
    pub fn inherit(mut self, prefix: &str, except: &[&str]) -> Self {
        self.environment.inherit(prefix, except);
        self
    }

    /// Appends the output to `target/logs/<name>.log`.
    pub fn log(mut self, name: &str) -> Self {
        self.log = Some(self.context.logs.join(format!("{name}.log")));
        self
    }

    /// Runs and waits; output goes to the log.
    pub fn run(self) -> Result<()> {
        self.run_until(None)
    }

    /// Runs and waits for no longer than this; then the child process is killed.
    pub fn run_within(self, timeout: Duration) -> Result<()> {
        self.run_until(Some(timeout))
    }

    fn run_until(self, timeout: Option<Duration>) -> Result<()> {
        let log = self.log_file()?;
        let (reader, writer) = pipe()?;
        let messages = writer.try_clone().context("sharing the pipe for a command's output")?;
        let (ended, tail) = std::thread::scope(|scope| {
            let tail = scope.spawn(|| output::keep(reader, log));
            let ended = self.finish(Stdio::from(writer), Stdio::from(messages), None, timeout);
            (ended, tail.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let tail = tail.with_context(|| format!("keeping the output of {self}"));
        let status = ended?;
        let tail = tail?;
        if !status.success() {
            return Err(self.failure(status, &tail));
        }
        Ok(())
    }

    /// Runs and waits; output goes where that of this process goes.
    pub fn run_attached(self) -> Result<()> {
        let status = self.finish(Stdio::inherit(), Stdio::inherit(), None, None)?;
        ensure!(status.success(), "{self} ended with {status}");
        Ok(())
    }

    /// Runs and returns standard output as text, without the final newline.
    pub fn read(self) -> Result<String> {
        let (status, stdout, stderr) = self.capture()?;
        if !status.success() {
            return Err(self.failure(status, if stderr.is_empty() { &stdout } else { &stderr }));
        }
        let text = String::from_utf8(stdout).with_context(|| format!("output of {self} is not UTF-8"))?;
        Ok(text.trim_end_matches('\n').to_owned())
    }

    /// Returns true if the command can be started and succeeds; its output is dropped.
    pub fn succeeds(self) -> bool {
        self.capture().is_ok_and(|(status, ..)| status.success())
    }

    /// Runs and returns the exit status, stdout and stderr, whatever the status.
    pub fn capture(&self) -> Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let mut stderr = scratch_file()?;
        let mut stdout = Vec::new();
        let status =
            self.finish(Stdio::piped(), Stdio::from(stderr.try_clone()?), Some(&mut stdout), None)?;
        stderr.rewind()?;
        let mut messages = Vec::new();
        stderr.read_to_end(&mut messages)?;
        Ok((status, stdout, messages))
    }

    /// Starts the command under a [`guard`].
    fn start(&self, stdout: Stdio, stderr: Stdio) -> Result<Started> {
        ensure!(!self.argv.is_empty(), "the current directory is gone");
        let (line, of_guard) = UnixStream::pair().context("creating the socket to a command's guard")?;
        let mut command = std::process::Command::new(&self.context.guard);
        command.arg(GUARD);
        if let Some(sandbox) = &self.sandbox {
            command.arg(&self.context.guard).arg(SANDBOX).arg(sandbox.to_argument()?);
        }
        command.args(&self.argv).current_dir(&self.dir).env_clear().envs(&self.environment.variables);
        command.stdin(Stdio::from(OwnedFd::from(of_guard))).stdout(stdout).stderr(stderr);
        // Its copies of the guard's end of the line and of the outputs are closed with it: the guard's own must be
        // the last.
        let child = command.spawn().with_context(|| format!("cannot start {self}"))?;
        Ok(Started { child, line })
    }

    /// Runs the command and kills every process that it leaves behind.
    fn finish(
        &self,
        stdout: Stdio,
        stderr: Stdio,
        capture: Option<&mut Vec<u8>>,
        timeout: Option<Duration>,
    ) -> Result<ExitStatus> {
        let Started { mut child, line } = self.start(stdout, stderr)?;
        if let (Some(buffer), Some(mut pipe)) = (capture, child.stdout.take()) {
            pipe.read_to_end(buffer).with_context(|| format!("reading the output of {self}"))?;
        }
        let report =
            read_report(line, timeout).with_context(|| format!("reading the guard's report on {self}"))?;
        // Processes left in its group would write on. Before the guard is waited for, its number is that of its
        // group and of no other.
        let _ = signal::killpg(Pid::from_raw(child.id().try_into()?), signal::Signal::SIGKILL);
        let status = child.wait().with_context(|| format!("waiting for {self}"))?;
        let Some(report) = report else {
            bail!(
                "{self} was still running after {} s and was killed\n  in {}",
                timeout.unwrap_or_default().as_secs(),
                self.dir.display()
            );
        };
        if let Some(reason) = report.strip_prefix(guard::CANNOT_START) {
            bail!("cannot start {self}: {}", reason.trim_end());
        }
        Ok(status)
    }

    /// Opens the log, if there is one, and begins it with the command line.
    fn log_file(&self) -> Result<Option<std::fs::File>> {
        let Some(log) = &self.log else { return Ok(None) };
        if let Some(directory) = log.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut file = fs::OpenOptions::new().read(true).append(true).create(true).open(log)?;
        writeln!(file, "\n$ {}\n  in {}", self.line(usize::MAX), self.dir.display())?;
        Ok(Some(file.into_file()))
    }

    /// Returns the command line, each word cut off after so many characters.
    fn line(&self, longest: usize) -> String {
        let words = self.argv.iter().map(|word| {
            let word = without_credentials(&word.to_string_lossy());
            match word.char_indices().nth(longest) {
                Some((end, _)) => quoted(&word[..end]) + "…",
                None => quoted(&word),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }

    fn failure(&self, status: ExitStatus, output: &[u8]) -> anyhow::Error {
        let how = match status.signal() {
            Some(signal) => format!("was ended by signal {signal}"),
            None => format!("ended with status {}", status.code().unwrap_or(-1)),
        };
        let tail = tail(&String::from_utf8_lossy(output)).join("\n    ");
        let suspects: String =
            self.environment.suspects().iter().map(|suspect| format!("\n  {suspect}")).collect();
        let log =
            self.log.as_deref().map(|log| format!("\n  full output: {}", log.display())).unwrap_or_default();
        anyhow::anyhow!("{self} {how}\n  in {}{log}\n  last lines:\n    {tail}{suspects}", self.dir.display())
    }
}

impl std::fmt::Display for Command<'_> {
    /// Writes the command line as it could be pasted into a shell, except for very long arguments, which only the
    /// log has in full.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.line(LONGEST_WORD))
    }
}

fn pipe() -> Result<(PipeReader, PipeWriter)> {
    std::io::pipe().context("making a pipe for a command's output")
}

/// Opens the file that holds a command's stderr.
fn scratch_file() -> Result<std::fs::File> {
    tempfile::tempfile().context("making a scratch file for a command's messages")
}

/// Reads the report that a guard writes when it ends; returns none if it has not ended in time.
fn read_report(mut line: UnixStream, timeout: Option<Duration>) -> std::io::Result<Option<String>> {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    line.set_read_timeout(timeout)?;
    let mut report = String::new();
    match line.read_to_string(&mut report) {
        Ok(_) => Ok(Some(report)),
        Err(error) if matches!(error.kind(), TimedOut | WouldBlock) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the last lines of an output as a terminal would show them: of an overwritten line, its last state.
fn tail(output: &str) -> Vec<&str> {
    let lines: Vec<&str> = output
        .trim_end()
        .lines()
        .map(|line| line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default())
        .collect();
    lines[lines.len().saturating_sub(TAIL)..].to_vec()
}

/// Quotes one word for a POSIX shell, where it needs it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,./:@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Finds an executable on the search path, as execvp(3) would.
pub fn find(name: &str) -> Option<PathBuf> {
    find_in(name, &std::env::var_os("PATH")?)
}

fn find_in(name: &str, path: &OsStr) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let executable =
        |file: &Path| file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    std::env::split_paths(path).map(|directory| directory.join(name)).find(|file| executable(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_only_where_a_shell_needs_it() {
        assert_eq!(quoted("-tags=a,b"), "-tags=a,b");
        assert_eq!(quoted("it's here"), r"'it'\''s here'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn tail_shows_the_last_state_of_a_progress_line() {
        let output = "remote: 1%\rremote: 50%\rremote: 100%, done.\r\nfatal: no\nlast 1%\rlast 9%\r";
        assert_eq!(tail(output), ["remote: 100%, done.", "fatal: no", "last 9%"]);
        let long: String = (0..TAIL + 5).map(|line| format!("{line}\n")).collect();
        assert_eq!((tail(&long).len(), tail(&long)[0]), (TAIL, "5"));
    }

    #[test]
    fn only_executable_files_are_found_on_a_path() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("plain"), "").unwrap();
        assert_eq!(find_in("plain", directory.path().as_os_str()), None);
        assert!(find_in("sh", OsStr::new("/bin")).is_some());
    }
}
