//! The pause image under the name that the patched k3s asks for, as k3s will carry it inside.

use super::Build;
use crate::image::{Compression, PauseImage, docker_archive};
use crate::pause;
use crate::step::Step;
use fs_err as fs;

/// The step's name.
pub const STEP: &str = "pause-image";

/// The archive's name in the step's directory.
pub const ARCHIVE: &str = "pause-image.tar";

/// Returns the step that wraps the pause program.
pub fn step<'a>(build: &'a Build<'a>) -> Step<'a> {
    let name = &build.pause_image;
    let mut step = Step::in_process(
        STEP,
        vec![format!("docker-archive {} ({})", name.normalised(), env!("CARGO_PKG_VERSION"))],
    );
    let pause = step.need(pause::STEP);
    step.work(move |directory, results| {
        let program = fs::read(results.of(pause).join(pause::PROGRAM))?;
        let image = PauseImage::new(build.target, program, env!("CARGO_PKG_VERSION"))?;
        let archive = docker_archive::archive(&image, std::slice::from_ref(name), Compression::None)?;
        Ok(fs::write(directory.join(ARCHIVE), archive)?)
    })
}
