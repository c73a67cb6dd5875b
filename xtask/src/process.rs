//! The one way to run another program.
//!
//! A [`Program`] is composed with xshell, gets an environment that we wrote and not the one we were
//! started in, keeps its full output in a log, shows the tail of it when it fails, and never outlives
//! us: see [`guard`].

mod environment;
mod guard;
mod listening;
mod output;
mod sandbox;

pub use guard::{GUARD, guard};
pub use listening::{Heard, Listening, Watched};
pub use sandbox::{SANDBOX, Sandbox, available as sandbox_available, enter as enter_sandbox};

use crate::context::Context;
use crate::url::without_credentials;
use anyhow::{Context as _, Result, bail};
use environment::Environment;
use fs_err as fs;
use nix::sys::signal;
use nix::unistd::Pid;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// Lines of a failed program's output that are shown at the terminal; the log has the rest.
const TAIL: usize = 25;

/// Characters of one argument that are shown at the terminal.
const LONGEST_WORD: usize = 200;

/// A program to be run, with its arguments, directory and environment.
#[must_use = "a program does nothing until it is run"]
pub struct Program<'a> {
    context: &'a Context,
    argv: Vec<OsString>,
    dir: PathBuf,
    environment: Environment,
    log: Option<PathBuf>,
    input: Option<Vec<u8>>,
    sandbox: Option<Sandbox>,
}

/// What a finished program used, as the kernel counted it for the program and all its children.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Largest resident size of any one process, in KiB (getrusage(2), `ru_maxrss`).
    pub peak_kib: u64,
}

