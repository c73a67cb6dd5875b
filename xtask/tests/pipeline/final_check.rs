//! The last check of a product, given components that are wrong in one thing each.

use super::place::Place;
use super::shop;
use std::path::{Path, PathBuf};
use xtask::k3s::Build;
use xtask::product::{Part, check};
use xtask::sample::{self, Layout};

const ARCH: &str = "riscv64";

/// A component of the shared product with these bytes behind its last one, where no loader reads them.
fn with_text(place: &Place, component: &Path, text: &[u8]) -> PathBuf {
    let file = place.path("component");
    let mut bytes = std::fs::read(component).unwrap();
    bytes.push(0);
    bytes.extend(text);
    std::fs::write(&file, bytes).unwrap();
    file
}

/// The error of the check, or an empty text if it finds nothing.
fn verdict(build: &Build, name: &str, path: PathBuf) -> String {
    let component = Part { name: name.to_owned(), path };
    check::all(build, &[component]).err().map_or(String::new(), |error| format!("{error:#}"))
}

#[test]
fn paths_of_the_build_machine_are_refused() {
    let place = Place::new();
    let chosen = sample::prepare(place.context(), Layout::Embed).unwrap();
    let build = shop::prepare(&chosen, ARCH, None);
    let pause = shop::product("embed", ARCH).folder.join("pause");
    assert_eq!(verdict(&build, "pause", pause.clone()), "");

    let context = build.context;
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let leaks = [
        context.root.join("pause/src/main.rs"),
        context.work.join(ARCH).join("tree/main.go"),
        context.cache.join("go-build/00"),
        context.cache.join("tools/x86_64/go"),
        context.cache.join("zig/lib"),
        home.join(".cargo/registry/src"),
        build.any_go.module_cache().folder.join("k8s.io"),
    ];
    for leak in leaks {
        let text = leak.to_str().unwrap();
        let told = verdict(&build, "pause", with_text(&place, &pause, text.as_bytes()));
        let path = told.strip_prefix("pause names a path of this machine: ").unwrap_or_default();
        assert!(!path.is_empty() && text.starts_with(path), "{text}: {told}");
    }
}

#[test]
fn server_must_name_our_pause_image_alone() {
    let place = Place::new();
    let chosen = sample::prepare(place.context(), Layout::Embed).unwrap();
    let mut build = shop::prepare(&chosen, ARCH, None);
    shop::product("embed", ARCH);
    let server = shop::result(ARCH, "server", "k3s").join("k3s");
    assert_eq!(verdict(&build, "server", server.clone()), "");

    let both = with_text(&place, &server, b"rancher/mirrored-pause:3.6");
    assert_eq!(verdict(&build, "server", both), "the server still names rancher/mirrored-pause");

    build.options.builtin_pause = xtask::k3s::Part::LeftOut;
    let told = verdict(&build, "server", server.clone());
    assert_eq!(told, "the server carries a pause image: true, wanted: false");

    build.options.pause_image = xtask::image::Reference::parse("me/pause:1").unwrap();
    assert_eq!(verdict(&build, "server", server), "the server does not name the pause image me/pause:1");
}
