//! `cargo xtask images push` to a real registry, and to servers that refuse.

use crate::containerd::Containerd;
use crate::http;
use crate::needs;
use crate::registry::{Line, PASSWORD, PROGRAM, Registry, USER, credentials};
use crate::test_env::{TestEnv, failed, succeeded};
use serde_json::{Value, json};
use std::process::{Command, Output};
use xtask::digest::Digest;

pub const PAUSE: &str = "carvicsforth/pause";
pub const PAUSE_TAG: &str = "v3.10-v1.31.1";
pub const HELM: &str = "rancher/klipper-helm";
pub const HELM_TAG: &str = "v0.9.12-build20251215";

/// A registry behind a line, and a user who may push there.
pub struct Scene {
    pub env: TestEnv,
    pub registry: Registry,
    pub line: Line,
}

impl Scene {
    pub fn set(what: &str) -> Option<Scene> {
        if !needs::programs(what, &[PROGRAM, ("go", "golang")]) {
            return None;
        }
        let registry = Registry::start(None);
        let line = Line::to(&registry);
        let mut env = TestEnv::new();
        for address in [&line.address, &registry.address] {
            let directory = env.path(format!("docker-{address}"));
            std::fs::create_dir(&directory).unwrap();
            credentials(&directory, "config.json", address, &format!("{USER}:{PASSWORD}"));
        }
        env.set("DOCKER_CONFIG", env.path(format!("docker-{}", line.address)));
        Some(Scene { env, registry, line })
    }

    fn push(&self, arguments: &[&str]) -> Output {
        let push = ["images", "push", &self.line.address, "--sample"];
        self.env.xtask(push.iter().chain(arguments)).output().unwrap()
    }

    /// Returns the output of crane at the registry itself, whose credentials it has.
    pub fn crane(&self, arguments: &[&str]) -> String {
        let crane = xtask::toolchain::go_tool::crane(&self.env.context()).unwrap();
        let config = self.env.path(format!("docker-{}", self.registry.address));
        let output = Command::new(crane).args(arguments).env("DOCKER_CONFIG", config).output().unwrap();
        succeeded(output).0
    }

    /// Returns the manifest of a tag.
    pub fn manifest(&self, repository: &str, tag: &str) -> Value {
        let name = format!("{}/{repository}:{tag}", self.registry.address);
        serde_json::from_str(&self.crane(&["manifest", &name])).unwrap()
    }

    /// Puts a manifest whose content is in the registry, and returns its descriptor.
    pub fn put(&self, repository: &str, tag: &str, manifest: &Value) -> Value {
        let bytes = manifest.to_string().into_bytes();
        let digest = format!("sha256:{}", Digest::of(&bytes));
        let reference = if tag.is_empty() { &digest } else { tag };
        let media_type = manifest["mediaType"].as_str().unwrap();
        self.request("PUT", &format!("/v2/{repository}/manifests/{reference}"), media_type, &bytes);
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Puts an image without layers, of which the configuration says no more than this.
    pub fn put_image(&self, repository: &str, tag: &str, config: &Value) -> Value {
        let bytes = config.to_string().into_bytes();
        let digest = format!("sha256:{}", Digest::of(&bytes));
        let upload = self.request("POST", &format!("/v2/{repository}/blobs/uploads/"), "", b"");
        let upload = upload.strip_prefix(&format!("http://{}", self.registry.address)).unwrap();
        self.request("PUT", &format!("{upload}&digest={digest}"), "application/octet-stream", &bytes);
        let docker = "application/vnd.docker";
        let config = json!({"mediaType": format!("{docker}.container.image.v1+json"), "digest": digest, "size": bytes.len()});
        let media_type = format!("{docker}.distribution.manifest.v2+json");
        self.put(
            repository,
            tag,
            &json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}),
        )
    }

    /// Sends a request as the user, and returns the header `Location` of the response.
    fn request(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> String {
        let url = format!("http://{USER}:{PASSWORD}@{}{path}", self.registry.address);
        let request = match method {
            "POST" => ureq::post(url),
            _ => ureq::put(url),
        };
        let response = request.header("Content-Type", media_type).send(body).unwrap();
        response.headers().get("location").unwrap().to_str().unwrap().to_owned()
    }
}

