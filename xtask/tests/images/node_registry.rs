//! The registry of the boot scenario `registry-node`, with the images of the sample, served by busybox and read by
//! containerd.

use crate::bundle::BUILT;
use crate::containerd::Containerd;
use crate::needs;
use fs_err as fs;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use xtask::boot::images::DefaultImages;
use xtask::boot::payload::registry;

/// Serves a directory by busybox's httpd, with the settings in it, and returns `127.0.0.1:PORT`. Each connection has a
/// process of its own, so that no port has to be chosen before.
fn serve(directory: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let directory = directory.to_owned();
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let output = connection.try_clone().unwrap();
            let mut httpd = Command::new("busybox");
            httpd.args(["httpd", "-i", "-h"]).arg(&directory).arg("-c").arg(directory.join("httpd.conf"));
            httpd.stdin(OwnedFd::from(connection)).stdout(OwnedFd::from(output));
            let mut httpd = httpd.spawn().unwrap();
            std::thread::spawn(move || httpd.wait());
        }
    });
    address
}

#[test]
fn containerd_pulls_only_what_upstream_has() {
    let what = "pulling from the registry of a boot scenario";
    if !needs::programs(what, &[("busybox", "busybox")]) {
        return;
    }
    let Some(containerd) = Containerd::start(what) else { return };
    let (env, directory) = &*BUILT;
    let images = DefaultImages::open(&env.context().root, directory, "v0.35.0+k3s1.sample").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("registry");
    let unpacked = scratch.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    registry::write(&root, &registry::of_upstream(&images, &unpacked).unwrap()).unwrap();
    fs::remove_dir_all(unpacked).unwrap();
    let address = serve(&root);

    let mut pulled = BTreeSet::new();
    for reference in &images.references {
        let name = reference.replacen("docker.io", &address, 1);
        // As root, containerd unpacks the layers and compares each with its digest in the configuration.
        let output =
            containerd.ctr(&["images", "pull", "--plain-http", "--platform", "linux/riscv64", &name]);
        if output.status.success() {
            pulled.insert(reference.as_str());
        } else {
            let messages = String::from_utf8_lossy(&output.stderr);
            assert!(messages.contains("no match for platform in manifest"), "{reference}: {messages}");
        }
    }
    let expected = [
        "docker.io/rancher/local-path-provisioner:v0.0.34",
        "docker.io/rancher/mirrored-coredns-coredns:1.14.0",
        "docker.io/rancher/mirrored-library-traefik:3.6.7",
    ];
    assert_eq!(pulled, BTreeSet::from(expected));
}
