//! The credentials that apply, of those in the files of docker and podman.

use crate::certificates::{self, self_signed};
use crate::registry::{Registry, credentials};
use crate::{Push, Scene, needs, prepare};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

const RIGHT: &str = "pusher:secret";
const WRONG: &str = "pusher:guessed";

/// Writes files with one entry each: the path below the directory, the key, and user and password.
fn write(directory: &Path, files: &[(&str, &str, &str)]) {
    for (file, key, user) in files {
        let file = directory.join(file);
        let directory = file.parent().unwrap();
        std::fs::create_dir_all(directory).unwrap();
        credentials(directory, file.file_name().unwrap().to_str().unwrap(), key, user);
    }
}

#[test]
fn files_of_docker_and_podman_are_merged() {
    let Some(scene) = Scene::set("pushing with the credentials of several files") else { return };
    let registry = &*scene.line.address;
    let other = "other.example";
    for (file, variable, value) in [
        ("auth.json", "REGISTRY_AUTH_FILE", "auth.json"),
        ("run/containers/auth.json", "XDG_RUNTIME_DIR", "run"),
        ("config/containers/auth.json", "XDG_CONFIG_HOME", "config"),
        (".config/containers/auth.json", "HOME", ""),
        ("docker/config.json", "DOCKER_CONFIG", "docker"),
        (".docker/config.json", "HOME", ""),
    ] {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        // Files without an entry for the registry, among them the one that crane alone would read.
        let without = [(".docker/config.json", other, RIGHT), ("run/containers/auth.json", other, RIGHT)];
        write(home.path(), &without);
        write(home.path(), &[(file, registry, RIGHT)]);
        let environment = vec![("HOME", path("")), ("XDG_RUNTIME_DIR", path("run")), (variable, path(value))];
        let output = Push { environment, ..scene.push() }.run();
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn variable_of_docker_has_credentials_too() {
    let Some(scene) = Scene::set("pushing with the credentials of a variable") else { return };
    let file = credentials(scene.directory.path(), "x.json", &scene.line.address, RIGHT);
    let text = std::fs::read_to_string(file).unwrap();
    Push { environment: vec![("DOCKER_AUTH_CONFIG", text.into())], ..scene.push() }.succeed();
}

#[test]
fn most_specific_key_applies() {
    let Some(scene) = Scene::set("pushing with the credentials for a namespace") else { return };
    let registry = &*scene.line.address;
    let (namespace, repository) = (format!("{registry}/me"), format!("{registry}/me/pause"));
    let (other, more) = (format!("{registry}/m"), format!("{registry}/me/pause/more"));
    let push = |files: &[(&str, &str, &str)]| {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), files);
        let environment = vec![("HOME", home.path().to_owned())];
        let push = Push { environment, arguments: &["--arch", "riscv64"], ..scene.push() };
        String::from_utf8(push.run().stderr).unwrap()
    };
    let (docker, podman) = (".docker/config.json", ".config/containers/auth.json");
    for files in [
        [(docker, registry, WRONG), (podman, &*namespace, RIGHT)],
        [(docker, &*repository, RIGHT), (podman, &*namespace, WRONG)],
        [(docker, &*namespace, RIGHT), (podman, &*other, WRONG)],
    ] {
        let message = push(&files);
        assert!(!message.contains("denies access"), "{files:?}: {message}");
    }
    let message = push(&[(docker, registry, RIGHT), (podman, &namespace, WRONG)]);
    assert!(
        message.contains(&format!("denies access with the credentials for {namespace} in ")),
        "{message}"
    );
    let message = push(&[(podman, &more, RIGHT)]);
    assert!(message.contains("there are none for it"), "{message}");
}

#[test]
fn docker_hub_is_known_by_all_its_names() {
    if !needs::programs("pushing to a stand-in for Docker Hub", &certificates::NEEDS) {
        return;
    }
    prepare();
    let directory = tempfile::tempdir().unwrap();
    let certificate = self_signed(directory.path(), "DNS:index.docker.io");
    let registry = Registry::start(Some(&certificate));
    let proxy = proxy_to(&registry);
    for (name, key) in [
        ("docker.io", "docker.io"),
        ("docker.io", "https://index.docker.io/v1/"),
        ("index.docker.io", "docker.io/me"),
    ] {
        let file = credentials(directory.path(), "auth.json", key, RIGHT);
        let environment = vec![
            ("REGISTRY_AUTH_FILE", file),
            ("SSL_CERT_FILE", certificate.file.clone()),
            ("HTTPS_PROXY", PathBuf::from(&proxy)),
            ("NO_PROXY", PathBuf::new()),
            ("no_proxy", PathBuf::new()),
        ];
        let output = Push { registry: name, arguments: &["--arch", "riscv64"], environment }.run();
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{key}: {messages}");
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("index.docker.io/me/pause@sha256:"));
    }
    assert!(registry.has_tag("me/pause", "1"));
}

/// Starts a proxy for HTTPS that connects to a registry whichever host is asked for, and returns its URL.
fn proxy_to(registry: &Registry) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let registry = registry.address.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut request = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
            // The client waits for the answer before it sends more.
            request.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
            let server = TcpStream::connect(&registry).unwrap();
            let mut client = client;
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            for (mut from, mut to) in
                [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
            {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    url
}

#[test]
fn reports_wrong_and_missing_credentials() {
    let Some(scene) = Scene::set("pushing with wrong credentials") else { return };
    let wrong = tempfile::tempdir().unwrap();
    let file = credentials(wrong.path(), "config.json", &scene.line.address, WRONG);
    let origin = format!("with the credentials for {} in {}\n", scene.line.address, file.display());
    let docker = vec![("DOCKER_CONFIG", wrong.path().to_owned())];
    for (environment, origin) in [(docker, &*origin), (vec![], "since there are none for it\n")] {
        let message = Push { environment, ..scene.push() }.fail();
        assert!(message.contains(&format!("cannot push {}/me/pause:1", scene.line.address)), "{message}");
        assert!(message.contains(&format!("docker login {}", scene.line.address)), "{message}");
        assert!(message.contains("UNAUTHORIZED") && message.contains(origin), "{message}");
        assert!(!message.contains("guessed"), "{message}");
    }
    assert_eq!(scene.line.requests("PUT /"), 0);
    assert!(!scene.registry.has_tag("me/pause", "1"));
}

#[test]
fn damaged_entry_is_named() {
    let Some(scene) = Scene::set("pushing with a damaged entry") else { return };
    let registry = &*scene.line.address;
    let file = scene.directory.path().join("config.json");
    let push = |text: &str| {
        std::fs::write(&file, text).unwrap();
        scene.push().fail()
    };
    let message = push(&serde_json::json!({"auths": {registry: {"auth": "c2VjcmV"}}}).to_string());
    let expected =
        format!("the credentials for {registry} in {} are no user and password in base64", file.display());
    assert!(message.contains(&expected) && !message.contains("c2VjcmV"), "{message}");
    let message = push("{\"auths\": \"c2VjcmV0\"}");
    assert!(message.contains(&format!("cannot read the credentials in {}", file.display())), "{message}");
    assert!(!message.contains("c2VjcmV0"), "{message}");
}
