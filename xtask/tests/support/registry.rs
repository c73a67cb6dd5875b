//! A real registry server on the loopback, and a line to it that can be recorded and cut.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// The registry's executable, and Debian's package of it.
pub const PROGRAM: (&str, &str) = ("docker-registry", "docker-registry");

/// User who may push.
pub const USER: &str = "pusher";
pub const PASSWORD: &str = "secret";

/// A line of htpasswd(1) for the password above, in bcrypt, the only format that the registry supports.
const HTPASSWD: &str = "pusher:$2a$04$c.i2QpoJ0NPm5frBJNT4juThddf0K.zP/ob5ZFDEENbrA4iezPzvi\n";

/// A certificate and its key, as PEM files.
pub struct Certificate {
    pub file: PathBuf,
    pub key: PathBuf,
}

pub struct Registry {
    server: Child,
    /// `127.0.0.1:PORT`, or another address if it was given.
    pub address: String,
    pub directory: tempfile::TempDir,
}

/// The address of servers on this machine alone.
const LOOPBACK: &str = "127.0.0.1";

impl Registry {
    /// Starts a registry that requires the password above, over HTTPS if it is given a certificate.
    pub fn start(certificate: Option<&Certificate>) -> Registry {
        Registry::start_at(LOOPBACK, certificate)
    }

    /// Starts one at this address.
    pub fn start_at(address: &str, certificate: Option<&Certificate>) -> Registry {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("htpasswd"), HTPASSWD).unwrap();
        let tls = certificate.map_or(
            serde_json::json!({}),
            |certificate| serde_json::json!({"certificate": certificate.file, "key": certificate.key}),
        );
        // JSON is YAML.
        let config = serde_json::json!({
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": at("data")}},
            "http": {"addr": format!("{address}:0"), "tls": tls},
            "auth": {"htpasswd": {"realm": "test", "path": at("htpasswd")}},
        });
        std::fs::write(at("config.yml"), config.to_string()).unwrap();
        let mut server = Command::new(PROGRAM.0)
            .arg("serve")
            .arg(at("config.yml"))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(server.stderr.take().unwrap());
        let mut message = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "the registry ended at once\n{message}");
            message.push_str(&line);
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
            }
        };
        // The pipe has no other reader, and a full pipe would block the registry.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Registry { server, address, directory }
    }

    /// Returns whether it has anything under this repository's tag.
    pub fn has_tag(&self, repository: &str, tag: &str) -> bool {
        let repositories = self.directory.path().join("data/docker/registry/v2/repositories");
        repositories.join(repository).join("_manifests/tags").join(tag).exists()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Writes credentials as `docker login` and `podman login` keep them, in a file of this name.
pub fn credentials(directory: &Path, file: &str, registry: &str, user_and_password: &str) -> PathBuf {
    let encoded = String::from_utf8(
        Command::new("sh")
            .args(["-c", "printf %s \"$0\" | base64", user_and_password])
            .output()
            .unwrap()
            .stdout,
    );
    let file = directory.join(file);
    let auth = encoded.unwrap().trim().to_owned();
    std::fs::write(&file, serde_json::json!({"auths": {registry: {"auth": auth}}}).to_string()).unwrap();
    file
}

/// A line to a registry: it forwards everything, records what clients sent, and can be cut.
pub struct Line {
    /// `127.0.0.1:PORT`, or another address if it was given.
    pub address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    sent: Vec<u8>,
    /// Beginning of the request at which the line breaks; every later request is cut as well.
    break_at: Option<&'static str>,
    broken: bool,
}

impl Line {
    pub fn to(registry: &Registry) -> Line {
        Line::from(LOOPBACK, registry)
    }

    /// Begins the line at this address.
    pub fn from(address: &str, registry: &Registry) -> Line {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, server) = (state.clone(), registry.address.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else { continue };
                let (shared, back) =
                    (shared.clone(), (server.try_clone().unwrap(), client.try_clone().unwrap()));
                std::thread::spawn(move || pass_requests(client, server, &shared));
                std::thread::spawn(move || pass_answers(back.0, back.1));
            }
        });
        Line { address, state }
    }

    /// Breaks the line at a request with this beginning, before the registry sees it.
    pub fn break_at(&self, request: &'static str) {
        self.state.lock().unwrap().break_at = Some(request);
    }

    /// Restores the line, and forgets what was sent.
    pub fn mend(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    /// Returns the number of requests with this beginning, such as `PUT /v2/`, since the line was last mended.
    pub fn requests(&self, beginning: &str) -> usize {
        count(&self.state.lock().unwrap().sent, beginning)
    }

    /// Returns the number of requests that sent data to the registry, or were about to.
    pub fn uploads(&self) -> usize {
        ["POST /", "PATCH /", "PUT /"].iter().map(|beginning| self.requests(beginning)).sum()
    }
}

fn count(sent: &[u8], beginning: &str) -> usize {
    sent.windows(beginning.len()).filter(|window| *window == beginning.as_bytes()).count()
}

fn pass_requests(mut client: TcpStream, mut server: TcpStream, state: &Mutex<State>) {
    let mut buffer = [0; 1 << 14];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        {
            let mut state = state.lock().unwrap();
            state.sent.extend(&buffer[..length]);
            let at = state.break_at;
            state.broken |= at.is_some_and(|request| count(&state.sent, request) > 0);
            if state.broken {
                break;
            }
        }
        if server.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

fn pass_answers(mut server: TcpStream, mut client: TcpStream) {
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
}
