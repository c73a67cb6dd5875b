//! `cargo xtask images check` against registries that have riscv64 images or not, limit requests, refuse or are gone.

use crate::http::{self, Request, Server};
use crate::push::{HELM, HELM_TAG, PAUSE, PAUSE_TAG, Scene};
use crate::test_env::{TestEnv, failed, succeeded};
use serde_json::{Value, json};
use std::fs;
use std::process::Output;
use xtask::digest::Digest;

/// Returns a list of images for these architectures.
fn list(architectures: &[&str]) -> Vec<u8> {
    let entry = |architecture: &&str| {
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": format!("sha256:{}", Digest::of(architecture)),
            "size": 1,
            "platform": {"os": "linux", "architecture": architecture},
        })
    };
    let entries: Vec<Value> = architectures.iter().map(entry).collect();
    let media_type = "application/vnd.oci.image.index.v1+json";
    manifest(media_type, json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}))
}

fn manifest(media_type: &str, value: Value) -> Vec<u8> {
    let body = value.to_string();
    let headers = [("Content-Type", media_type.to_owned()), ("Content-Length", body.len().to_string())];
    http::answer("200 OK", &headers, body.as_bytes())
}

fn limited(retry_after: &str) -> Vec<u8> {
    let headers = [("Retry-After", retry_after.to_owned()), ("Content-Length", "0".to_owned())];
    http::answer("429 Too Many Requests", &headers, b"")
}

/// Answers as a registry in which one image has riscv64, one is a single image of amd64, one is not there, and the
/// others have other architectures.
fn answer(request: &Request) -> Vec<u8> {
    let config = json!({"os": "linux", "architecture": "amd64"}).to_string();
    let digest = format!("sha256:{}", Digest::of(&config));
    let target = request.target.as_str();
    if target == "/v2/" {
        http::whole(b"{}")
    } else if target.contains("/blobs/") {
        assert!(target.ends_with(&digest), "{target}");
        http::whole(config.as_bytes())
    } else if target.contains("klipper-helm") {
        list(&["riscv64", "amd64"])
    } else if target.contains("busybox") {
        http::status("404 Not Found")
    } else if target.contains("coredns") {
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let config_type = "application/vnd.oci.image.config.v1+json";
        let config = json!({"mediaType": config_type, "digest": digest, "size": config.len()});
        manifest(
            media_type,
            json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}),
        )
    } else {
        list(&["amd64", "arm64", "amd64"])
    }
}

fn check(env: &TestEnv, server: &Server, more: &[&str]) -> Output {
    let registry = server.url.strip_prefix("http://").unwrap();
    let check = ["images", "check", "--sample", "--registry", registry];
    env.xtask(check.iter().chain(more)).output().unwrap()
}

#[test]
fn answers_are_printed_and_written() {
    let env = TestEnv::new();
    let server = Server::start(|request, _| answer(request));
    let file = env.path("answers.json");
    let earlier = json!({"riscv64": "missing", "source": "trackers", "asked": "2026-01-01"});
    fs::write(&file, json!({"upstream": {"rancher/klipper-helm": {"v0.1": earlier}}}).to_string()).unwrap();
    let (printed, _) = succeeded(check(&env, &server, &["--output", file.to_str().unwrap()]));
    let row = |name: &str| {
        let line = printed.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{printed}"));
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("rancher/klipper-lb:"), "missing amd64, arm64");
    assert_eq!(row("rancher/klipper-helm:"), "present amd64, riscv64");
    assert_eq!(row("rancher/mirrored-coredns-coredns:"), "missing amd64");
    assert_eq!(row("rancher/mirrored-library-busybox:"), "no such tag");
    assert!(
        printed.contains(&format!("images/upstream.json says of {HELM}:{HELM_TAG}: missing")),
        "{printed}"
    );
    assert!(!printed.contains("says of rancher/klipper-lb:"), "it is no news: {printed}");

    let written: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let tags = &written["upstream"][HELM];
    assert_eq!(tags["v0.1"], earlier, "answers about other tags stay");
    assert_eq!(tags[HELM_TAG]["riscv64"], "present");
    assert_eq!(tags[HELM_TAG]["architectures"], json!(["amd64", "riscv64"]));
    assert_eq!(written["upstream"]["rancher/mirrored-library-busybox"]["1.37.0"]["riscv64"], "no-tag");
    assert_eq!(tags[HELM_TAG]["asked"].as_str().unwrap().len(), "2026-11-27".len());
    assert_eq!(written["pushed"], Value::Null);
}

