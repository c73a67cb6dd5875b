//! Tests of the last check of a product, with components that are wrong in one detail each.

use super::test_env::TestEnv;
use super::{fixtures, wrapper};
use std::path::{Path, PathBuf};
use xtask::k3s::options::BuiltinImages;
use xtask::k3s::{Build, bundle};
use xtask::product::check;
use xtask::product::component::Component;
use xtask::sample::{self, Layout};

const ARCH: &str = "riscv64";

/// Writes a component of the shared product with these bytes after its last one, where no loader reads them.
fn with_text(env: &TestEnv, component: &Path, text: &[u8]) -> PathBuf {
    let file = env.path("component");
    let mut bytes = std::fs::read(component).unwrap();
    bytes.push(0);
    bytes.extend(text);
    std::fs::write(&file, bytes).unwrap();
    file
}

/// Returns the error of the check, or an empty text if it finds nothing.
pub fn verdict(build: &Build, component: Component, path: PathBuf) -> String {
    verdict_on(build, [(component, path)])
}

fn verdict_on<const N: usize>(build: &Build, components: [(Component, PathBuf); N]) -> String {
    check::all(build, &components.into()).err().map_or(String::new(), |error| format!("{error:#}"))
}

#[test]
fn paths_of_the_build_machine_are_refused() {
    let env = TestEnv::new();
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let build = fixtures::prepare(&selection, ARCH, None);
    let pause = fixtures::product("embed", ARCH).directory.join("pause");
    assert_eq!(verdict(&build, Component::Pause, pause.clone()), "");

    let context = build.context;
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let leaks = [
        context.root.join("pause/src/main.rs"),
        context.work.join(ARCH).join("tree/main.go"),
        context.cache.join("go-build/00"),
        context.tools().join("go/bin"),
        context.cache.join("zig/lib"),
        home.join(".cargo/registry/src"),
        build.any_go.module_cache().directory.join("k8s.io"),
    ];
    for leak in leaks {
        let text = leak.to_str().unwrap();
        let message = verdict(&build, Component::Pause, with_text(&env, &pause, text.as_bytes()));
        let path = message.strip_prefix("pause contains a path of this machine: ").unwrap_or_default();
        assert!(!path.is_empty() && text.starts_with(path), "{text}: {message}");
    }
}

#[test]
fn server_must_name_our_pause_image_alone() {
    let env = TestEnv::new();
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let mut build = fixtures::prepare(&selection, ARCH, None);
    fixtures::product("embed", ARCH);
    let server = fixtures::result(ARCH, "server", "k3s").join("k3s");
    assert_eq!(verdict(&build, Component::Server, server.clone()), "");

    let both = with_text(&env, &server, b"rancher/mirrored-pause:3.6");
    assert_eq!(verdict(&build, Component::Server, both), "the server still names rancher/mirrored-pause");

    build.pause_image = xtask::reference::Reference::parse("me/pause:1").unwrap();
    assert_eq!(
        verdict(&build, Component::Server, server),
        "the server does not name the pause image me/pause:1"
    );
}

#[test]
fn server_must_contain_the_selected_images_alone() {
    let env = TestEnv::new();
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let mut build = fixtures::prepare(&selection, ARCH, None);
    fixtures::product("embed", ARCH);
    let server = || (Component::Server, fixtures::result(ARCH, "server", "k3s").join("k3s"));
    let archive = |component: Component| {
        let file = component.file(build.target);
        (component, fixtures::result(ARCH, component.step(), &file).join(&file))
    };
    let (pause, images) = (archive(Component::PauseImage), archive(Component::BuiltinImages));
    assert_eq!(verdict_on(&build, [server(), pause.clone(), images.clone()]), "");

    let other = with_text(&env, &images.1, b"another");
    let message = verdict_on(&build, [server(), pause.clone(), (Component::BuiltinImages, other)]);
    assert_eq!(message, "the server contains the archive of builtin-images: false, expected: true");

    build.options.builtin_images = BuiltinImages::None;
    let message = verdict_on(&build, [server(), pause, images]);
    assert_eq!(message, "the server contains the archive of pause-image: true, expected: false");
}

#[test]
fn component_for_another_machine_is_refused() {
    let env = TestEnv::new();
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let build = fixtures::prepare(&selection, ARCH, None);
    let message = verdict(&build, Component::Pause, env!("CARGO_BIN_EXE_xtask").into());
    assert!(message.starts_with("pause (") && message.contains("it is for ELF machine"), "{message}");
}

#[test]
fn bundle_must_be_complete() {
    let env = TestEnv::new();
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let mut build = fixtures::prepare(&selection, ARCH, None);
    fixtures::product("embed", ARCH);
    let bundle = fixtures::result(ARCH, "bundle", bundle::ARCHIVE).join(bundle::ARCHIVE);
    assert_eq!(verdict(&build, Component::Bundle, bundle.clone()), "");

    let entries = wrapper::unpack(&std::fs::read(&bundle).unwrap());
    for program in ["k3s", "containerd-shim-runc-v2", "runc", "cni", "check-config"] {
        let mut entries = entries.clone();
        wrapper::remove(&mut entries, &format!("bin/{program}"));
        let sums = &mut wrapper::find(&mut entries, "bin/.sha256sums").bytes;
        let lines = String::from_utf8(std::mem::take(sums)).unwrap();
        let others = lines.lines().filter(|line| !line.ends_with(&format!("  {program}")));
        sums.extend(others.flat_map(|line| [line, "\n"]).flat_map(str::bytes));
        let file = env.path("bundle");
        std::fs::write(&file, wrapper::pack(&entries, 25)).unwrap();
        assert_eq!(verdict(&build, Component::Bundle, file), format!("the bundle has no {program}"));
    }

    build.facts.commands.links.push(("k3s-new".to_owned(), "k3s".to_owned()));
    assert_eq!(verdict(&build, Component::Bundle, bundle.clone()), "the bundle has no link k3s-new");

    let half = env.path("half");
    let bytes = std::fs::read(&bundle).unwrap();
    std::fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    let message = verdict(&build, Component::Bundle, half);
    assert!(message.starts_with("k3s would not unpack the bundle"), "{message}");
}

#[test]
fn binary_above_upstreams_limit_is_refused() {
    let env = TestEnv::new();
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let mut build = fixtures::prepare(&selection, ARCH, None);
    let binary = fixtures::product("embed", ARCH).directory.join(build.target.k3s_binary());
    assert_eq!(verdict(&build, Component::Binary, binary.clone()), "");
    build.facts.max_binary_mib = Some(1);
    let message = verdict(&build, Component::Binary, binary.clone());
    assert!(message.contains("upstream allows 1048576 (scripts/binary_size_check.sh)"), "{message}");
    // Upstream's limit knows no images inside.
    let images = env.path("images");
    std::fs::write(&images, vec![0; std::fs::metadata(&binary).unwrap().len() as usize]).unwrap();
    let components = [(Component::Binary, binary), (Component::BuiltinImages, images)];
    assert_eq!(verdict_on(&build, components), "");
}

#[test]
fn window_that_k3s_cannot_unpack_is_refused() {
    let env = TestEnv::new();
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let mut build = fixtures::prepare(&selection, ARCH, None);
    build.facts.commands.zstd = Some((16, 26));
    let message = xtask::k3s::bundle::step(&build).err().unwrap().to_string();
    assert!(message.contains("a window of 2^26, which k3s cannot unpack"), "{message}");
}
