//! Tests of `cargo xtask pause push` to a real registry server.

#[allow(dead_code, reason = "these tests need some of it")]
#[path = "support/http.rs"]
mod http;
#[path = "support/needs.rs"]
mod needs;
#[path = "support/registry.rs"]
mod registry;

use registry::{Certificate, Line, PASSWORD, PROGRAM, Registry, USER, credentials};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use xtask::context::{Context, Network};
use xtask::digest::Digest;
use xtask::target::Target;

/// One push as the user asks for it.
#[derive(Clone)]
struct Push<'a> {
    registry: &'a str,
    arguments: &'a [&'a str],
    environment: Vec<(&'static str, PathBuf)>,
}

impl Push<'_> {
    fn run(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["pause", "push"]).args(self.arguments).arg(format!("{}/me/pause:1", self.registry));
        for (name, value) in toolchain_homes() {
            command.env(name, value);
        }
        // No setting of the user who runs the tests.
        for name in
            ["DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR"]
        {
            command.env_remove(name);
        }
        command.env("HOME", empty_home()).env_remove("RUST_BACKTRACE").envs(self.environment.iter().cloned());
        command.output().unwrap()
    }

    /// Returns the digest that a successful push prints.
    #[track_caller]
    fn succeed(&self) -> String {
        let output = self.run();
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{messages}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let digest = printed.trim_end().strip_prefix(&format!("{}/me/pause@sha256:", self.registry));
        digest.unwrap_or_else(|| panic!("{printed:?} is not a digest")).to_owned()
    }

    /// Returns the error of a failing push.
    #[track_caller]
    fn fail(&self) -> String {
        let output = self.run();
        let messages = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{messages}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "a failing push prints no digest");
        messages
    }
}

/// Returns a home without any credentials.
fn empty_home() -> &'static Path {
    static HOME: OnceLock<tempfile::TempDir> = OnceLock::new();
    HOME.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

/// Returns the directories of the compilers and of what they fetched, which are below the real home.
fn toolchain_homes() -> Vec<(&'static str, PathBuf)> {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let below_home = [
        ("CARGO_HOME", ".cargo"),
        ("RUSTUP_HOME", ".rustup"),
        ("GOPATH", "go"),
        ("GOCACHE", ".cache/go-build"),
    ];
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    below_home
        .into_iter()
        .map(|(name, directory)| (name, set(name).unwrap_or_else(|| home.join(directory))))
        .collect()
}

/// A registry behind a line, and the docker configuration of a user who may push there.
struct Scene {
    registry: Registry,
    line: Line,
    directory: tempfile::TempDir,
}

impl Scene {
    fn set(what: &str) -> Option<Scene> {
        if !needs::programs(what, &[PROGRAM, ("go", "golang")]) {
            return None;
        }
        let registry = Registry::start(None);
        let line = Line::to(&registry);
        let directory = tempfile::tempdir().unwrap();
        credentials(directory.path(), "config.json", &line.address, &format!("{USER}:{PASSWORD}"));
        Some(Scene { registry, line, directory })
    }

    fn push(&self) -> Push<'_> {
        let environment = vec![("DOCKER_CONFIG", self.directory.path().to_owned())];
        Push { registry: &self.line.address, arguments: &["--arch", "riscv64,amd64"], environment }
    }
}

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
fn podmans_credentials_are_found_too() {
    let Some(scene) = Scene::set("pushing with podman's credentials") else { return };
    let user = format!("{USER}:{PASSWORD}");
    let file = credentials(scene.directory.path(), "auth.json", &scene.line.address, &user);
    let environment = vec![("REGISTRY_AUTH_FILE", file)];
    Push { environment, ..scene.push() }.succeed();
}

#[test]
fn reports_wrong_and_missing_credentials() {
    let Some(scene) = Scene::set("pushing with wrong credentials") else { return };
    let wrong = tempfile::tempdir().unwrap();
    credentials(wrong.path(), "config.json", &scene.line.address, &format!("{USER}:guessed"));
    for environment in [vec![("DOCKER_CONFIG", wrong.path().to_owned())], vec![]] {
        let message = Push { environment, ..scene.push() }.fail();
        assert!(message.contains(&format!("cannot push {}/me/pause:1", scene.line.address)), "{message}");
        assert!(message.contains(&format!("docker login {}", scene.line.address)), "{message}");
        assert!(message.contains("UNAUTHORIZED"), "{message}");
    }
    assert_eq!(scene.line.requests("PUT /"), 0);
    assert!(!scene.registry.has_tag("me/pause", "1"));
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

#[test]
fn rejects_self_signed_certificate() {
    let what = "pushing over HTTPS";
    if !needs::programs(what, &[PROGRAM, ("go", "golang"), ("openssl", "openssl")]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let certificate = self_signed(directory.path());
    let registry = Registry::start(Some(&certificate));
    credentials(directory.path(), "config.json", &registry.address, &format!("{USER}:{PASSWORD}"));
    let docker = ("DOCKER_CONFIG", directory.path().to_owned());
    let push = |arguments, environment| Push { registry: &registry.address, arguments, environment };

    let message = push(&[], vec![docker.clone()]).fail();
    assert!(message.contains("a certificate that this system does not trust"), "{message}");
    assert!(!registry.has_tag("me/pause", "1"));
    let trusted = push(&[], vec![docker.clone(), ("SSL_CERT_FILE", certificate.file.clone())]).succeed();
    assert_eq!(push(&["--insecure"], vec![docker]).succeed(), trusted);
}

fn self_signed(directory: &Path) -> Certificate {
    let certificate = Certificate { file: directory.join("certificate.pem"), key: directory.join("key.pem") };
    let status = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
        .arg(&certificate.key)
        .arg("-out")
        .arg(&certificate.file)
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    certificate
}
