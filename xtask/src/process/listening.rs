//! Programs that are heard while they run.

use super::Program;
use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, PipeReader, Read, Seek};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What a watched program had said when it was ended.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Whether the awaited line came.
    pub found: bool,
    pub text: String,
}

/// A program that runs on while its output is read. Dropped, it is ended with all that it started.
#[must_use = "a program that nobody listens to is ended"]
pub struct Listening {
    lines: Receiver<String>,
    line: Option<UnixStream>,
    child: std::process::Child,
    /// What it writes besides, in a file of its own, which no other program's messages mix with.
    messages: Option<std::fs::File>,
    /// It is removed with the program, which may read it late.
    _input: Option<tempfile::NamedTempFile>,
}

/// What comes of listening for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A line, without its end.
    Line(String),
    /// Nothing was said in that time.
    Silence,
    /// The program has closed its output, as it does when it ends.
    End,
}

impl Listening {
    /// The next line, waited for no longer than this.
    pub fn next(&self, patience: Duration) -> Heard {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Heard::Line(line),
            Err(RecvTimeoutError::Timeout) => Heard::Silence,
            Err(RecvTimeoutError::Disconnected) => Heard::End,
        }
    }

    /// What the program has written besides, given that it has ended, or why it could not be started.
    pub fn last_words(&self) -> Result<String> {
        let mut words = String::new();
        if let Some(mut line) = self.line.as_ref() {
            line.read_to_string(&mut words).context("reading a guard's report")?;
        }
        // Of a program that was started, the guard reports the peak of its memory only.
        if !words.starts_with("cannot start") {
            words.clear();
        }
        if let Some(mut messages) = self.messages.as_ref() {
            messages.rewind().context("looking for a program's messages")?;
            messages.read_to_string(&mut words).context("reading a program's messages")?;
        }
        Ok(words)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The guard takes a closed line for the end of this process, and ends its group.
        drop(self.line.take());
        // Should somebody have ended the guard, the group it has led is still known by its number. A group that is
        // gone, or not yet made by a guard which finds its line closed, is no failure.
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        // It was started by us, so that waiting for it can fail only if somebody else has waited already.
        let _ = self.child.wait();
        // The last of the group to end is the last to close the output. The kernel ends what is killed within a
        // moment, unless a disk keeps it.
        let end = Instant::now() + Duration::from_secs(10);
        while matches!(self.next(end.saturating_duration_since(Instant::now())), Heard::Line(_)) {}
    }
}

impl Program<'_> {
    /// Starts the program, whose standard output is then heard line by line while it runs on; messages are kept
    /// apart.
    pub fn listen(self) -> Result<Listening> {
        let (reader, writer) = pipe()?;
        let messages = tempfile::tempfile().context("making a scratch file for a program's messages")?;
        let theirs = messages.try_clone().context("sharing the scratch file for a program's messages")?;
        let mut heard = self.heard(reader, Stdio::from(writer), Stdio::from(theirs))?;
        heard.messages = Some(messages);
        Ok(heard)
    }

    /// Runs until a line of its output or messages holds `wanted`, then ends it with all that it started.
    ///
    /// It is ended as well when it has said nothing of the kind within `limit`.
    pub fn watch(self, wanted: &str, limit: Duration) -> Result<Watched> {
        let (reader, writer) = pipe()?;
        let messages = writer.try_clone().context("sharing the pipe for a program's output")?;
        let program = self.heard(reader, Stdio::from(writer), Stdio::from(messages))?;
        let end = Instant::now() + limit;
        let mut watched = Watched { found: false, text: String::new() };
        while let Heard::Line(line) = program.next(end.saturating_duration_since(Instant::now())) {
            watched.text.push_str(&line);
            watched.text.push('\n');
            if line.contains(wanted) {
                watched.found = true;
                break;
            }
        }
        Ok(watched)
    }

    /// Starts the program with these two to write to, and reads the lines that come out of the pipe.
    fn heard(&self, reader: PipeReader, stdout: Stdio, stderr: Stdio) -> Result<Listening> {
        let (line, theirs) = UnixStream::pair().context("making the line to a program's guard")?;
        let input = self.input_file()?;
        let mut command = self.guarded(theirs, input.as_ref())?;
        command.stdout(stdout).stderr(stderr);
        let child = command.spawn().with_context(|| format!("cannot start {self}"))?;
        // It holds this side's copies of the pipe, which would never end.
        drop(command);
        let (said, lines) = channel();
        std::thread::spawn(move || {
            for text in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&text).trim_end_matches('\r').to_owned();
                if said.send(text).is_err() {
                    break;
                }
            }
        });
        Ok(Listening { lines, line: Some(line), child, messages: None, _input: input })
    }
}

fn pipe() -> Result<(PipeReader, std::io::PipeWriter)> {
    std::io::pipe().context("making a pipe for a program's output")
}