#[test]
fn images_of_a_list_are_asked_for() {
    let env = TestEnv::new();
    let server = Server::start(|request, _| answer(request));
    let list = env.path("k3s-images.txt");
    fs::write(&list, "docker.io/rancher/klipper-lb:v0.3.5\n").unwrap();
    let (printed, _) = succeeded(check(&env, &server, &["--list", list.to_str().unwrap()]));
    assert!(printed.contains("rancher/klipper-lb:v0.3.5  missing  amd64, arm64"), "{printed}");
    assert!(!printed.contains("klipper-helm"), "{printed}");
}

#[test]
fn short_rate_limit_is_waited_for() {
    let env = TestEnv::new();
    let limits = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |request, _| {
        // As often as crane itself asks.
        let is_limited = request.target.contains("klipper-lb")
            && limits.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 3;
        if is_limited { limited("1") } else { answer(request) }
    });
    let (printed, messages) = succeeded(check(&env, &server, &[]));
    let registry = server.url.strip_prefix("http://").unwrap();
    assert!(messages.contains(&format!("{registry} limits requests; asking again in 1 s")), "{messages}");
    assert!(printed.contains("rancher/klipper-lb:"), "{printed}");
}

#[test]
fn long_rate_limit_fails_with_its_end() {
    let env = TestEnv::new();
    let server = Server::start(|request, _| match request.target.as_str() {
        "/v2/" => http::whole(b"{}"),
        _ => limited("21600"),
    });
    let file = env.path("answers.json");
    let error = failed(&check(&env, &server, &["--output", file.to_str().unwrap()]));
    let registry = server.url.strip_prefix("http://").unwrap();
    let limit = format!("{registry} limits requests: the next one is allowed in 21600 s, ");
    assert!(error.contains(&limit) && !error.contains("login"), "{error}");
    assert!(!file.exists());
}

#[test]
fn denied_access_names_the_login() {
    let env = TestEnv::new();
    let server = Server::start(|_, _| http::status("401 Unauthorized"));
    let error = failed(&check(&env, &server, &[]));
    let registry = server.url.strip_prefix("http://").unwrap();
    assert!(error.contains("the registry denies access"), "{error}");
    assert!(error.contains(&format!("docker login {registry}")), "{error}");
}

#[test]
fn unreachable_registry_is_named() {
    let env = TestEnv::new();
    // A port of this machine whose server is gone.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let error = env.fails(["images", "check", "--sample", "--registry", &gone]);
    assert!(error.contains(&format!("{gone} cannot be reached")), "{error}");
    let error = env.fails(["--offline", "images", "check", "--sample", "--registry", &gone]);
    assert!(error.contains("--offline forbids asking registries"), "{error}");
}

#[test]
fn pushed_images_are_compared_with_the_built_ones() {
    let Some(scene) = Scene::set("checking what was pushed") else { return };
    let only = ["--sample", "--only", "klipper-helm,pause"];
    let registry = scene.line.address.clone();
    scene.env.succeeds(["images", "build"].iter().chain(&only));
    let check = |registry: &str, pushed: &str| {
        let check = ["images", "check", "--sample", "--registry", registry, "--pushed", pushed];
        scene.env.succeeds(check)
    };
    let state = |printed: &str, name: &str| {
        let lines = printed.lines().filter_map(|line| line.strip_prefix(&format!("{registry}/{name}")));
        lines.map(|rest| rest.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\n")
    };
    let (helm, pause) = (format!("{HELM}:{HELM_TAG}"), format!("{PAUSE}:{PAUSE_TAG}"));
    let printed = check(&registry, &registry);
    assert_eq!(
        (state(&printed, &helm), state(&printed, &pause)),
        ("riscv64 missing".into(), "riscv64 missing".into())
    );

    scene.env.succeeds(["images", "push", &registry].iter().chain(&only));
    let printed = check(&registry, &registry);
    assert_eq!(
        (state(&printed, &helm), state(&printed, &pause)),
        ("riscv64 as built".into(), "riscv64 as built".into())
    );

    let other = scene.put_image(HELM, HELM_TAG, &json!({"os": "linux", "architecture": "riscv64"}));
    let printed = check(&registry, &registry);
    assert!(state(&printed, &helm).starts_with("riscv64 another image, sha256:"), "{printed} {other}");
}

#[test]
fn pushed_needs_images_that_were_built() {
    let Some(scene) = Scene::set("checking what was never built") else { return };
    let registry = &scene.line.address;
    let error =
        scene.env.fails(["images", "check", "--sample", "--registry", registry, "--pushed", registry]);
    assert!(error.contains("the images were not built\n  cargo xtask images build"), "{error}");
}
