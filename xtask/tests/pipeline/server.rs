//! Tests of a product's server, run on this machine: the pause image that it reports it will use.

use super::fixtures::{self, LAYOUTS, Product};
use super::test_env::TestEnv;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use xtask::image::{Compression, PauseImage, docker_archive};
use xtask::reference::Reference;

/// Directory for images that users provide, below k3s' data directory.
const IMAGES: &str = "agent/images";

/// Returns the name of the project's default pause image.
fn ours() -> String {
    xtask::pins::Pins::load().unwrap().pause_image.reference.to_string()
}

/// Starts the binary as a user would, ends it once it is up, and returns its log until then.
pub fn start(product: &Product, data: &Path, options: &[&str]) -> String {
    let binary = product.directory.join(fixtures::host().k3s_binary());
    let mut command = Command::new(binary);
    command.arg("server").arg("--data-dir").arg(data).args(options);
    command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    let mut server = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut message = String::new();
    for line in BufReader::new(server.stderr.take().unwrap()).lines() {
        message += &(line.unwrap() + "\n");
        if message.contains("is up and running") {
            break;
        }
    }
    let _ = server.kill();
    server.wait().unwrap();
    assert!(message.contains("k3s is up and running"), "{message}");
    message
}

/// Writes an archive with an image of this name, as a user would put it into agent/images.
fn put_image(data: &Path, file: &str, name: &str) {
    let program = fixtures::product("embed", fixtures::host().go).directory.join("pause");
    let image = PauseImage::new(fixtures::host(), std::fs::read(program).unwrap(), "1").unwrap();
    let archive = docker_archive::archive(&image, &[Reference::parse(name).unwrap()], Compression::None);
    std::fs::create_dir_all(data.join(IMAGES)).unwrap();
    std::fs::write(data.join(IMAGES).join(file), archive.unwrap()).unwrap();
}

fn images(data: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(data.join(IMAGES)).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn binary_imports_builtin_pause_image() {
    for (layout, _) in LAYOUTS {
        let directory = tempfile::tempdir().unwrap();
        let message = start(fixtures::product(layout, fixtures::host().go), directory.path(), &[]);
        let staged = directory.path().join(IMAGES).join("k3s-builtin-pause.tar");
        for printed in [
            format!("Using sandbox image {} with", ours()),
            format!("Importing images from {}", staged.display()),
            format!("Imported docker.io/{}", ours()),
            format!("Sandbox image {} is at hand: no registry is needed", ours()),
        ] {
            assert!(message.contains(&printed), "{layout}: {printed:?} is missing\n{message}");
        }
        assert_eq!(images(directory.path()), ["k3s-builtin-pause.tar"]);
    }
}

#[test]
fn images_of_the_user_are_kept_and_imported() {
    let directory = tempfile::tempdir().unwrap();
    put_image(directory.path(), "mine.tar", "me/other:1");
    let before = std::fs::read(directory.path().join(IMAGES).join("mine.tar")).unwrap();
    let product = fixtures::product("embed", fixtures::host().go);
    let message = start(product, directory.path(), &["--pause-image", "me/other:1"]);
    for printed in [
        "Using sandbox image me/other:1 with",
        "Imported docker.io/me/other:1",
        "Sandbox image me/other:1 is at hand",
    ] {
        assert!(message.contains(printed), "{printed:?} is missing\n{message}");
    }
    assert!(message.contains(&format!("Imported docker.io/{}", ours())), "{message}");
    assert_eq!(images(directory.path()), ["k3s-builtin-pause.tar", "mine.tar"]);
    assert_eq!(std::fs::read(directory.path().join(IMAGES).join("mine.tar")).unwrap(), before);
}

#[test]
fn pause_image_of_the_command_line_is_not_bundled() {
    let directory = tempfile::tempdir().unwrap();
    let product = fixtures::product("embed", fixtures::host().go);
    let message = start(product, directory.path(), &["--pause-image", "me/elsewhere:1"]);
    assert!(message.contains("Sandbox image me/elsewhere:1 is not at hand"), "{message}");
}

#[test]
fn system_default_registry_finds_the_bundled_image() {
    let directory = tempfile::tempdir().unwrap();
    let product = fixtures::product("embed", fixtures::host().go);
    let message = start(product, directory.path(), &["--system-default-registry", "registry.example"]);
    assert!(message.contains(&format!("Sandbox image registry.example/{} is at hand", ours())), "{message}");
}

#[test]
fn images_inside_are_imported_and_replaced() {
    let env = TestEnv::new();
    let options = ["--arch", fixtures::host().go, "--builtin-images", "all"];
    let product = fixtures::build(&env, &options);
    let carried: Vec<&str> =
        product.manifest.builtin_images.iter().map(|image| image.reference.as_str()).collect();
    assert_eq!(carried.len(), 7, "{carried:?}");
    let data = env.path("data");
    put_image(&data, "mine.tar", "me/other:1");
    let registry = ["--system-default-registry", "registry.example"];
    let message = start(&product, &data, &registry);
    for reference in &carried {
        for name in [format!("docker.io/{reference}"), format!("registry.example/{reference}")] {
            assert!(message.contains(&format!("Imported {name}")), "{name} is missing\n{message}");
        }
    }
    let staged = images(&data);
    assert_eq!(staged.len(), 3, "{staged:?}");
    assert!(staged[0].starts_with("k3s-builtin-images-") && staged[0].ends_with(".tar.zst"), "{staged:?}");
    let notices = std::fs::read_to_string(product.directory.join("THIRD-PARTY-NOTICES")).unwrap();
    assert!(notices.contains("Debian busybox-static"), "{notices}");
    assert!(product.manifest.third_party.libraries.contains_key("busybox-static"));

    // The binary of the shared product carries the pause image alone.
    start(fixtures::product("embed", fixtures::host().go), &data, &registry);
    assert_eq!(images(&data), ["k3s-builtin-pause.tar", "mine.tar"]);
}

#[test]
fn pulls_pause_image_if_not_builtin() {
    let env = TestEnv::new();
    let product = fixtures::build(&env, &["--arch", fixtures::host().go, "--builtin-images", "none"]);
    assert!(!product.manifest.builtin_pause);
    let patches: Vec<_> = product.manifest.patches.iter().map(|patch| patch.name.as_str()).collect();
    let patches = patches.iter().filter(|name| !name.starts_with("install-")).copied();
    assert_eq!(patches.collect::<Vec<_>>(), ["builtin-images", "pause-image"]);
    let data = env.path("data");
    let message = start(&product, &data, &[]);
    let printed = format!("Sandbox image {} is not at hand: a registry would be asked for it", ours());
    assert!(message.contains(&printed), "{message}");
    assert!(!data.join(IMAGES).exists());
}

#[test]
fn another_pause_image_is_used_and_bundled() {
    let env = TestEnv::new();
    let name = "registry.example/me/pause:7";
    let product = fixtures::build(&env, &["--arch", fixtures::host().go, "--pause-image", name]);
    assert_eq!(product.manifest.pause_image, name);
    assert!(
        product.printed.contains("warning: registry.example/me/pause:7 names a host"),
        "{}",
        product.printed
    );
    let message = start(&product, &env.path("data"), &[]);
    assert!(message.contains(&format!("Using sandbox image {name} with")), "{message}");
    assert!(message.contains(&format!("Sandbox image {name} is at hand")), "{message}");
}
