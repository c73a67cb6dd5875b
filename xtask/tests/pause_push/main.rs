//! Tests of `cargo xtask pause push` to a real registry server, and to servers that refuse.

mod certificates;
mod credentials;
mod helpers;
mod private_address;
mod pushing;
mod refusals;

#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/http.rs"]
mod http;
#[path = "../support/needs.rs"]
mod needs;
#[path = "../support/registry.rs"]
mod registry;

use registry::{Line, PASSWORD, PROGRAM, Registry, USER};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use xtask::context::{Context, Network};
use xtask::target::Target;

/// One push as the user asks for it.
#[derive(Clone)]
struct Push<'a> {
    registry: &'a str,
    arguments: &'a [&'a str],
    environment: Vec<(&'static str, PathBuf)>,
}

impl Push<'_> {
    fn run(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["pause", "push"]).args(self.arguments).arg(format!("{}/me/pause:1", self.registry));
        for (name, value) in toolchain_homes() {
            command.env(name, value);
        }
        // No setting of the user who runs the tests.
        for name in ["DOCKER_CONFIG", "DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR").env_remove("RUST_BACKTRACE");
        command.env("HOME", empty_home()).env("XDG_RUNTIME_DIR", empty_home());
        command.envs(self.environment.iter().cloned());
        command.output().unwrap()
    }

    /// Returns the digest that a successful push prints.
    #[track_caller]
    fn succeed(&self) -> String {
        let output = self.run();
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{messages}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let digest = printed.trim_end().strip_prefix(&format!("{}/me/pause@sha256:", self.registry));
        digest.unwrap_or_else(|| panic!("{printed:?} is not a digest")).to_owned()
    }

    /// Returns the error of a failing push.
    #[track_caller]
    fn fail(&self) -> String {
        let output = self.run();
        let messages = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{messages}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "a failing push prints no digest");
        messages
    }
}

/// Returns a home without any credentials.
fn empty_home() -> &'static Path {
    static HOME: OnceLock<tempfile::TempDir> = OnceLock::new();
    HOME.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

/// Compiles what a push needs, so that it starts without a network.
fn prepare() {
    let mut context = Context::new(None, Network::Allowed).unwrap();
    context.guard = PathBuf::from(env!("CARGO_BIN_EXE_xtask"));
    xtask::toolchain::go_tool::crane(&context).unwrap();
    xtask::pause::build(&context, Target::named("riscv64").unwrap()).unwrap();
}

/// Returns the directories of the compilers and of what they fetched, which are below the real home.
fn toolchain_homes() -> Vec<(&'static str, PathBuf)> {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let below_home = [
        ("CARGO_HOME", ".cargo"),
        ("RUSTUP_HOME", ".rustup"),
        ("GOPATH", "go"),
        ("GOCACHE", ".cache/go-build"),
    ];
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    below_home
        .into_iter()
        .map(|(name, directory)| (name, set(name).unwrap_or_else(|| home.join(directory))))
        .collect()
}

/// A registry behind a line, and the docker configuration of a user who may push there.
struct Scene {
    registry: Registry,
    line: Line,
    directory: tempfile::TempDir,
}

impl Scene {
    fn set(what: &str) -> Option<Scene> {
        if !needs::programs(what, &[PROGRAM, ("go", "golang")]) {
            return None;
        }
        let registry = Registry::start(None);
        let line = Line::to(&registry);
        let directory = tempfile::tempdir().unwrap();
        registry::credentials(directory.path(), "config.json", &line.address, &format!("{USER}:{PASSWORD}"));
        Some(Scene { registry, line, directory })
    }

    fn push(&self) -> Push<'_> {
        let environment = vec![("DOCKER_CONFIG", self.directory.path().to_owned())];
        Push { registry: &self.line.address, arguments: &["--arch", "riscv64,amd64"], environment }
    }
}
