//! Tests of images that a real containerd imports and a real runc runs.

use crate::containerd::Containerd;
use crate::{image, images, normalised, references, wait};
use std::path::{Path, PathBuf};
use xtask::image::{Compression, docker_archive, installed, write_archive};
use xtask::reference::Reference;
use xtask::target::Target;

#[test]
fn containerd_lists_the_given_names() {
    let Some(containerd) = Containerd::start("importing into a real containerd") else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut names = references(&["pause:v1", "carvicsforth/pause:v3", "localhost:5000/a/pause:1"]);
    names.extend(installed::names().unwrap());
    for image in images() {
        let archive = write_archive(image, &names, Compression::None, directory.path()).unwrap();
        let platform = format!("linux/{}", image.target.go);
        let import = containerd.import(&archive, &platform);
        assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
        assert_eq!(containerd.names(), normalised(&names), "{}", archive.display());
        let list = containerd.ask(&["images", "ls"]);
        assert_eq!(list.matches(&platform).count(), names.len(), "{list}");
        let check = containerd.ask(&["images", "check"]);
        assert_eq!(check.matches("complete (2/2)").count(), names.len(), "{check}");
        for name in containerd.names() {
            containerd.ask(&["images", "rm", "--sync", &name]);
        }
    }
}

#[test]
fn references_are_read_as_by_containerd() {
    let Some(containerd) = Containerd::start("holding our references against containerd's") else { return };
    let good = [
        "pause:3.6",
        "carvicsforth/pause:v3.10-v1.31.1",
        "docker.io/pause:a",
        "docker.io/rancher/mirrored-pause:3.6",
        "index.docker.io/pause:b",
        "localhost/pause:c",
        "localhost:5000/a/b/c:T_1.-x",
        "registry.example/a.b_c__d---e:1",
        "REGISTRY.example:1/a:1",
        "localhost:5000",
    ];
    let given: Vec<String> = good.iter().map(|&text| text.to_owned()).collect();
    let import = containerd.import(&archive_of_names(&containerd, &given), "linux/riscv64");
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    assert_eq!(containerd.names(), normalised(&references(&good)));

    let long = "z".repeat(256);
    let bad = [
        "Rancher/pause:1",
        "a//b:1",
        "a/b:",
        "a/b:-1",
        "/a:1",
        "a/:1",
        "a___b:1",
        "a._b:1",
        "a_:1",
        "a b:1",
        "https://registry.example/pause:1",
        "registry.example:port/b:1",
        "registry..example/b:1",
        "-a.example/b:1",
        "[::1]:x/b:1",
        &format!("a:{}", "1".repeat(129)),
        &format!("{long}:1"),
    ];
    for text in bad {
        assert!(Reference::parse(text).is_err(), "{text} is accepted by us");
        let import = containerd.import(&archive_of_names(&containerd, &[text.to_owned()]), "linux/riscv64");
        assert!(!import.status.success(), "{text} is accepted by containerd");
    }
}

/// Returns our archive with the given names in it, which we would never write.
fn archive_of_names(containerd: &Containerd, names: &[String]) -> PathBuf {
    let ours = docker_archive::archive(image("riscv64"), &references(&["a:1"]), Compression::None).unwrap();
    let mut theirs = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(&ours[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        let path = entry.path().unwrap().into_owned();
        if path == Path::new("manifest.json") {
            let mut manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            manifest[0]["RepoTags"] = names.into();
            bytes = manifest.to_string().into_bytes();
        }
        let mut header = entry.header().clone();
        header.set_size(bytes.len() as u64);
        theirs.append_data(&mut header, path, &bytes[..]).unwrap();
    }
    std::fs::create_dir_all(containerd.scratch()).unwrap();
    let file = containerd.scratch().join("names.tar");
    std::fs::write(&file, theirs.into_inner().unwrap()).unwrap();
    file
}

#[test]
fn runc_runs_image_until_sigterm() {
    let what = "running the image by containerd and runc";
    let Some(containerd) = Containerd::start_to_run(what) else { return };
    let host = Target::host().expect("this machine's architecture is known");
    let directory = tempfile::tempdir().unwrap();
    let names = references(&["pause:v1"]);
    let archive = write_archive(image(host.go), &names, Compression::None, directory.path()).unwrap();
    let import = containerd.import(&archive, &format!("linux/{}", host.go));
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));

    containerd.ask(&["run", "--detach", "--snapshotter", "native", &names[0].normalised(), "sandbox"]);
    let (pid, state) = containerd.task("sandbox");
    assert_eq!(state, "RUNNING");
    wait_until_started(pid);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(field("NSpid:").last().unwrap(), "1", "{status}");
    assert_eq!(field("Uid:"), ["65535"; 4]);
    assert_eq!(field("Gid:"), ["65535"; 4]);

    containerd.ask(&["tasks", "kill", "--signal", "SIGTERM", "sandbox"]);
    containerd.wait_for_task("sandbox", "STOPPED");
    // `ctr` ends with the exit status of the task, which is 0 for one that ended by itself.
    containerd.ask(&["tasks", "delete", "sandbox"]);
    containerd.ask(&["containers", "delete", "sandbox"]);
}

/// Waits until the image's own process runs: a task counts as running a moment before, when runc starts it.
fn wait_until_started(pid: u32) {
    wait::until(|| (std::fs::read(format!("/proc/{pid}/cmdline")).unwrap() == b"/pause\0").then_some(()));
}
