//! A git server on the loopback that speaks smart HTTP: git's own `http-backend` behind a small gateway
//! (gitprotocol-http(5), git-http-backend(1)).

use super::http::{self, Request, Server};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Serves every bare repository below a directory.
pub fn serve(directory: &Path) -> Server {
    let directory = directory.to_owned();
    Server::start(move |request, _| gateway(&directory, request))
}

fn gateway(directory: &Path, request: &Request) -> Vec<u8> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", directory)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    backend.stdin.take().unwrap().write_all(&request.body).unwrap();
    let output = backend.wait_with_output().unwrap().stdout;
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(output.len());
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let headers: Vec<(&str, String)> =
        head.lines().filter_map(|line| line.split_once(": ")).map(|(n, v)| (n, v.to_owned())).collect();
    let status = headers.iter().find(|(name, _)| *name == "Status").map_or("200 OK", |(_, value)| value);
    http::answer(status, &headers, output.get(end + 4..).unwrap_or_default())
}
