//! A real containerd with a directory and a socket of its own, which ends with the test.

use super::{needs, wait};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Namespace of everything that Kubernetes runs.
const NAMESPACE: &str = "k8s.io";

pub struct Containerd {
    daemon: Child,
    directory: tempfile::TempDir,
}

impl Containerd {
    /// Starts a containerd, or reports what is missing for `what`.
    ///
    /// Root is not needed: without it, containerd is root of a user namespace, and imports images but unpacks and
    /// runs nothing.
    pub fn start(what: &str) -> Option<Containerd> {
        if !needs::programs(what, &[("containerd", "containerd"), ("ctr", "containerd")]) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config.toml");
        let at = |name: &str| directory.path().join(name).display().to_string();
        let text = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\"]\n\
             [grpc]\naddress = {:?}\n",
            at("root"),
            at("state"),
            at("socket")
        );
        std::fs::write(&config, text).unwrap();
        let mut command = if is_root() {
            Command::new("containerd")
        } else {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", "--mount", "containerd"]);
            command
        };
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        command.arg("--config").arg(&config).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut containerd = Containerd { daemon: command.spawn().unwrap(), directory };
        containerd.wait_until_it_answers();
        Some(containerd)
    }

    /// Starts a containerd that can run containers, by runc and as root.
    pub fn start_to_run(what: &str) -> Option<Containerd> {
        if !is_root() {
            needs::skip(what, "root");
            return None;
        }
        needs::programs(what, &[("runc", "runc")]).then(|| Containerd::start(what)).flatten()
    }

    fn wait_until_it_answers(&mut self) {
        let log = self.directory.path().join("log");
        let message = || std::fs::read_to_string(&log).unwrap_or_default();
        wait::until(|| {
            let ended = self.daemon.try_wait().unwrap();
            assert!(ended.is_none(), "containerd ended at once: {ended:?}\n{}", message());
            self.ctr(&["version"]).status.success().then_some(())
        });
    }

    pub fn ctr(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Returns a command of `ctr`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let socket = self.directory.path().join("socket");
        let mut command = Command::new("ctr");
        command.arg("--address").arg(socket).args(["--namespace", NAMESPACE]).args(arguments);
        command.env("CONTAINERD_SNAPSHOTTER", "native");
        command
    }

    /// Returns the output of `ctr`, which must succeed.
    pub fn ask(&self, arguments: &[&str]) -> String {
        let output = self.ctr(arguments);
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ctr {arguments:?}: {}\n{messages}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Imports a docker-archive for a platform such as `linux/riscv64`; as root it is unpacked too, which checks
    /// the layer against the configuration.
    pub fn import(&self, archive: &Path, platform: &str) -> Output {
        let archive = archive.to_str().unwrap();
        let mut arguments = vec!["images", "import", "--platform", platform];
        if !is_root() {
            arguments.push("--no-unpack");
        }
        arguments.push(archive);
        self.ctr(&arguments)
    }

    /// Returns the names of all images.
    pub fn names(&self) -> BTreeSet<String> {
        self.ask(&["images", "ls", "--quiet"]).lines().map(str::to_owned).collect()
    }

    /// Waits until a task is in this state, such as `STOPPED`.
    pub fn wait_for_task(&self, name: &str, state: &str) {
        wait::until(|| (self.task(name).1 == state).then_some(()));
    }

    /// Returns the process ID and the state of a task.
    pub fn task(&self, name: &str) -> (u32, String) {
        let list = self.ask(&["tasks", "ls"]);
        let row = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = row.into_iter().find(|row| row.first() == Some(&name));
        let row = row.unwrap_or_else(|| panic!("there is no task {name}:\n{list}"));
        (row[1].parse().unwrap(), row[2].to_owned())
    }

    /// Returns the directory for scratch files of the test.
    pub fn scratch(&self) -> PathBuf {
        self.directory.path().join("scratch")
    }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // A failed test may leave a task running, whose shim would outlive containerd.
        let tasks = String::from_utf8(self.ctr(&["tasks", "ls", "--quiet"]).stdout).unwrap_or_default();
        for task in tasks.lines() {
            self.ctr(&["tasks", "delete", "--force", task]);
        }
        let pid = nix::unistd::Pid::from_raw(self.daemon.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.daemon.wait();
    }
}
