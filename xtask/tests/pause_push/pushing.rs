//! Pushes that arrive, and those that a connection ends.

use crate::registry::{PASSWORD, USER};
use crate::{Push, Scene, http, needs};
use std::path::PathBuf;
use std::process::Command;
use xtask::context::{Context, Network};
use xtask::digest::Digest;
use xtask::target::Target;

#[test]
fn pushes_index_once_under_printed_digest() {
    let Some(scene) = Scene::set("pushing to a registry twice") else { return };
    let digest = scene.push().succeed();
    assert!(scene.line.uploads() > 0);
    assert!(scene.registry.has_tag("me/pause", "1"));

    scene.line.mend();
    assert_eq!(scene.push().succeed(), digest);
    assert_eq!(scene.line.uploads(), 0);
    assert!(scene.line.requests("HEAD /v2/me/pause/") > 0, "the registry was asked");

    if needs::programs("pulling what was pushed with skopeo", &[("skopeo", "skopeo")]) {
        let source = format!("docker://{}/me/pause:1", scene.registry.address);
        let user = format!("{USER}:{PASSWORD}");
        let output = Command::new("skopeo")
            .args(["inspect", "--raw", "--tls-verify=false", "--creds", &user, &source])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(Digest::of(&output.stdout).as_str(), digest);
        let index: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let architectures: Vec<_> = index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|manifest| manifest["platform"]["architecture"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(architectures, ["riscv64", "amd64"]);
    }
}

#[test]
fn pushed_index_is_that_of_the_layout() {
    let Some(scene) = Scene::set("comparing a pushed index with a layout's") else { return };
    let mut context = Context::new(None, Network::Allowed).unwrap();
    context.guard = PathBuf::from(env!("CARGO_BIN_EXE_xtask"));
    let images: Vec<_> = ["riscv64", "amd64"]
        .into_iter()
        .map(|arch| {
            let target = Target::named(arch).unwrap();
            let program = std::fs::read(xtask::pause::build(&context, target).unwrap()).unwrap();
            xtask::image::PauseImage::new(target, program, env!("CARGO_PKG_VERSION")).unwrap().in_layout()
        })
        .collect();
    assert_eq!(scene.push().succeed(), xtask::image::layout::index(&images, &[]).digest.as_str());
}

#[test]
fn resumes_interrupted_push() {
    let Some(scene) = Scene::set("pushing to a registry that breaks off") else { return };
    // With one architecture, everything except manifest and index has arrived when the first of them is sent.
    let push = Push { arguments: &["--arch", "riscv64"], ..scene.push() };
    scene.line.break_at("PUT /v2/me/pause/manifests/");
    let message = push.fail();
    assert!(message.contains("the registry closed the connection\n  run this again"), "{message}");
    assert!(!scene.registry.has_tag("me/pause", "1"));

    scene.line.mend();
    push.succeed();
    assert!(scene.registry.has_tag("me/pause", "1"));
    assert_eq!(scene.line.requests("POST /"), 0, "layer and configuration were there already");
    assert_eq!(scene.line.requests("PUT /v2/me/pause/manifests/"), 2);
}

#[test]
fn names_unreachable_registry() {
    let Some(scene) = Scene::set("pushing to a registry that is not there") else { return };
    let Scene { registry, directory, .. } = scene;
    let address = registry.address.clone();
    drop(registry);
    let environment = vec![("DOCKER_CONFIG", directory.path().to_owned())];
    let message = Push { registry: &address, arguments: &[], environment }.fail();
    assert!(message.contains(&format!("{address} cannot be reached")), "{message}");
}

#[test]
fn names_failing_upload_host() {
    if !needs::programs("pushing to a registry that names another host", &[("go", "golang")]) {
        return;
    }
    // A port of this machine whose server is gone.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let location = format!("http://{gone}/v2/me/pause/blobs/uploads/1");
    let server = http::Server::start(move |request, _| match request.method.as_str() {
        "POST" => {
            let headers = [("Location", location.clone()), ("Content-Length", "0".to_owned())];
            http::answer("202 Accepted", &headers, b"")
        }
        "GET" if request.target == "/v2/" => http::whole(b"{}"),
        _ => http::status("404 Not Found"),
    });
    let registry = server.url.strip_prefix("http://").unwrap();
    let message = Push { registry, arguments: &["--arch", "riscv64"], environment: vec![] }.fail();
    assert!(
        message.contains(&format!("{registry} names {gone} as the host that takes uploads")),
        "{message}"
    );
    assert!(!message.contains(&format!("{registry} cannot be reached")), "{message}");
}
