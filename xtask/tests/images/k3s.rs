//! The image of k3s itself, in a real containerd.

use crate::containerd::Containerd;
use crate::test_env::TestEnv;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use xtask::target::Target;

const REFERENCE: &str = "docker.io/rancher/k3s:v0.35.0-k3s1.sample";

/// Files that upstream's image has, and that k3s looks for.
const FILES: [&str; 7] = [
    "/bin/cni",
    "/bin/runc",
    "/etc/passwd",
    "/etc/ssl/certs/ca-certificates.crt",
    "/usr/share/doc/k3s/THIRD-PARTY-NOTICES",
    "/var/lib/rancher/k3s/data/cni/bridge",
    "/tmp",
];

#[test]
fn dry_run_prints_the_plan_of_every_architecture() {
    let env = TestEnv::new();
    let arguments = ["images", "k3s", "--sample", "--arch", "riscv64,arm64", "--dry-run"];
    let plan = env.succeeds(arguments.into_iter().chain(["--push", "registry.example:5000"]));
    for line in
        ["GOARCH=riscv64\n", "GOARCH=arm64\n", "image-k3s", "\npush registry.example:5000/rancher/k3s:"]
    {
        assert!(plan.contains(line), "{line:?} is not in\n{plan}");
    }
    assert_eq!(plan.matches("\npush ").count(), 1, "{plan}");
    assert!(!env.dist().exists());
}

#[test]
fn image_of_k3s_starts_a_node() {
    let env = TestEnv::new();
    let host = Target::host().expect("the machine is of a kind that k3s is built for").go;
    let printed = env.succeeds(["images", "k3s", "--sample", "--arch", host]);
    assert!(printed.contains("k3s-image.tar"), "{printed}");
    let Some(containerd) = Containerd::start_to_run("the image of k3s") else { return };
    let archive = env.dist().join("v0.35.0+k3s1.sample/k3s-image/k3s-image.tar");
    let import = containerd.import(&archive, &format!("linux/{host}"));
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    assert_eq!(containerd.names().into_iter().collect::<Vec<_>>(), [REFERENCE]);

    let scratch = containerd.scratch();
    std::fs::create_dir(&scratch).unwrap();
    containerd.ask(&["images", "mount", REFERENCE, scratch.to_str().unwrap()]);
    let missing: Vec<_> =
        FILES.iter().filter(|file| scratch.join(&file[1..]).symlink_metadata().is_err()).collect();
    let about = std::fs::read_to_string(scratch.join("etc/os-release")).unwrap();
    containerd.ask(&["images", "unmount", scratch.to_str().unwrap()]);
    assert_eq!(missing, [&""; 0]);
    assert_eq!(about, "PRETTY_NAME=\"K3s v0.35.0+k3s1.sample\"\n");

    let mut node = containerd.command(&["run", "--rm", REFERENCE, "node", "/bin/k3s", "server"]);
    let mut node = node.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = String::new();
    for line in BufReader::new(node.stderr.take().unwrap()).lines() {
        log += &(line.unwrap() + "\n");
        if log.contains("k3s is up and running") {
            break;
        }
    }
    containerd.ctr(&["tasks", "kill", "--signal", "SIGKILL", "node"]);
    node.wait().unwrap();
    assert!(log.contains("k3s is up and running"), "{log}");
}
