//! A server of releases, with the paths of GitHub's.

use crate::http::{self, Request, Server};
use fs_err as fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use xtask::digest::Digest;

/// The path of the releases.
const RELEASES: &str = "/me/k3s/releases";

pub struct Releases {
    directory: Arc<TempDir>,
    server: Server,
}

/// Ways to serve a binary.
#[derive(Clone, Copy, PartialEq)]
pub enum Serving {
    Complete,
    /// The connection is lost before the end.
    Cut,
}

impl Releases {
    /// Serves releases of these versions.
    pub fn of(versions: &[&str]) -> Releases {
        Releases::serving(Serving::Complete, versions)
    }

    pub fn serving(serving: Serving, versions: &[&str]) -> Releases {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let served = directory.clone();
        let server = Server::start(move |request, _| answer(served.path(), serving, request));
        let releases = Releases { directory, server };
        versions.iter().for_each(|version| releases.publish(version));
        releases
    }

    /// Adds a release, as its directory has the files.
    pub fn publish(&self, version: &str) {
        let release = self.directory.path().join(version);
        fs::create_dir(&release).unwrap();
        let binary = binary(version);
        fs::write(release.join("k3s-riscv64"), &binary).unwrap();
        let sums = format!("{}  k3s-riscv64\n", Digest::of(&binary));
        fs::write(release.join("sha256sum-riscv64.txt"), sums).unwrap();
    }

    /// Replaces a file of a release.
    pub fn replace(&self, version: &str, file: &str, text: &str) {
        fs::write(self.directory.path().join(version).join(file), text).unwrap();
    }

    pub fn url(&self) -> String {
        format!("{}{RELEASES}", self.server.url)
    }

    /// Returns the requested paths below that of the releases, in order.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.server.requests();
        requests.iter().map(|request| request.target.replacen(RELEASES, "", 1)).collect()
    }
}

/// Returns an executable in the place of k3s.
pub fn binary(version: &str) -> String {
    format!("#!/bin/sh\necho k3s version {version}\n")
}

fn answer(releases: &Path, serving: Serving, request: &Request) -> Vec<u8> {
    let Some(path) = request.target.strip_prefix(RELEASES) else { return http::status("404 Not Found") };
    let versions = || xtask::dir::entries(releases).unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    if path == "/latest" {
        let newest = name(versions().last().unwrap()).replace('+', "%2B");
        let location = format!("{RELEASES}/tag/{newest}");
        return http::answer("302 Found", &[("Location", location), ("Content-Length", "0".to_owned())], b"");
    }
    if path.starts_with("/tag/") {
        return http::whole(b"<html>");
    }
    if path == "?per_page=100" {
        let tags = versions().into_iter().map(|path| serde_json::json!({ "tag_name": name(&path) }));
        let tags: Vec<_> = tags.collect();
        return http::whole(&serde_json::to_vec_pretty(&tags).unwrap());
    }
    let file = path.strip_prefix("/download/").map(|path| releases.join(path.replace("%2B", "+")));
    match file.and_then(|file| fs::read(file).ok()) {
        Some(bytes) if serving == Serving::Cut && path.ends_with("/k3s-riscv64") => {
            http::cut(http::whole(&bytes), 5)
        }
        Some(bytes) => http::whole(&bytes),
        None => http::status("404 Not Found"),
    }
}
