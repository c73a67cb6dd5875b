//! The tools that commands fetch by themselves, without root, into the cache or through rustup.

use crate::boot::guest::Guest;
use crate::context::{Context, Network};
use crate::image;
use crate::pins::WheelPin;
use crate::process::{self, cmd};
use crate::target::Target;
use crate::toolchain::rust::Rust;
use crate::toolchain::zig::Zig;
use crate::toolchain::{debian, go, workflow_lint};
use anyhow::{Context as _, Result, bail, ensure};

/// A tool, found by the same function that the command which needs it calls.
#[derive(Clone, Copy, Debug)]
pub enum Tool {
    Go,
    Zig,
    /// Rust's `core` for an architecture.
    Core(&'static str),
    /// A component of Rust, by the name of its cargo command.
    Component(&'static str),
    Crane,
    Actionlint,
    Zizmor,
    /// The guest of boot tests.
    Guest,
}

impl Tool {
    /// Finds the tool or, if the context allows it, fetches it; returns its version and path.
    pub fn get(self, context: &Context) -> Result<String> {
        match self {
            Tool::Go => {
                let program = go::program(context)?;
                let version = go::version(context, &program)?;
                Ok(format!("{} {}", version.trim_start_matches("go"), program.display()))
            }
            Tool::Zig => Ok(format!("{} {}", context.pins.zig.version, Zig::get(context)?.program.display())),
            Tool::Core(architecture) => {
                let rust = Rust::for_target(context, Target::named(architecture)?)?;
                let version = rust.version.split(' ').nth(1).unwrap_or_default();
                Ok(format!("{version} {}", rust.triple))
            }
            Tool::Component(name) => component(context, name),
            Tool::Guest => {
                let guest = Guest::get(context)?;
                Ok(format!("{} {}", guest.about.distribution, guest.directory.display()))
            }
            Tool::Crane => {
                Ok(format!("{} {}", context.pins.crane.version, image::crane::crane(context)?.display()))
            }
            Tool::Actionlint => {
                let program = workflow_lint::actionlint(context)?;
                Ok(format!("{} {}", context.pins.actionlint.version, program.display()))
            }
            Tool::Zizmor => {
                Ok(format!("{} {}", context.pins.zizmor.version, workflow_lint::zizmor(context)?.display()))
            }
        }
    }

    /// Checks that this machine has what fetching the tool needs, except the network.
    pub fn can_be_fetched(self, offline: &Context) -> bool {
        match self {
            Tool::Guest => debian::is_here(offline),
            Tool::Go => has_wheel(offline, &offline.pins.go) || debian::is_here(offline),
            Tool::Zig => has_wheel(offline, &offline.pins.zig),
            Tool::Zizmor => has_wheel(offline, &offline.pins.zizmor),
            Tool::Core(_) => debian::is_here(offline) || process::find("rustup").is_some(),
            Tool::Component(_) => process::find("rustup").is_some(),
            Tool::Crane | Tool::Actionlint => {
                Tool::Go.get(offline).is_ok() || Tool::Go.can_be_fetched(offline)
            }
        }
    }
}

/// Checks that a wheel is pinned for this machine's architecture, and that pip or Debian can provide it.
fn has_wheel(context: &Context, pin: &WheelPin) -> bool {
    pin.wheels.contains_key(std::env::consts::ARCH) && (has_pip(context) || debian::is_here(context))
}

fn has_pip(context: &Context) -> bool {
    cmd!(context, "python3 -m pip --version").succeeds()
}

/// Finds `cargo-fmt` or `cargo-clippy`; rustup installs proxies of these names even without the component.
fn component(context: &Context, name: &str) -> Result<String> {
    let program = format!("cargo-{name}");
    let told = || -> Result<String> {
        let path = process::find(&program).context("not found")?;
        let told = cmd!(context, "{path} --version").read()?;
        let version = told.split(' ').nth(1).unwrap_or_default();
        Ok(format!("{version} {}", path.display()))
    };
    let Err(missing) = told() else { return told() };
    if context.network == Network::Forbidden {
        return Err(missing);
    }
    let Some(rustup) = process::find("rustup") else { bail!("{missing:#}, and there is no rustup") };
    let component = if name == "fmt" { "rustfmt" } else { name };
    let running = context.progress.step("rustup");
    cmd!(context, "{rustup} component add {component}").inherit("RUSTUP_", &[]).log("rustup").run()?;
    running.done(component);
    let found = told();
    ensure!(found.is_ok(), "rustup has added {component}, but {program} does not run");
    found
}
