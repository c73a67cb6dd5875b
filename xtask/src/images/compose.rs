//! Images: their layers, configuration and manifest (image-spec, config.md and manifest.md).

use super::definition::{Config, DebianFiles};
use super::layer::Layer;
use super::planned::PlannedImage;
use super::{LAYER, debian_layer, product_layer, program};
use crate::digest::Digest;
use crate::image::content::{Blob, CONFIG_TYPE, EPOCH, OS};
use crate::k3s::Build;
use crate::product::run::Emulator;
use crate::step::Step;
use crate::tree_path::TreePath;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The configuration in the step's result, whose digest is the image's ID.
pub const CONFIG: &str = "config.json";

/// An image that steps compose.
#[derive(Clone)]
pub struct Composition<'a> {
    pub image: &'a PlannedImage<'a>,
    /// The steps of its layers with files of Debian packages, lowest first.
    pub debian: Vec<&'static str>,
}

impl Composition<'_> {
    /// Returns the step whose result has the configuration and the uppermost layer.
    pub fn step(&self) -> &'static str {
        self.image.step_name("image")
    }
}

/// Returns the steps that compose the images. Images share layers of Debian packages.
pub fn steps<'a>(
    build: &'a Build<'a>,
    images: &'a [PlannedImage<'a>],
) -> Result<(Vec<Step<'a>>, Vec<Composition<'a>>)> {
    let (mut steps, mut compositions) = (Vec::new(), Vec::new());
    let mut layers: BTreeMap<&DebianFiles, &'static str> = BTreeMap::new();
    for image in images {
        if let Some(program) = &image.program {
            steps.push(program::step(build, image.step_name("program"), program));
        }
        let mut debian = Vec::new();
        for (files, packages) in image.definition.debian.iter().zip(&image.debian) {
            if !layers.contains_key(files) {
                let names: Vec<_> = layers.values().copied().collect();
                let name = debian_step_name(&files.packages, &names);
                steps.push(debian_layer::step(build, name, files, packages));
                layers.insert(files, name);
            }
            debian.push(layers[files]);
        }
        steps.push(step(build, image, &debian)?);
        compositions.push(Composition { image, debian });
    }
    Ok((steps, compositions))
}

/// Returns the name of a step for files of these packages, which no other step has.
fn debian_step_name(packages: &[String], others: &[&str]) -> &'static str {
    let first = format!("debian-{}", packages.first().map_or("", String::as_str));
    let numbered = (2..).map(|number| format!("{first}-{number}"));
    let mut names = std::iter::once(first.clone()).chain(numbered);
    names.find(|name| !others.contains(&name.as_str())).unwrap_or_default().leak()
}

/// Returns the step that composes an image of layers with files of Debian packages, and of one with everything else.
fn step<'a>(build: &'a Build<'a>, image: &'a PlannedImage<'a>, debian: &[&'static str]) -> Result<Step<'a>> {
    let definition = image.definition;
    let mut inputs = vec![format!("{} {} for {}", image.reference, image.version, build.target.go)];
    inputs.push(definition.input());
    for file in &definition.file {
        inputs.push(format!("{} sha256:{}", file.path, Digest::of(image.content(file)?)));
    }
    let mut step = Step::in_process(image.step_name("image"), inputs);
    let program = image.program.as_ref().map(|_| step.need(image.step_name("program")));
    let product = definition.product.map(|part| product_layer::needs(&mut step, part));
    let debian: Vec<_> = debian.iter().map(|name| step.need(name)).collect();
    Ok(step.work(move |directory, results| {
        let mut own = Layer::default();
        if let (Some(step), Some(program)) = (program, &definition.program) {
            own.program(&program.path, &results.of(step).join(program::PROGRAM), &program.capabilities);
        }
        for file in &definition.file {
            own.bytes(&file.path, image.content(file)?, file.mode);
        }
        let unpacked = tempfile::tempdir_in(directory)?;
        if let Some(product) = &product {
            product_layer::add(build, product, results, unpacked.path(), &mut own)?;
        }
        for it in &definition.directories {
            own.directory(&it.path, it.mode, it.owner);
        }
        let path = directory.join(LAYER);
        own.write(&path)?;
        unpacked.close().context("removing the unpacked bundle")?;
        let mut layers: Vec<PathBuf> = debian.iter().map(|step| results.of(*step).join(LAYER)).collect();
        layers.push(path);
        let digests = layers.iter().map(|layer| Digest::of_file(layer)).collect::<Result<Vec<_>>>()?;
        fs::write(directory.join(CONFIG), config(build, image, &digests).to_string())?;
        check(build, image, &layers, directory)
    }))
}

