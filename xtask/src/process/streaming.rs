//! Child processes whose output is read while they run.

use super::{Command, Started, pipe, scratch_file};
use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, PipeReader, Read, Seek};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Output of a watched command up to the moment it was killed.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Set if the awaited line came.
    pub found: bool,
    pub text: String,
}

/// A running child process. It is killed with all its descendants when the value is dropped.
#[must_use = "the child process is killed when this is dropped"]
pub struct Child {
    lines: Receiver<String>,
    /// None only while the value is dropped.
    started: Option<Started>,
    /// Stderr, if it is kept apart from stdout.
    stderr: Option<std::fs::File>,
}

/// Result of waiting for output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A line, without its end.
    Line(String),
    /// No line came in time.
    Timeout,
    /// The output was closed, as it is when the command ends.
    End,
}

impl Child {
    /// Waits for the next line of output, for no longer than `timeout`.
    pub fn next(&self, timeout: Duration) -> Event {
        match self.lines.recv_timeout(timeout) {
            Ok(line) => Event::Line(line),
            Err(RecvTimeoutError::Timeout) => Event::Timeout,
            Err(RecvTimeoutError::Disconnected) => Event::End,
        }
    }

    /// Kills the child process with all its descendants. What they have printed can still be read.
    pub fn kill(&self) {
        // If the guard itself was killed, its group is still known by its number. A group that is gone, or not yet
        // made by a guard that finds its line closed, is no failure.
        if let Some(Ok(group)) = self.started.as_ref().map(|started| i32::try_from(started.child.id())) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }

    /// Returns the stderr of a child process that has ended, or the reason why it could not be started.
    pub fn stderr(&self) -> Result<String> {
        let mut text = String::new();
        if let Some(started) = &self.started {
            (&started.line).read_to_string(&mut text).context("reading a guard's report")?;
        }
        if let Some(mut stderr) = self.stderr.as_ref() {
            stderr.rewind().context("reading a command's messages")?;
            stderr.read_to_string(&mut text).context("reading a command's messages")?;
        }
        Ok(text)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        let Some(Started { mut child, line }) = self.started.take() else { return };
        // The guard takes a closed line for the end of this process, and kills its group.
        drop(line);
        // It is our own child, and nothing else waits for it.
        let _ = child.wait();
        // The last process of the group to end closes the output. The kernel ends a killed process within a moment,
        // unless a disk keeps it.
        let end = Instant::now() + Duration::from_secs(10);
        while matches!(self.next(end.saturating_duration_since(Instant::now())), Event::Line(_)) {}
    }
}

impl Command<'_> {
    /// Starts the command, whose stdout is then read line by line while it runs; stderr is kept apart.
    pub fn stream(self) -> Result<Child> {
        let (reader, writer) = pipe()?;
        let stderr = scratch_file()?;
        let of_child = stderr.try_clone().context("sharing the scratch file for a command's messages")?;
        let mut child = self.read_lines(reader, Stdio::from(writer), Stdio::from(of_child))?;
        child.stderr = Some(stderr);
        Ok(child)
    }

    /// Runs until a line of stdout or stderr contains `text`, for no longer than `timeout`, then kills the command
    /// with all its descendants.
    pub fn watch(self, text: &str, timeout: Duration) -> Result<Watched> {
        let (reader, writer) = pipe()?;
        let stderr = writer.try_clone().context("sharing the pipe for a command's output")?;
        let child = self.read_lines(reader, Stdio::from(writer), Stdio::from(stderr))?;
        let end = Instant::now() + timeout;
        let mut watched = Watched { found: false, text: String::new() };
        while let Event::Line(line) = child.next(end.saturating_duration_since(Instant::now())) {
            watched.text.push_str(&line);
            watched.text.push('\n');
            if line.contains(text) {
                watched.found = true;
                break;
            }
        }
        Ok(watched)
    }

    /// Starts the command with these outputs, and reads lines from the pipe that they lead to.
    fn read_lines(&self, reader: PipeReader, stdout: Stdio, stderr: Stdio) -> Result<Child> {
        let started = self.start(stdout, stderr)?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for text in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&text).trim_end_matches('\r').to_owned();
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        Ok(Child { lines, started: Some(started), stderr: None })
    }
}