impl<'a> Program<'a> {
    /// Takes over the program and arguments of an xshell command.
    pub fn new(context: &'a Context, command: xshell::Cmd<'_>) -> Program<'a> {
        let command = Command::from(command);
        let argv =
            std::iter::once(command.get_program()).chain(command.get_args()).map(OsStr::to_owned).collect();
        Program {
            context,
            argv,
            dir: context.root.clone(),
            environment: Environment::compose(),
            log: None,
            input: None,
            sandbox: None,
        }
    }

    /// Runs in this directory instead of the repository's root.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = dir.into();
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

    /// Passes on what the user has set of a tool's own variables (`GIT_`, `PIP_` …), but for those
    /// that would point the tool at another place than the one it is called for.
    pub fn inherit(mut self, prefix: &str, except: &[&str]) -> Self {
        self.environment.inherit(prefix, except);
        self
    }

    /// Appends the output to `target/logs/<name>.log`.
    pub fn log(mut self, name: &str) -> Self {
        self.log = Some(self.context.logs.join(format!("{name}.log")));
        self
    }

    /// Gives the program this text as its standard input; without it, standard input is empty.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Runs for the effect; output goes to the log.
    pub fn run(self) -> Result<Usage> {
        self.run_until(None)
    }

    /// Runs for the effect. What is still running after this time is killed.
    pub fn run_within(self, timeout: Duration) -> Result<Usage> {
        self.run_until(Some(timeout))
    }

    fn run_until(self, timeout: Option<Duration>) -> Result<Usage> {
        let log = self.log_file()?;
        let (reader, writer) = std::io::pipe().context("making a pipe for a program's output")?;
        let messages = writer.try_clone().context("sharing the pipe for a program's output")?;
        let (ended, tail) = std::thread::scope(|scope| {
            let tail = scope.spawn(|| output::keep(reader, log));
            let ended = self.spawn(Stdio::from(writer), Stdio::from(messages), None, timeout);
            (ended, tail.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let tail = tail.with_context(|| format!("keeping the output of {self}"));
        let (status, usage) = ended?;
        let tail = tail?;
        if !status.success() {
            return Err(self.failure(status, &tail));
        }
        Ok(usage)
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

    /// Asks whether the program can be started and succeeds; its output is dropped.
    pub fn succeeds(self) -> bool {
        self.capture().is_ok_and(|(status, ..)| status.success())
    }

    /// Runs and returns how the program ended with all that it wrote, whatever the status.
    pub fn capture(&self) -> Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let mut stderr = tempfile::tempfile().context("making a scratch file for a program's messages")?;
        let mut stdout = Vec::new();
        let (status, _) =
            self.spawn(Stdio::piped(), Stdio::from(stderr.try_clone()?), Some(&mut stdout), None)?;
        use std::io::Seek;
        stderr.rewind()?;
        let mut messages = Vec::new();
        stderr.read_to_end(&mut messages)?;
        Ok((status, stdout, messages))
    }

    /// The guard's command line, with everything but its output.
    fn guarded(&self, line: UnixStream, input: Option<&tempfile::NamedTempFile>) -> Result<Command> {
        let mut command = Command::new(&self.context.guard);
        command.arg(GUARD);
        if let Some(sandbox) = &self.sandbox {
            command.arg(&self.context.guard).arg(SANDBOX).arg(sandbox.to_argument()?);
        }
        command.args(&self.argv).current_dir(&self.dir).env_clear().envs(&self.environment.variables);
        let input = input.map_or(Path::new("/dev/null"), |file| file.path());
        command.env(guard::INPUT, input).stdin(Stdio::from(OwnedFd::from(line)));
        Ok(command)
    }

    /// Starts the program under a [`guard`] and waits for it. What is left of it when it has ended is killed.
    fn spawn(
        &self,
        stdout: Stdio,
        stderr: Stdio,
        capture: Option<&mut Vec<u8>>,
        timeout: Option<Duration>,
    ) -> Result<(ExitStatus, Usage)> {
        let (ours, theirs) = UnixStream::pair().context("making the line to a program's guard")?;
        let input = self.input_file()?;
        let mut command = self.guarded(theirs, input.as_ref())?;
        command.stdout(stdout).stderr(stderr);
        let mut child = command.spawn().with_context(|| format!("cannot start {self}"))?;
        // The command holds our copy of the guard's end of the line; the guard's own must be the last.
        drop(command);
        if let (Some(buffer), Some(mut pipe)) = (capture, child.stdout.take()) {
            pipe.read_to_end(buffer).with_context(|| format!("reading the output of {self}"))?;
        }
        let report =
            read_report(ours, timeout).with_context(|| format!("reading the guard's report on {self}"))?;
        // What is left of its group would write on. Before the guard is waited for, its number is that of its group
        // and of no other.
        let _ = signal::killpg(Pid::from_raw(child.id().try_into()?), signal::Signal::SIGKILL);
        let status = child.wait().with_context(|| format!("waiting for {self}"))?;
        let Some(report) = report else {
            bail!(
                "{self} was still running after {} s and was killed\n  in {}",
                timeout.unwrap_or_default().as_secs(),
                self.dir.display()
            );
        };
        if let Some(reason) = report.strip_prefix("cannot start: ") {
            bail!("cannot start {self}: {}", reason.trim_end());
        }
        Ok((status, Usage { peak_kib: report.trim().parse().unwrap_or(0) }))
    }

    /// The text of the standard input, in a file that is removed with the value.
    fn input_file(&self) -> Result<Option<tempfile::NamedTempFile>> {
        let Some(text) = &self.input else { return Ok(None) };
        let mut file =
            tempfile::NamedTempFile::new().context("making a scratch file for a program's input")?;
        file.write_all(text)?;
        Ok(Some(file))
    }

    /// The log, begun with the command line, where there is one.
    fn log_file(&self) -> Result<Option<std::fs::File>> {
        let Some(log) = &self.log else { return Ok(None) };
        if let Some(directory) = log.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut file = fs::OpenOptions::new().read(true).append(true).create(true).open(log)?;
        writeln!(file, "\n$ {}\n  in {}", self.line(usize::MAX), self.dir.display())?;
        Ok(Some(file.into_file()))
    }

    /// The command line, its words cut off after so many characters.
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

impl std::fmt::Display for Program<'_> {
    /// The command line as it could be pasted into a shell, but for arguments as long as a page, which are
    /// whole in the log only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.line(LONGEST_WORD))
    }
}

/// Reads what a guard reports when it ends; none where it has not ended in time.
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

/// The last lines of an output as a terminal would show them: of a line that was overwritten, its last state.
fn tail(output: &str) -> Vec<&str> {
    let lines: Vec<&str> = output
        .trim_end()
        .lines()
        .map(|line| line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default())
        .collect();
    lines[lines.len().saturating_sub(TAIL)..].to_vec()
}

/// One word as a POSIX shell would have to read it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,./:@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Finds a program on the search path, as execvp(3) would.
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
