//! Progress at the terminal: one line for each running step, with its elapsed time.
//!
//! At a terminal the lines are updated; elsewhere each step is printed once when it is done. Under GitHub
//! Actions a finished step's log is folded into a group. Colours follow `NO_COLOR` (no-color.org).

use crate::url::without_credentials;
use fs_err as fs;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Display of progress.
pub struct Progress {
    lines: MultiProgress,
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Terminal,
    Plain,
    GithubActions,
}

/// A running step. Dropped without [`Running::done`], it is printed as failed.
pub struct Running<'a> {
    progress: &'a Progress,
    bar: ProgressBar,
    name: String,
    started: Instant,
    log: Option<PathBuf>,
    over: bool,
}

impl Progress {
    pub fn new() -> Progress {
        let mode = if std::env::var_os("GITHUB_ACTIONS").is_some() {
            Mode::GithubActions
        } else if std::io::stderr().is_terminal() && std::env::var_os("CI").is_none() {
            Mode::Terminal
        } else {
            Mode::Plain
        };
        let target = match mode {
            Mode::Terminal => ProgressDrawTarget::stderr(),
            Mode::Plain | Mode::GithubActions => ProgressDrawTarget::hidden(),
        };
        Progress { lines: MultiProgress::with_draw_target(target), mode }
    }

    /// Begins a step.
    pub fn step(&self, name: impl Into<String>) -> Running<'_> {
        let name = name.into();
        let bar = self.lines.add(ProgressBar::new_spinner());
        bar.set_style(style("{spinner:.cyan} {prefix:<18} {elapsed:>5} {wide_msg:.dim}"));
        bar.set_prefix(name.clone());
        bar.enable_steady_tick(Duration::from_millis(120));
        Running { progress: self, bar, name, started: Instant::now(), log: None, over: false }
    }

    /// Prints text that stays on the screen, above the running steps.
    pub fn print(&self, text: impl AsRef<str>) {
        let text = without_credentials(text.as_ref());
        // A failed write to the terminal is no reason to stop a build.
        self.lines.suspend(|| drop(writeln!(anstream::stderr(), "{text}")));
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are well-formed")
        .tick_strings(&["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "])
}

impl Running<'_> {
    /// Names the log that is folded into CI's output when the step is over.
    pub fn with_log(mut self, log: PathBuf) -> Self {
        self.log = Some(log);
        self
    }

    /// Shows the current action of the step.
    pub fn doing(&self, what: impl Into<std::borrow::Cow<'static, str>>) {
        self.bar.set_message(without_credentials(&what.into()));
    }

    /// Shows a bar of this many bytes; see [`Running::received`].
    pub fn expect_bytes(&self, total: u64) {
        self.bar.set_style(style(
            "{spinner:.cyan} {prefix:<18} {elapsed:>5} {bar:24} {bytes}/{total_bytes} {wide_msg:.dim}",
        ));
        self.bar.set_length(total);
    }

    pub fn received(&self, so_far: u64) {
        self.bar.set_position(so_far);
    }

    /// Ends the step without output: the caller reports the error, or another step replaces this one.
    pub fn withdrawn(mut self) {
        self.over = true;
        self.bar.finish_and_clear();
    }

    /// Ends the step as successful; `note` describes the result.
    pub fn done(mut self, note: impl std::fmt::Display) {
        self.finish("✓", &note.to_string());
    }

    fn finish(&mut self, mark: &str, note: &str) {
        self.over = true;
        self.bar.finish_and_clear();
        let seconds = self.started.elapsed().as_secs_f64();
        let line = format!("{mark} {:<18} {seconds:>6.1} s  {note}", self.name);
        let line = line.trim_end();
        match (self.progress.mode, &self.log) {
            (Mode::GithubActions, Some(log)) => {
                let text = fs::read_to_string(log).unwrap_or_default();
                eprintln!("::group::{line}\n{text}\n::endgroup::");
            }
            _ => self.progress.print(line),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.finish("✗", "did not finish");
        }
    }
}
