//! Checks of the product itself, whatever the exit codes of the commands that built it.

use super::component::Component;
use super::{Components, names};
use crate::elf;
use crate::k3s::options::Presence;
use crate::k3s::{Build, Optional, bundle, format};
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use indicatif::HumanBytes;
use memchr::memmem;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A property of the product, and whether it was checked. A check that fails stops the build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The property, as a sentence.
    pub what: String,
    #[serde(flatten)]
    pub result: CheckResult,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckResult {
    /// The property holds; the text is the evidence.
    Passed(String),
    /// The check could not run on this machine, for this reason.
    NotRun(String),
}

impl Check {
    pub(super) fn passed(what: impl Into<String>, evidence: impl Into<String>) -> Check {
        Check { what: what.into(), result: CheckResult::Passed(evidence.into()) }
    }

    pub(super) fn not_run(what: impl Into<String>, reason: impl Into<String>) -> Check {
        Check { what: what.into(), result: CheckResult::NotRun(reason.into()) }
    }

    pub fn has_passed(&self) -> bool {
        matches!(self.result, CheckResult::Passed(_))
    }
}

/// Checks the files of all components. The first failure stops the build.
pub fn all(build: &Build, components: &Components) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (component, path) in components {
        checks.extend(match component {
            Component::PauseImage | Component::BuiltinImages => vec![],
            Component::Bundle => vec![bundle_is_complete(build, path)?],
            Component::Server => {
                let images = images_are_inside(build, components, path)?;
                vec![program_is_ours(build, *component, path)?, pause_image_is_patched(build, path)?, images]
            }
            Component::Binary => {
                let images = components.get(&Component::BuiltinImages);
                let images = images.map(fs::metadata).transpose()?.map_or(0, |it| it.len());
                vec![program_is_ours(build, *component, path)?, size_is_allowed(build, path, images)?]
            }
            Component::Shim | Component::Runc | Component::Cni | Component::Pause => {
                vec![program_is_ours(build, *component, path)?]
            }
        });
    }
    Ok(checks)
}

fn program_is_ours(build: &Build, component: Component, program: &Path) -> Result<Check> {
    let name = component.step();
    let headers = object::ReadCache::new(fs::File::open(program)?.into_file());
    elf::check(&headers, build.target.elf_machine)
        .with_context(|| format!("{name} ({})", program.display()))?;
    let paths = build_paths(build);
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    if let Some(path) = names::found_in(program, &paths)?.first() {
        bail!("{name} contains a path of this machine: {path}");
    }
    let size = fs::metadata(program)?.len();
    Ok(Check::passed(
        format!("{name} is a static {} program and contains no path of this machine", build.target.go),
        format!("{size} bytes"),
    ))
}

/// Returns the directories of this machine that no component may contain.
fn build_paths(build: &Build) -> Vec<String> {
    let context = build.context;
    let home = std::env::var("HOME").unwrap_or_default();
    // Not /src, /cache or /root themselves, which programs contain for reasons of their own.
    let below = [
        context.root.join("pause/src"),
        context.work.join(build.target.go),
        build.patched.tree.clone(),
        context.cache.join("go-build"),
        context.tools(),
        context.cache.join("zig"),
        Path::new(&home).join(".cargo/registry"),
        build.any_go.module_cache().directory,
    ];
    let known = below.iter().filter(|path| path.is_absolute());
    known.map(|path| path.display().to_string()).collect()
}

fn bundle_is_complete(build: &Build, bundle: &Path) -> Result<Check> {
    let contents = bundle::verify(fs::File::open(bundle)?).context("k3s would not unpack the bundle")?;
    for (name, _) in &build.facts.commands.links {
        ensure!(contents.links.contains_key(name), "the bundle has no link {name}");
    }
    for name in ["k3s", "containerd-shim-runc-v2", "runc", "cni", "check-config"] {
        ensure!(contents.files.contains_key(name), "the bundle has no {name}");
    }
    if build.options.k3s_root == Presence::Included {
        let has = |name: &str| contents.files.contains_key(name) || contents.links.contains_key(name);
        let missing = format::missing(has);
        ensure!(missing.is_empty(), "k3s-root is included, and the bundle has no {}", missing.join(", "));
    }
    Ok(Check::passed(
        "every file and link of the bundle matches its lists",
        format!("{} files, {} links", contents.files.len(), contents.links.len()),
    ))
}

/// Checks that the server asks for our image, and that upstream's name is gone.
fn pause_image_is_patched(build: &Build, server: &Path) -> Result<Check> {
    let ours = build.pause_image.as_str();
    let found = names::found_in(server, &[ours, UPSTREAMS])?;
    ensure!(found.contains(&ours), "the server does not name the pause image {ours}");
    ensure!(ours.contains(UPSTREAMS) || !found.contains(&UPSTREAMS), "the server still names {UPSTREAMS}");
    Ok(Check::passed("the server names our pause image and not upstream's", ours))
}

/// Checks that the server contains the archives of the images that the options ask for, and no others.
fn images_are_inside(build: &Build, components: &Components, server: &Path) -> Result<Check> {
    let server = fs::read(server)?;
    let mut evidence = Vec::new();
    let pause = build.options.builtin_pause() == Presence::Included;
    for (component, expected) in [(Component::PauseImage, pause), (Component::BuiltinImages, true)] {
        let archive = components.get(&component).map(fs::read).transpose()?.unwrap_or_default();
        // An empty archive is in every file.
        let found = memmem::find(&server, &archive).is_some();
        ensure!(
            found == expected,
            "the server contains the archive of {}: {found}, expected: {expected}",
            component.step()
        );
        if found {
            evidence.push(format!("{}, {} bytes", component.step(), archive.len()));
        }
    }
    Ok(Check::passed("the server contains the images that it is to carry", evidence.join("; ")))
}

/// The repository of upstream's default pause image.
const UPSTREAMS: &str = "rancher/mirrored-pause";

/// Checks the size of the binary, without the images inside it, against upstream's own limit. For what is left out, the
/// remaining bytes are stated.
fn size_is_allowed(build: &Build, binary: &Path, images: u64) -> Result<Check> {
    let size = fs::metadata(binary)?.len().saturating_sub(images);
    let Some(limit) = build.facts.max_binary_mib.map(|limit| limit << 20) else {
        return Ok(Check::passed(
            "upstream sets no limit to the size of the binary",
            format!("{size} bytes"),
        ));
    };
    ensure!(
        size <= limit,
        "the binary has {size} bytes; upstream allows {limit} (scripts/binary_size_check.sh)"
    );
    let room = HumanBytes(limit - size);
    let seen = match build.incomplete().as_slice() {
        [] => format!("{size} bytes, {room} below the limit"),
        missing => {
            format!("{size} bytes; {room} are left for {}, which are not inside", Optional::names(missing))
        }
    };
    Ok(Check::passed("the binary is within upstream's size limit", seen))
}