/// Returns the platforms of a list, `os/architecture/variant` each.
fn platforms(list: &Value) -> Vec<String> {
    let entry = |entry: &Value| {
        let parts = ["os", "architecture", "variant"].map(|key| entry["platform"][key].as_str());
        parts.into_iter().flatten().collect::<Vec<_>>().join("/")
    };
    list["manifests"].as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn image_of_several_layers_is_complete_and_sent_once() {
    let Some(scene) = Scene::set("pushing images twice") else { return };
    let (printed, _) = succeeded(scene.push(&["--only", "klipper-helm,pause"]));
    let list = scene.manifest(HELM, HELM_TAG);
    assert_eq!(platforms(&list), ["linux/riscv64"]);
    let vendor = list["annotations"]["org.opencontainers.image.vendor"].as_str().unwrap();
    assert!(vendor.contains("not the image that the name's owner publishes"), "{vendor}");
    let name = format!("{}/{HELM}:{HELM_TAG}", scene.registry.address);
    let digest = scene.crane(&["digest", &name]);
    assert!(printed.contains(&format!("{}/{HELM}@{}", scene.line.address, digest.trim())), "{printed}");
    // The digests of the layers, compressed and not, against manifest and configuration.
    scene.crane(&["validate", "--remote", &name, "--platform", "linux/riscv64"]);
    let config: Value =
        serde_json::from_str(&scene.crane(&["config", &name, "--platform", "linux/riscv64"])).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);

    scene.line.mend();
    assert_eq!(succeeded(scene.push(&["--only", "klipper-helm,pause"])).0, printed);
    assert_eq!(scene.line.uploads(), 0);
    assert!(scene.line.requests(&format!("HEAD /v2/{HELM}/")) > 0, "the registry was asked");
}

#[test]
fn containerd_pulls_what_was_pushed() {
    let Some(scene) = Scene::set("pulling with containerd") else { return };
    let Some(containerd) = Containerd::start("pulling with containerd") else { return };
    succeeded(scene.push(&["--only", "klipper-helm"]));
    let (user, name) =
        (format!("{USER}:{PASSWORD}"), format!("{}/{HELM}:{HELM_TAG}", scene.registry.address));
    // As root, containerd unpacks the layers and compares each with its digest in the configuration.
    let pull = ["images", "pull", "--plain-http", "--user", &user, "--platform", "linux/riscv64", &name];
    containerd.ask(&pull);
    let list = containerd.ask(&["images", "ls"]);
    assert!(list.contains(&name) && list.contains("linux/riscv64"), "{list}");
}

#[test]
fn other_architectures_of_the_list_are_kept() {
    let Some(scene) = Scene::set("pushing to a list of others") else { return };
    let config = |architecture: &str| json!({"os": "linux", "architecture": architecture});
    let mut entries = Vec::new();
    let platforms_before = [("arm", Some("v7")), ("riscv64", None), ("amd64", None)];
    for (architecture, variant) in platforms_before {
        let mut entry = scene.put_image(PAUSE, "", &config(architecture));
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        if let Some(variant) = variant {
            entry["platform"]["variant"] = json!(variant);
        }
        entries.push(entry);
    }
    // Descriptions, as buildx adds them, of the image that is replaced and of one that is kept.
    for described in [entries[1].clone(), entries[2].clone()] {
        let mut entry = scene.put_image(PAUSE, "", &json!({"of": described["digest"]}));
        entry["platform"] = json!({"os": "unknown", "architecture": "unknown"});
        entry["annotations"] = json!({"vnd.docker.reference.digest": described["digest"]});
        entries.push(entry);
    }
    let media_type = "application/vnd.docker.distribution.manifest.list.v2+json";
    scene.put(PAUSE, PAUSE_TAG, &json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}));

    let (printed, _) = succeeded(scene.push(&["--only", "pause"]));
    assert!(printed.contains("kept: linux/arm/v7, linux/amd64, unknown/unknown"), "{printed}");
    let list = scene.manifest(PAUSE, PAUSE_TAG);
    assert_eq!(platforms(&list), ["linux/riscv64", "linux/arm/v7", "linux/amd64", "unknown/unknown"]);
    assert_eq!(list["manifests"][1], entries[0], "the descriptor is the same");
    assert_eq!(list["manifests"][3], entries[4]);
    assert_ne!(list["manifests"][0]["digest"], entries[1]["digest"], "ours replaces the other riscv64");

    succeeded(scene.push(&["--only", "pause", "--arch", "amd64"]));
    let list = scene.manifest(PAUSE, PAUSE_TAG);
    assert_eq!(platforms(&list), ["linux/amd64", "linux/riscv64", "linux/arm/v7"]);
}

