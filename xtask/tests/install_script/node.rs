//! A root directory in which the installer runs: busybox, and commands of an init system that record their calls.

use fs_err as fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// The init system of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    Systemd,
    OpenRc,
}

pub struct Node {
    root: TempDir,
}

/// Result of a run.
#[derive(Debug)]
pub struct Run {
    pub succeeded: bool,
    /// Output and messages.
    pub said: String,
    /// Calls of the init system's commands.
    pub calls: Vec<String>,
}

/// Commands of busybox. Without `ip`, the network of the machine cannot be changed.
const APPLETS: &[&str] = &[
    "awk",
    "basename",
    "cat",
    "chmod",
    "chown",
    "cut",
    "echo",
    "env",
    "expr",
    "grep",
    "head",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "printf",
    "ps",
    "rm",
    "sed",
    "sha256sum",
    "sort",
    "tail",
    "tee",
    "touch",
    "tr",
    "wget",
    "xargs",
];

const RECORD: &str = "#!/bin/sh\necho \"${0##*/} $*\" >>/calls\n";

impl Node {
    pub fn new(init: Init) -> Node {
        let node = Node { root: tempfile::tempdir().unwrap() };
        for directory in [
            "bin",
            "dev",
            "etc/init.d",
            "etc/logrotate.d",
            "etc/systemd/system",
            "proc",
            "run",
            "sbin",
            "tmp",
            "usr/local/bin",
            "var/lib/rancher/k3s",
            "var/log",
        ] {
            fs::create_dir_all(node.path(directory)).unwrap();
        }
        node.write("dev/null", "");
        node.write("etc/passwd", "root:x:0:0::/:/bin/sh\n");
        node.write("etc/group", "root:x:0:\n");
        fs::copy(xtask::process::find("busybox").unwrap(), node.path("bin/busybox")).unwrap();
        for applet in APPLETS {
            symlink("busybox", node.path("bin").join(applet)).unwrap();
        }
        // The shell of busybox would run its own commands instead of those that replace them.
        node.add("sh");
        node.program("bin/uname", "#!/bin/sh\necho riscv64\n");
        let commands: &[&str] = match init {
            Init::Systemd => &["bin/systemctl"],
            Init::OpenRc => &["sbin/openrc-run", "sbin/rc-update", "sbin/rc-service"],
        };
        commands.iter().for_each(|command| node.program(command, RECORD));
        node
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below.trim_start_matches('/'))
    }

    pub fn write(&self, below: &str, text: &str) {
        fs::write(self.path(below), text).unwrap();
    }

    pub fn program(&self, below: &str, text: &str) {
        self.write(below, text);
        fs::set_permissions(self.path(below), PermissionsExt::from_mode(0o755)).unwrap();
    }

    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }

    pub fn mode(&self, below: &str) -> u32 {
        self.path(below).metadata().unwrap().permissions().mode() & 0o7777
    }

    /// Returns every file and link, except those of the node itself, by its path from the root.
    pub fn installed(&self) -> Vec<String> {
        let entries =
            walkdir::WalkDir::new(self.root.path()).sort_by_file_name().into_iter().map(Result::unwrap);
        let files = entries.filter(|entry| !entry.file_type().is_dir());
        let names = files
            .map(|entry| entry.path().strip_prefix(self.root.path()).unwrap().to_str().unwrap().to_owned());
        let own =
            ["bin/", "sbin/", "dev/", "etc/passwd", "etc/group", "install.sh", "calls", "lib", "usr/lib"];
        names.filter(|name| !own.iter().any(|own| name.starts_with(own))).collect()
    }

    /// Copies an executable of this machine to `/bin`, with the libraries that it needs.
    pub fn add(&self, program: &str) {
        let file = xtask::process::find(program).unwrap();
        let needed = Command::new("ldd").arg(&file).output().unwrap().stdout;
        let needed = String::from_utf8(needed).unwrap();
        for library in needed.split_whitespace().filter(|word| word.starts_with('/')) {
            let inside = self.path(library);
            fs::create_dir_all(inside.parent().unwrap()).unwrap();
            fs::copy(library, inside).unwrap();
        }
        fs::copy(file, self.path("bin").join(program)).unwrap();
    }

    /// Runs the installer with these variables, and arguments after them.
    pub fn install(&self, script: &str, words: &[&str]) -> Run {
        self.write("install.sh", script);
        let is_variable = |word: &&&str| word.contains('=') && !word.starts_with('-');
        let count = words.iter().take_while(is_variable).count();
        let (variables, arguments) = words.split_at(count);
        self.run(&[&["env"], variables, &["sh", "/install.sh"], arguments].concat())
    }

    /// Runs a command in the root, with mounts and processes of its own.
    pub fn run(&self, words: &[&str]) -> Run {
        self.write("calls", "");
        let mut command = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "chroot"])
            .arg(self.root.path())
            .args(words);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        let calls = self.read("calls").lines().map(str::to_owned).collect();
        Run { succeeded: output.status.success(), said, calls }
    }
}

impl Run {
    #[track_caller]
    pub fn expect_success(self) -> Run {
        assert!(self.succeeded, "{}", self.said);
        self
    }

    /// Returns the messages of a run that failed and started nothing.
    #[track_caller]
    pub fn expect_failure(self) -> String {
        assert!(!self.succeeded && self.calls.is_empty(), "{self:?}");
        self.said
    }
}
