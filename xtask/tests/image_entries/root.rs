//! A root file system of an image: busybox, the entry, stubs of the programs that it calls.

use crate::needs;
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const UNSHARE: (&str, &str) = ("unshare", "util-linux");
const BUSYBOX: (&str, &str) = ("busybox", "busybox-static");

pub struct Root {
    directory: TempDir,
}

/// Returns whether entries can be run here.
pub fn can_run(what: &str) -> bool {
    needs::programs(what, &[BUSYBOX, UNSHARE]) && needs::namespaces(what)
}

impl Root {
    /// Returns a root with the text of an entry and with no other commands of busybox than these.
    pub fn new(entry: &str, applets: &[&str]) -> Root {
        let root = Root { directory: tempfile::tempdir().unwrap() };
        let busybox = xtask::process::find("busybox").expect("busybox, which can_run requires");
        root.install(&busybox, "bin/busybox");
        for applet in applets {
            symlink("busybox", root.path("bin").join(applet)).unwrap();
        }
        root.write("dev/null", "");
        root.write("dev/termination-log", "");
        root.program("usr/bin/entry", entry);
        root
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below.trim_start_matches('/'))
    }

    /// Returns the text of a file, which is empty if there is no such file.
    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_default()
    }

    pub fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn program(&self, below: &str, text: &str) {
        self.write("tmp/program", text);
        self.install(&self.path("tmp/program"), below);
    }

    /// Copies an executable, in a child process: a file that is open for writing cannot be executed, and a child that
    /// another test starts would inherit it.
    fn install(&self, executable: &Path, below: &str) {
        let mut install = Command::new("install");
        install.args(["-D", "--mode=755"]).arg(executable).arg(self.path(below));
        assert!(install.status().unwrap().success(), "{install:?}");
    }

    fn set_mode(&self, below: &str, mode: u32) {
        fs::set_permissions(self.path(below), PermissionsExt::from_mode(mode)).unwrap();
    }

    /// Runs the entry as user 1000, to whom only existing files and /tmp are writable.
    pub fn run(&self, arguments: &[&str], environment: &[(String, String)]) -> Output {
        let directories = ["", "bin", "dev", "usr", "usr/bin"];
        directories.iter().for_each(|directory| self.set_mode(directory, 0o555));
        let output = self.command(arguments, environment).output().unwrap();
        directories.iter().for_each(|directory| self.set_mode(directory, 0o755));
        output
    }

    /// Returns the command that runs the entry as user 1000, to which SIGINT means what it does to a container: tests
    /// in the background ignore it.
    pub fn command(&self, arguments: &[&str], environment: &[(String, String)]) -> Command {
        let mut command = Command::new("env");
        command.args([
            "--default-signal=INT",
            "unshare",
            "--user",
            "--map-user=1000",
            "--map-group=1000",
            "--root",
        ]);
        command.arg(self.directory.path());
        command.arg("/usr/bin/entry").args(arguments).stdin(Stdio::null());
        command.env_clear().envs(environment.iter().cloned()).env("PATH", "/usr/bin:/bin");
        command
    }
}

/// Returns shellcheck's findings in an entry, or nothing where there is no shellcheck.
pub fn shellcheck(entry: &Path) -> String {
    if !needs::programs("the entries of images", &[("shellcheck", "shellcheck")]) {
        return String::new();
    }
    let output = Command::new("shellcheck").args(["--shell=sh"]).arg(entry).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