#[test]
fn single_image_becomes_an_entry_of_the_list() {
    let Some(scene) = Scene::set("pushing to a single image of another architecture") else { return };
    let single = scene.put_image(PAUSE, PAUSE_TAG, &json!({"os": "linux", "architecture": "s390x"}));
    succeeded(scene.push(&["--only", "pause"]));
    let list = scene.manifest(PAUSE, PAUSE_TAG);
    assert_eq!(platforms(&list), ["linux/riscv64", "linux/s390x"]);
    assert_eq!(list["manifests"][1]["digest"], single["digest"]);
}

#[test]
fn image_without_an_architecture_is_not_overwritten() {
    let Some(scene) = Scene::set("pushing to an image without an architecture") else { return };
    scene.put_image(PAUSE, PAUSE_TAG, &json!({}));
    let before = scene.manifest(PAUSE, PAUSE_TAG);
    let error = failed(&scene.push(&["--only", "pause"]));
    assert!(error.contains("the tag has one image, for an unknown platform"), "{error}");
    assert!(error.contains("push to another registry or path"), "{error}");
    assert_eq!(scene.manifest(PAUSE, PAUSE_TAG), before);
}

#[test]
fn interrupted_push_leaves_the_earlier_list() {
    let Some(scene) = Scene::set("pushing to a registry that breaks off") else { return };
    succeeded(scene.push(&["--only", "pause", "--arch", "amd64"]));
    let before = scene.manifest(PAUSE, PAUSE_TAG);
    scene.line.mend();
    // Everything but the tag has arrived.
    scene.line.break_at("PUT /v2/carvicsforth/pause/manifests/v3.10-v1.31.1");
    let error = failed(&scene.push(&["--only", "pause"]));
    assert!(error.contains("what has arrived is not sent twice"), "{error}");
    assert_eq!(scene.manifest(PAUSE, PAUSE_TAG), before);

    scene.line.mend();
    succeeded(scene.push(&["--only", "pause"]));
    assert_eq!(platforms(&scene.manifest(PAUSE, PAUSE_TAG)), ["linux/riscv64", "linux/amd64"]);
    assert_eq!(scene.line.requests("POST /"), 0, "layer and configuration were there already");
}

#[test]
fn wrong_credentials_change_nothing() {
    let Some(mut scene) = Scene::set("pushing with wrong credentials") else { return };
    let config = scene.env.path("wrong");
    std::fs::create_dir(&config).unwrap();
    credentials(&config, "config.json", &scene.line.address, &format!("{USER}:guessed"));
    scene.env.set("DOCKER_CONFIG", config);
    let error = failed(&scene.push(&["--only", "pause"]));
    assert!(error.contains(&format!("docker login {}", scene.line.address)), "{error}");
    assert_eq!(scene.line.uploads(), 0);
}

#[test]
fn rate_limit_names_the_registry_and_the_time() {
    let server = http::Server::start(|request, _| match request.target.as_str() {
        "/v2/" => http::whole(b"{}"),
        _ => {
            let headers = [("Retry-After", "7200".to_owned()), ("Content-Length", "0".to_owned())];
            http::answer("429 Too Many Requests", &headers, b"")
        }
    });
    let env = TestEnv::new();
    let registry = server.url.strip_prefix("http://").unwrap();
    let error = env.fails(["images", "push", registry, "--sample", "--only", "pause"]);
    assert!(
        error.contains(&format!("{registry} limits requests: the next one is allowed in 7200 s, ")),
        "{error}"
    );
    assert!(error.contains("GMT\n  run this again then") && !error.contains("log in"), "{error}");
}

#[test]
fn dry_run_sends_no_request() {
    let server = http::Server::start(|_, _| http::status("500 x"));
    let env = TestEnv::new();
    let registry = server.url.strip_prefix("http://").unwrap();
    let plan = env.succeeds(["images", "push", registry, "--sample", "--only", "busybox", "--dry-run"]);
    assert!(plan.contains("compressed-debian-busybox-static"), "{plan}");
    assert!(plan.contains(&format!("push {registry}/rancher/mirrored-library-busybox:1.37.0")), "{plan}");
    assert!(server.requests().is_empty() && !env.dist().exists());
}

#[test]
fn offline_forbids_pushing() {
    let env = TestEnv::new();
    let error = env.fails(["--offline", "images", "push", "localhost:1", "--sample", "--only", "pause"]);
    assert!(error.contains("--offline forbids pushing localhost:1/carvicsforth/pause"), "{error}");
}
