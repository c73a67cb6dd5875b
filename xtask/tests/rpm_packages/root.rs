//! A root file system in which packages are installed and removed: busybox, and a systemctl that records its
//! calls. rpm really runs the scriptlets in it, in namespaces of their own.

use crate::needs;
use crate::packages::{BUSYBOX, RPM, RPMBUILD, expect_success, stub};
use fs_err as fs;
use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

pub struct Root {
    directory: TempDir,
    /// Packaged files that a test has replaced, which are no changes to it.
    replaced: Vec<&'static str>,
}

/// Commands that busybox provides.
const APPLETS: &[&str] = &[
    "awk",
    "basename",
    "cat",
    "chmod",
    "cksum",
    "cmp",
    "cp",
    "cut",
    "dirname",
    "echo",
    "egrep",
    "env",
    "find",
    "grep",
    "head",
    "id",
    "ip",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "modprobe",
    "mount",
    "mv",
    "printf",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "sh",
    "sha512sum",
    "sleep",
    "sort",
    "stat",
    "tail",
    "test",
    "touch",
    "tr",
    "true",
    "umount",
    "xargs",
];

/// Executables that no scriptlet may start: package managers, downloads, policy tools.
const FORBIDDEN: &[&str] = &["dnf", "rpm", "yum", "curl", "wget", "semodule"];

/// Packages of a distribution, each with an executable that shows that it is installed.
const DISTRIBUTION: &[(&str, &str)] = &[
    ("coreutils", "bin/ls"),
    ("diffutils", "bin/cmp"),
    ("findutils", "bin/find"),
    ("gawk", "bin/awk"),
    ("grep", "bin/grep"),
    ("iproute", "bin/ip"),
    ("iptables", "usr/sbin/iptables"),
    ("kmod", "bin/modprobe"),
    ("sed", "bin/sed"),
    ("socat", "usr/bin/socat"),
    ("systemd", "usr/bin/systemctl"),
    ("util-linux", "bin/mount"),
    ("/bin/sh", "bin/sh"),
];

/// Script that answers as systemctl does where systemd runs, and keeps the links of enabled units.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >>/var/log/systemctl
verb= unit=
for word; do
    case $word in
    -*) ;;
    *) if [ -z "$verb" ]; then verb=$word; else unit=$word; fi ;;
    esac
done
wants=/etc/systemd/system/multi-user.target.wants
case $verb in
is-active) [ -e "/run/active-$unit" ] ;;
list-units) ls /run | sed -n 's/^active-//p' ;;
is-enabled) [ -L "$wants/$unit" ] ;;
enable)
    mkdir -p $wants
    file=/usr/lib/systemd/system/$unit
    [ ! -e "/etc/systemd/system/$unit" ] || file=/etc/systemd/system/$unit
    ln -sf "$file" "$wants/$unit"
    ;;
disable | preset) rm -f "$wants/$unit" ;;
esac
"#;

/// Result of a transaction.
#[derive(Debug)]
pub struct Transaction {
    /// Output of rpm and the scriptlets.
    pub output: String,
    /// Calls of systemctl, one a line.
    pub systemctl: String,
}

fn copy_files(from: &Path, to: &Path) {
    let files = [&from.join("."), to];
    expect_success(Command::new("cp").arg("--archive").args(files).output().unwrap());
}

/// Returns whether transactions can be run here.
pub fn can_install(what: &str) -> bool {
    needs::programs(what, &[RPM, RPMBUILD, BUSYBOX, ("unshare", "util-linux")])
        && (nix::unistd::geteuid().is_root() || needs::namespaces(what))
}

/// Returns a command that runs as process 1 of a machine that consists of the root alone.
pub fn alone(root: &Root, words: &[&str]) -> Command {
    let mut command = Root::apart();
    command.arg("--root").arg(root.path("/"));
    command.args(words).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    command
}

impl Root {
    /// Returns a root with a stub of the distribution that provides what the root really has.
    pub fn new() -> Root {
        let root = Root::bare();
        root.install(&[&root.stub()]);
        root
    }

    /// Installs a stub that provides these names, and returns the root.
    pub fn providing(self, names: &[&str]) -> Root {
        self.install(&[&stub(names)]);
        self
    }

    /// Returns a root as [`Root::new`] does, in which another package of the distribution is installed.
    pub fn beside(other: &'static str) -> Root {
        let root = Root::bare();
        let names: Vec<&str> = root.provided().chain([other]).collect();
        root.providing(&names)
    }