/// Returns the configuration of an image whose layers have these digests.
fn config(build: &Build, image: &PlannedImage, layers: &[Digest]) -> Value {
    let Config { user, working_directory, entrypoint, command, environment, volumes } =
        &image.definition.config;
    let mut config = json!({ "Labels": labels(image) });
    let mut set = |key: &str, value: Value| {
        if !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()) {
            config[key] = value;
        }
    };
    set("User", json!(user));
    set("WorkingDir", json!(working_directory));
    set("Entrypoint", json!(entrypoint));
    set("Cmd", json!(command));
    set("Env", json!(environment));
    let volumes: Map<String, Value> = volumes.iter().map(|path| (path.clone(), json!({}))).collect();
    set("Volumes", Some(volumes).filter(|all| !all.is_empty()).map_or(Value::Null, Value::Object));
    let diff_ids: Vec<String> = layers.iter().map(|digest| format!("sha256:{digest}")).collect();
    let history = json!({"created": EPOCH, "created_by": "cargo xtask images build"});
    json!({
        "created": EPOCH,
        "architecture": build.target.go,
        "os": OS,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": vec![history; layers.len()],
    })
}

/// Returns the labels of an image, which say that it is not upstream's (image-spec, annotations.md, pre-defined keys).
pub fn labels(image: &PlannedImage) -> Map<String, Value> {
    let definition = image.definition;
    let description = match &definition.left_out {
        Some(left_out) => format!("{}. Left out: {}", &*definition.description, &**left_out),
        None => definition.description.to_string(),
    };
    let mut labels = Map::new();
    let mut set =
        |key: &str, value: &str| labels.insert(format!("org.opencontainers.image.{key}"), json!(value));
    set("title", &definition.title);
    set("description", &description);
    set("version", &image.version);
    set("revision", &image.revision);
    set("source", &definition.source);
    set("licenses", &definition.licenses);
    set("vendor", VENDOR);
    if image.substitute {
        labels.insert(SUBSTITUTE.to_owned(), json!(image.reference.tag()));
    }
    labels
}

/// The vendor in the labels: who built the image.
const VENDOR: &str = "k3s for riscv64, rebuilt from source; not the image that the name's owner publishes";

/// The label with the tag whose version could not be had, and in whose place another one was built.
const SUBSTITUTE: &str = "k3s-riscv64.substitute-for";

/// Unpacks the image and runs its programs.
fn check(build: &Build, image: &PlannedImage, layers: &[PathBuf], directory: &Path) -> Result<()> {
    let root = tempfile::tempdir_in(directory)?;
    for layer in layers {
        tar::Archive::new(fs::File::open(layer)?).unpack(root.path())?;
    }
    let config = &image.definition.config;
    let started = config.entrypoint.first().or(config.command.first());
    let started = started.context("the image has neither an entrypoint nor a command")?;
    ensure!(
        is_executable(root.path(), started, &config.environment),
        "the image has no {started}, which it starts"
    );
    let emulator = Emulator::require(build.target)?;
    for it in &image.definition.check {
        let program = root.path().join(it.program.as_str());
        let arguments: Vec<&str> = it.arguments.iter().map(String::as_str).collect();
        // The path of its dynamic loader and libraries (qemu-user(1), -L).
        let command =
            emulator.program(build.context, &program, &arguments)?.env("QEMU_LD_PREFIX", root.path());
        let (_, stdout, stderr) = command.capture()?;
        let output = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        let expected = image.expand(&it.prints);
        ensure!(
            output.contains(&expected),
            "{} {} does not print {expected:?} but:\n{output}",
            it.program,
            it.arguments.join(" ")
        );
    }
    root.close().context("removing the unpacked image")
}

/// Returns whether a container of the image finds a program that can be executed.
fn is_executable(root: &Path, program: &str, environment: &[String]) -> bool {
    let path = environment.iter().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or_default();
    let candidates: Vec<String> = match program.starts_with('/') {
        true => vec![program.to_owned()],
        false => path.split(':').map(|directory| format!("{directory}/{program}")).collect(),
    };
    candidates.iter().any(|path| executable_below(root, path))
}

/// Follows links in the image's own root, which a relative link inside of it does not leave.
fn executable_below(root: &Path, path: &str) -> bool {
    let Ok(path) = TreePath::parse(path.trim_start_matches('/')) else { return false };
    let Ok(found) = root.join(path.as_str()).canonicalize() else { return false };
    let mode = found.metadata().map_or(0, |it| std::os::unix::fs::PermissionsExt::mode(&it.permissions()));
    mode & 0o111 != 0
}

/// An image that was composed, with its files.
pub struct ComposedImage {
    pub config: Blob,
    /// The layers, lowest first.
    pub layers: Vec<PathBuf>,
}

impl ComposedImage {
    /// Reads the result of the step, given the layers of Debian packages.
    pub fn read(own: &Path, debian: impl Iterator<Item = PathBuf>) -> Result<ComposedImage> {
        let config = Blob::new(CONFIG_TYPE, fs::read(own.join(CONFIG))?);
        Ok(ComposedImage { config, layers: debian.chain([own.join(LAYER)]).collect() })
    }
}
