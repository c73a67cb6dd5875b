//! Tests of the pause image as containerd, runc, skopeo, an OCI validator and the user see it.

#[path = "../support/containerd.rs"]
mod containerd;
#[path = "../support/needs.rs"]
mod needs;
#[path = "../support/wait.rs"]
mod wait;

mod as_a_command;
mod as_files;
mod in_containerd;
mod read_by_others;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;
use xtask::context::{Context, Network};
use xtask::image::PauseImage;
use xtask::image::layout::LayoutImage;
use xtask::reference::Reference;
use xtask::target::{TARGETS, Target};

/// Returns the images of all architectures, built once for all tests.
fn images() -> &'static [PauseImage] {
    static IMAGES: OnceLock<Vec<PauseImage>> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let context = context();
        let image = |target: &'static Target| {
            let program = xtask::pause::build(&context, target).unwrap();
            PauseImage::new(target, std::fs::read(program).unwrap(), "1.2.3").unwrap()
        };
        TARGETS.iter().map(image).collect()
    })
}

/// Returns the images as layouts have them.
fn in_layout() -> Vec<LayoutImage> {
    images().iter().map(PauseImage::in_layout).collect()
}

fn image(arch: &str) -> &'static PauseImage {
    images().iter().find(|image| image.target.go == arch).unwrap()
}

fn context() -> Context {
    let mut context = Context::new(None, Network::Allowed).unwrap();
    context.guard = PathBuf::from(env!("CARGO_BIN_EXE_xtask"));
    context
}

fn references(texts: &[&str]) -> Vec<Reference> {
    texts.iter().map(|text| Reference::parse(text).unwrap()).collect()
}

fn normalised(names: &[Reference]) -> BTreeSet<String> {
    names.iter().map(Reference::normalised).collect()
}