    /// Builds the stub of a distribution that provides what this root really has.
    pub fn stub(&self) -> PathBuf {
        stub(&self.provided().collect::<Vec<_>>())
    }

    fn provided(&self) -> impl Iterator<Item = &'static str> {
        DISTRIBUTION.iter().filter(|(_, program)| self.path(program).exists()).map(|(name, _)| *name)
    }

    /// Returns a root in which nothing is installed.
    pub fn bare() -> Root {
        let root = Root { directory: tempfile::tempdir().unwrap(), replaced: Vec::new() };
        // rpm needs access to /, and a temporary directory is closed to other users.
        fs::set_permissions(root.directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        for directory in [
            "bin",
            "dev",
            "etc/sysconfig",
            "etc/systemd/system",
            "proc",
            "run/systemd/system",
            "sbin",
            "tmp",
            "usr/bin",
            "usr/lib/systemd/system",
            "usr/lib/systemd/system-preset",
            "usr/libexec",
            "usr/local/bin",
            "usr/sbin",
            "usr/share/doc",
            "usr/share/licenses",
            "var/lib/rpm",
            "var/log",
            "var/tmp",
        ] {
            fs::create_dir_all(root.path(directory)).unwrap();
        }
        fs::write(root.path("dev/null"), "").unwrap();
        let busybox = xtask::process::find("busybox").expect("busybox, which can_install requires");
        fs::copy(busybox, root.path("bin/busybox")).unwrap();
        for applet in APPLETS {
            symlink("busybox", root.path("bin").join(applet)).unwrap();
        }
        root.program("usr/bin/systemctl", SYSTEMCTL);
        root.program("usr/sbin/iptables", "#!/bin/sh\n");
        for name in FORBIDDEN {
            root.program(&format!("usr/bin/{name}"), "#!/bin/sh\necho \"$0 $*\" >>/var/log/forbidden\n");
        }
        expect_success(root.rpm(&["--initdb"]).output().unwrap());
        root
    }

    /// Returns a root with the files that [`Root::keep`] has kept.
    pub fn copy(kept: &Path) -> Root {
        let copy = Root { directory: tempfile::tempdir().unwrap(), replaced: Vec::new() };
        copy_files(kept, copy.directory.path());
        copy
    }

    /// Keeps the files in a new directory, and returns it.
    pub fn keep(self, directory: PathBuf) -> PathBuf {
        fs::create_dir(&directory).unwrap();
        copy_files(self.directory.path(), &directory);
        directory
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below.trim_start_matches('/'))
    }

    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }

    pub fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn program(&self, below: &str, text: &str) {
        self.write(below, text);
        fs::set_permissions(self.path(below), PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Replaces a packaged executable.
    pub fn replace(&mut self, path: &'static str, text: &str) {
        self.program(path, text);
        self.replaced.push(path);
    }

    /// Returns whether there is a file, a directory or a link, even a dangling one.
    pub fn has(&self, below: &str) -> bool {
        self.path(below).symlink_metadata().is_ok()
    }

    pub fn mode(&self, below: &str) -> u32 {
        self.path(below).symlink_metadata().unwrap().permissions().mode() & 0o7777
    }

    /// Returns the target of a link.
    pub fn link(&self, below: &str) -> String {
        fs::read_link(self.path(below)).unwrap().to_str().unwrap().to_owned()
    }

    /// Begins a command with mounts, processes and a network of its own; for a user other than root, also with a
    /// user namespace, in which that user is root.
    pub fn apart() -> Command {
        let mut command = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "--pid", "--fork", "--net", "--kill-child"]);
        command
    }

    fn rpm(&self, arguments: &[&str]) -> Command {
        let mut command = Root::apart();
        command
            .arg("rpm")
            .arg("--root")
            .arg(self.directory.path())
            .args(["--dbpath", "/var/lib/rpm"])
            .args(arguments);
        command
    }

    /// Returns dnf for riscv64, with the repositories that the root's own .repo files name.
    pub fn dnf(&self, words: &[&str]) -> Command {
        // Distributions keep rpm's database in different places; this path is given to dnf's rpm as its user's
        // setting.
        self.write("/home/.rpmmacros", "%_dbpath /var/lib/rpm\n");
        let mut command = Root::apart();
        command.env("HOME", self.path("/home")).arg("dnf").args([
            "--assumeyes",
            "--forcearch=riscv64",
            "--releasever=24.03LTS",
        ]);
        command.arg("--installroot").arg(self.directory.path());
        command.arg(format!("--setopt=reposdir={}", self.path("/etc/yum.repos.d").display())).args(words);
        command
    }

    /// Runs one transaction, which must succeed, and checks that no scriptlet did what is forbidden.
    #[track_caller]
    fn transaction(&self, arguments: &[&str], packages: &[&Path]) -> Transaction {
        fs::write(self.path("var/log/systemctl"), "").unwrap();
        let output = expect_success(self.rpm(arguments).args(packages).output().unwrap());
        assert!(!output.contains("scriptlet failed"), "{output}");
        assert!(!self.has("var/log/forbidden"), "{}", self.read("var/log/forbidden"));
        Transaction { output, systemctl: self.read("var/log/systemctl") }
    }

    #[track_caller]
    pub fn install(&self, packages: &[&Path]) -> Transaction {
        self.transaction(&["-i", "--ignorearch"], packages)
    }

    #[track_caller]
    pub fn upgrade(&self, packages: &[&Path]) -> Transaction {
        self.transaction(&["-U", "--ignorearch"], packages)
    }

    #[track_caller]
    pub fn downgrade(&self, packages: &[&Path]) -> Transaction {
        self.transaction(&["-U", "--ignorearch", "--oldpackage"], packages)
    }

    #[track_caller]
    pub fn reinstall(&self, packages: &[&Path]) -> Transaction {
        self.transaction(&["-U", "--ignorearch", "--replacepkgs"], packages)
    }

    #[track_caller]
    pub fn erase(&self, names: &[&str]) -> Transaction {
        let mut arguments = vec!["-e"];
        arguments.extend(names);
        self.transaction(&arguments, &[])
    }

    /// Runs a transaction that must be refused, and returns rpm's message.
    #[track_caller]
    pub fn refuses(&self, packages: &[&Path]) -> String {
        let Output { status, stderr, .. } =
            self.rpm(&["-i", "--ignorearch"]).args(packages).output().unwrap();
        assert!(!status.success());
        String::from_utf8(stderr).unwrap()
    }

    /// Returns the output of `rpm -q` for an installed package.
    #[track_caller]
    pub fn query(&self, name: &str) -> String {
        let Output { stdout, .. } = self.rpm(&["-q", name]).output().unwrap();
        String::from_utf8(stdout).unwrap().trim().to_owned()
    }

    /// Returns the changes that `rpm -V` finds in all installed packages, a line each.
    pub fn changed(&self) -> Vec<String> {
        let Output { stdout, stderr, .. } = self.rpm(&["-Va"]).output().unwrap();
        let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
        let is_replaced = |line: &str| self.replaced.iter().any(|path| line.ends_with(path));
        let lines = text.lines().filter(|line| !line.starts_with("rpm: ") && !is_replaced(line));
        lines.map(str::to_owned).collect()
    }

    /// Copies an executable of this machine into the root, with the libraries it needs.
    pub fn copy_program(&self, program: &str) {
        let program = xtask::process::find(program).unwrap();
        let needed = expect_success(Command::new("ldd").arg(&program).output().unwrap());
        let needed = needed.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
        for file in needed.chain([program]) {
            let inside = self.path(file.to_str().unwrap());
            fs::create_dir_all(inside.parent().unwrap()).unwrap();
            fs::copy(&file, inside).unwrap();
        }
    }

    /// Runs a command in the root.
    pub fn run(&self, words: &[&str]) -> Output {
        let mut command = Root::apart();
        command.arg("chroot").arg(self.directory.path()).args(words);
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").output().unwrap()
    }

    /// Returns every file, directory and link, except those that rpm and these tests write.
    pub fn listing(&self) -> BTreeSet<String> {
        let own = ["var/lib/rpm", "var/log", "var/tmp"].map(|below| self.path(below));
        let entries = walkdir::WalkDir::new(self.directory.path()).min_depth(1).into_iter();
        let entries = entries.filter_entry(|entry| !own.iter().any(|own| entry.path() == own));
        entries
            .map(|entry| {
                let entry = entry.unwrap();
                entry.path().strip_prefix(self.directory.path()).unwrap().to_str().unwrap().to_owned()
            })
            .collect()
    }
}
