//! Programs that were started, alone or as the first process of a PID namespace, and their state.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::programs::Program;
use crate::wait;

/// A running program with captured output. Dropping it kills the program.
pub struct Running {
    child: Child,
    /// Process ID of the program, in the tests' own PID namespace.
    pub pid: Pid,
}

/// Starts `program` with `arguments`, writing to `stdout`.
pub fn launch(program: &Program, arguments: &[&str], stdout: impl Into<Stdio>) -> Running {
    spawn(&program.argv, arguments, stdout)
}

/// Starts `program` with `arguments`, and returns when it waits for signals.
pub fn start(program: &Program, arguments: &[&str]) -> Running {
    let running = launch(program, arguments, Stdio::piped());
    running.wait_until_ready(program);
    running
}

/// Starts `program` by a shell script, which has to `exec` the command line in `"$@"`.
pub fn start_by_script(program: &Program, script: &str) -> Running {
    spawn(["sh", "-c", script, "sh"], &program.argv, Stdio::piped())
}

/// Functions for the scripts: wait for the test; count the program's children, including zombies and the script itself;
/// wait until only the script is left; print the state of a process as in ps(1).
const FUNCTIONS: &str = r#"
    go() { read -r _ <&3; }
    children() { set -- $(cat /proc/1/task/1/children); echo $#; }
    until_alone() { until [ "$(children)" = 1 ]; do :; done; }
    state() { read -r _ _ state _ < "/proc/$1/stat"; echo "$state"; }
"#;

/// Starts `argv` as the first process of new user, PID and mount namespaces, and `script` in parallel.
pub fn start_in_namespace(argv: &[PathBuf], script: &str) -> Running {
    // By descriptor 3, since a shell redirects the input of background commands from /dev/null.
    let script = format!("{FUNCTIONS} exec 3<&0 </dev/null; {{\n{script}\n:; }} &\n exec \"$@\" 3<&-");
    let namespaces = "unshare --user --map-root-user --pid --fork --kill-child --mount-proc sh -c";
    let words = namespaces.split(' ').chain([&*script, "sh"]);
    let mut running = spawn(words, argv, Stdio::piped());
    let unshare = running.pid;
    running.pid = wait::until(|| {
        if running.child.try_wait().unwrap().is_some() {
            let mut stderr = String::new();
            running.child.stderr.as_mut().unwrap().read_to_string(&mut stderr).unwrap();
            panic!("cannot create namespaces: {stderr}");
        }
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).ok()?;
        let mut children = children.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap()));
        children.find(|pid| is_first_process(*pid))
    });
    running
}

/// Starts a command with the default action for every signal: nohup(1) ignores SIGHUP, and a shell without job control
/// ignores SIGINT in background commands.
fn spawn<A: AsRef<OsStr>, B: AsRef<OsStr>>(
    words: impl IntoIterator<Item = A>,
    more: impl IntoIterator<Item = B>,
    stdout: impl Into<Stdio>,
) -> Running {
    let mut command = Command::new("env");
    command.arg("--default-signal").args(words).args(more);
    let piped = command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
    let child = piped.spawn().unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    Running { pid: Pid::from_raw(child.id() as i32), child }
}

fn is_first_process(pid: Pid) -> bool {
    status_field(pid, "NSpid").is_some_and(|ids| ids.split_whitespace().last() == Some("1"))
}

/// System calls in which the programs wait for signals. glibc uses ppoll(2) on architectures without pause(2).
const WAITING: &[libc::c_long] = &[
    libc::SYS_rt_sigtimedwait,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_pause,
];

impl Running {
    /// Returns when the program waits for signals: `exec` is done, the program ignores or handles SIGCHLD, which each
    /// implementation does last, and it sleeps in a call that waits for signals. An emulator may sleep for other
    /// reasons, and would miss a signal before that call.
    pub fn wait_until_ready(&self, program: &Program) {
        let sigchld = 1 << (Signal::SIGCHLD as u32 - 1);
        let has =
            |set| self.status(set).is_some_and(|mask| u64::from_str_radix(&mask, 16).unwrap() & sigchld != 0);
        wait::until(|| {
            let state = self.status("State").expect("a program that was started");
            assert!(!state.starts_with('Z'), "{} ended before it waited for signals", program.name);
            let executes = fs::read_link(format!("/proc/{}/exe", self.pid)).ok()?;
            let is_ready = same_file(&executes, &program.argv[0])
                && (has("SigIgn") || has("SigCgt"))
                && state.starts_with('S')
                && self.waits_for_signals();
            is_ready.then_some(())
        });
    }

    /// Returns whether its current system call waits for signals (proc_pid_syscall(5)).
    fn waits_for_signals(&self) -> bool {
        let call = fs::read_to_string(format!("/proc/{}/syscall", self.pid)).unwrap_or_default();
        let number = call.split(' ').next().and_then(|number| number.parse().ok());
        number.is_some_and(|number| WAITING.contains(&number))
    }

    /// Returns a field of proc_pid_status(5), such as `State`.
    pub fn status(&self, field: &str) -> Option<String> {
        status_field(self.pid, field)
    }

    pub fn send(&self, signal: Signal) {
        kill(self.pid, signal).unwrap_or_else(|error| panic!("sending {signal}: {error}"));
    }

    /// Lets the script continue.
    pub fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Waits until the script writes a line.
    pub fn line(&mut self) {
        self.child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    }

    /// Waits until the program ends, and returns status and output.
    pub fn finish(mut self) -> Output {
        let status = self.child.wait().unwrap();
        let mut output = Output { status, stdout: Vec::new(), stderr: Vec::new() };
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_end(&mut output.stdout).unwrap();
        }
        self.child.stderr.take().unwrap().read_to_end(&mut output.stderr).unwrap();
        output
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if the process has ended. The first process of a namespace is killed with its unshare, and with it
        // every process in the namespace.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status_field(pid: Pid, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

fn same_file(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).ok() == fs::canonicalize(other).ok()
}
