//! The pause image under the name that the patched k3s asks for, as k3s will carry it inside.

use super::Build;
use crate::image::{Compression, PauseImage, docker_archive};
use crate::step::Step;
use fs_err as fs;

/// The archive's name in the step's directory.
pub const ARCHIVE: &str = "pause-image.tar";

/// The step that wraps the pause program.
pub fn step<'a>(build: &'a Build<'a>) -> Step<'a> {
    let name = &build.options.pause_image;
    Step {
        name: "pause-image",
        recipe: &[
            include_str!("pause_image.rs"),
            include_str!("../image/content.rs"),
            include_str!("../image/docker_archive.rs"),
        ],
        needs: vec!["pause"],
        inputs: vec![format!("docker-archive {} ({})", name.normalised(), env!("CARGO_PKG_VERSION"))],
        run: Box::new(move |directory, outputs| {
            let program = fs::read(outputs.of("pause")?.join(crate::pause::PROGRAM))?;
            let image = PauseImage::new(build.target, program, env!("CARGO_PKG_VERSION"))?;
            let archive = docker_archive::archive(&image, std::slice::from_ref(name), Compression::None)?;
            fs::write(directory.join(ARCHIVE), archive)?;
            Ok(())
        }),
    }
}
