//! Test environment for `cargo xtask`: a target directory of its own, with the real one's cache.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xtask::context::{Context, Network};
use xtask::digest::Digest;

/// Variables that xtask and the tools it calls read from the environment, and that a test must not pass on.
const UNWANTED: [&str; 5] =
    ["GITHUB_ACTIONS", "K3S_XTASK_MIRROR", "K3S_XTASK_DEBIAN", "K3S_XTASK_LOCK", "RUST_BACKTRACE"];

/// A directory name with every character that a shell, a URL, a macro, a pattern or a search path gives a meaning to.
#[allow(dead_code, reason = "not every test program builds below it")]
pub const ODD_NAME: &str = "it's a:b \"lab\" (k3s) %41 & #1 目录; $HOME, [x]*?";

pub struct TestEnv {
    directory: tempfile::TempDir,
    /// Directory of executables that precede others, at a path that a search path can name, whatever the place's
    /// name.
    programs: tempfile::TempDir,
    variables: BTreeMap<OsString, OsString>,
}

impl TestEnv {
    pub fn new() -> TestEnv {
        TestEnv::named("test-env-")
    }

    /// Returns a place whose path contains this text.
    pub fn named(name: &str) -> TestEnv {
        let directory =
            tempfile::Builder::new().prefix(name).tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let programs =
            tempfile::Builder::new().prefix("programs-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut env = TestEnv { directory, programs, variables: BTreeMap::new() };
        env.set("CARGO_TARGET_DIR", env.path("target"));
        env.set("K3S_XTASK_CACHE", cache());
        env.set("K3S_XTASK_LOCK", env.path("k3s.lock.json"));
        // Git settings of the user who runs the tests must have no effect.
        env.set("GIT_CONFIG_GLOBAL", "/dev/null");
        env
    }

    /// Returns a path inside the place.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the directory of the results of steps.
    pub fn work(&self) -> PathBuf {
        self.path("target").join("work")
    }

    pub fn dist(&self) -> PathBuf {
        self.path("target/dist")
    }

    /// Returns a context for calling the library, whose results are in this place.
    pub fn context(&self) -> Context {
        Context {
            work: self.work(),
            dist: self.dist(),
            logs: self.path("target/logs"),
            lock_file: self.path("k3s.lock.json"),
            ..context()
        }
    }

    /// Sets a variable for every command that is run here.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.variables.insert(name.into(), value.into());
    }

    /// Returns the path of an executable that was put before others of its name.
    #[allow(dead_code, reason = "not every test program names one")]
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.path().join(name)
    }

    /// Puts an executable before those of the same name, for every command that is run here.
    pub fn put_program(&mut self, name: &str, script: &str) {
        let directory = self.programs.path().to_owned();
        std::fs::write(directory.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(directory.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let path = std::env::join_paths(std::iter::once(directory).chain(std::env::split_paths(&path)));
        self.set("PATH", path.unwrap());
    }

    /// Returns `cargo xtask` with these arguments.
    pub fn xtask<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        self.under::<&str, S>([], arguments)
    }

    /// Returns `cargo xtask` prefixed by these words, which may change its conditions.
    pub fn under<W: AsRef<OsStr>, S: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = W>,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut words = words.into_iter().map(|word| word.as_ref().to_owned()).collect::<Vec<_>>();
        words.push(env!("CARGO_BIN_EXE_xtask").into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(arguments);
        for name in UNWANTED {
            command.env_remove(name);
        }
        command.envs(&self.variables);
        command
    }

    /// Returns a command's standard output, and fails unless it succeeds.
    #[track_caller]
    pub fn succeeds<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        succeeded(self.xtask(arguments).output().unwrap()).0
    }

    /// Returns the one error that a command ends with, and checks that nothing of a product is left.
    #[track_caller]
    pub fn fails<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let message = failed(&self.xtask(arguments).output().unwrap());
        assert_eq!(self.files(), BTreeMap::new(), "a product was left\n{message}");
        message
    }

    /// Returns the message about a command line that is refused (status 2), and checks that nothing is left.
    #[track_caller]
    pub fn usage_error<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let output = self.xtask(arguments).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert_eq!(self.files(), BTreeMap::new(), "a product was left\n{message}");
        message
    }

    /// Returns the digest of every file below `dist`, hidden ones too, by its path.
    pub fn files(&self) -> BTreeMap<String, Digest> {
        let dist = self.dist();
        let files = walkdir::WalkDir::new(&dist).into_iter().filter_map(Result::ok);
        let digest = |path: &Path| {
            let name = path.strip_prefix(&dist).unwrap().display().to_string();
            (name, Digest::of_file(path).unwrap())
        };
        files.filter(|entry| entry.file_type().is_file()).map(|entry| digest(entry.path())).collect()
    }
}

/// Returns a context for calling the library, with the executable that guards its child processes.
pub fn context() -> Context {
    let mut context = Context::new(None, Network::Allowed).unwrap();
    context.guard = env!("CARGO_BIN_EXE_xtask").into();
    context.mirror = None;
    context
}

/// Returns the cache that all tests share with the user who runs them.
pub fn cache() -> PathBuf {
    context().cache
}

/// Returns standard output and messages of a command, which must have succeeded.
#[track_caller]
pub fn succeeded(output: Output) -> (String, String) {
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}\n{messages}", output.status);
    (String::from_utf8(output.stdout).unwrap(), messages)
}

/// Returns the one error of a command, which must have failed with status 1, as an error and no panic.
#[track_caller]
pub fn failed(output: &Output) -> String {
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{messages}");
    let stories = messages.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(stories, 1, "{messages}");
    let begin = messages.match_indices("error: ").map(|(at, _)| at);
    let begin = begin.into_iter().find(|at| *at == 0 || messages.as_bytes()[at - 1] == b'\n').unwrap();
    messages[begin..].to_owned()
}
