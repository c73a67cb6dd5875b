//! Tests of `cargo xtask pause` as a user runs it.

use crate::context;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xtask::digest::Digest;

/// A target directory of the test's own, with the real one's cache.
struct TestEnv {
    directory: tempfile::TempDir,
}

impl TestEnv {
    fn new() -> TestEnv {
        TestEnv { directory: tempfile::tempdir().unwrap() }
    }

    fn dist(&self) -> PathBuf {
        self.directory.path().join("dist")
    }

    /// Returns `cargo xtask pause` with these arguments, prefixed by these words, which may change its conditions.
    fn pause_under(&self, words: &[&str], arguments: &[&str]) -> Output {
        let mut argv = words.to_vec();
        argv.extend([env!("CARGO_BIN_EXE_xtask"), "pause"]);
        let mut command = Command::new(argv[0]);
        command.args(&argv[1..]).args(arguments).env_remove("RUST_BACKTRACE");
        command.env("CARGO_TARGET_DIR", self.directory.path()).env("K3S_XTASK_CACHE", context().cache);
        command.output().unwrap()
    }

    /// Returns what it prints, and fails unless it succeeds.
    #[track_caller]
    fn pause(&self, arguments: &[&str]) -> String {
        let output = self.pause_under(&[], arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns the error with which it ends with this status.
    #[track_caller]
    fn pause_fails(&self, status: i32, words: &[&str], arguments: &[&str]) -> String {
        let output = self.pause_under(words, arguments);
        let messages = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {messages}");
        messages
    }

    /// Returns the digest of every file below `dist`, by its path.
    fn files(&self) -> BTreeMap<String, Digest> {
        let files = walkdir::WalkDir::new(self.dist()).into_iter().filter_map(|entry| entry.ok());
        let digest = |path: &Path| {
            let name = path.strip_prefix(self.dist()).unwrap().display().to_string();
            (name, Digest::of_file(path).unwrap())
        };
        files.filter(|entry| entry.file_type().is_file()).map(|entry| digest(entry.path())).collect()
    }

    /// Returns the names of the files below `dist`, except the layout's blobs.
    fn names(&self) -> Vec<String> {
        self.files().into_keys().filter(|name| !name.contains("/blobs/")).collect()
    }
}

#[test]
fn writes_all_forms_for_all_architectures() {
    let env = TestEnv::new();
    let message = env.pause(&["--arch", "riscv64,amd64", "--tag", "me/pause:1", "--for-installed-k3s"]);
    assert_eq!(
        env.names(),
        [
            "pause/oci/index.json",
            "pause/oci/oci-layout",
            "pause/pause-amd64",
            "pause/pause-image-amd64.tar",
            "pause/pause-image-riscv64.tar",
            "pause/pause-riscv64",
        ]
    );
    for said in [
        "pause-image-riscv64.tar",
        "docker.io/me/pause:1\n",
        "docker.io/rancher/mirrored-pause:3.6\n",
        "docker.io/rancher/mirrored-pause:3.10.2\n",
        "images import /var/lib/rancher/k3s/agent/images/pause-image-riscv64.tar",
    ] {
        assert!(message.contains(said), "{said:?} is missing:\n{message}");
    }
}

#[test]
fn default_name_is_that_of_our_k3s() {
    let env = TestEnv::new();
    let message = env.pause(&[]);
    let ours = context().pins.pause_image.reference.to_string();
    assert!(message.contains(&format!("  docker.io/{ours}\n")), "{message}");
    assert!(message.contains("--for-installed-k3s"), "{message}");
}

#[test]
fn a_later_run_leaves_nothing_of_an_earlier_one() {
    let env = TestEnv::new();
    env.pause(&["--arch", "riscv64,amd64"]);
    env.pause(&["--arch", "riscv64", "--zst"]);
    let expected = [
        "pause/oci/index.json",
        "pause/oci/oci-layout",
        "pause/pause-image-riscv64.tar.zst",
        "pause/pause-riscv64",
    ];
    assert_eq!(env.names(), expected);
}

#[test]
fn output_is_reproducible() {
    let (here, there) = (TestEnv::new(), TestEnv::new());
    let arguments = ["--arch", "riscv64,arm64,amd64", "--for-installed-k3s", "--zst"];
    here.pause(&arguments);
    let elsewhere =
        ["env", "TZ=Asia/Shanghai", "LC_ALL=zh_CN.UTF-8", "sh", "-c", "umask 077; exec \"$@\"", "sh"];
    let output = there.pause_under(&elsewhere, &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Three binaries, three archives, three blobs for each architecture, the index and two more files.
    assert_eq!(here.files().len(), 3 + 3 + 9 + 3);
    assert_eq!(here.files(), there.files());
}

#[test]
fn a_name_with_a_host_is_taken_with_a_warning() {
    let output = TestEnv::new().pause_under(&[], &["--tag", "registry.example/me/pause:1"]);
    assert!(output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("warning: registry.example/me/pause:1 names a host"), "{message}");
    assert!(message.contains("--system-default-registry"), "{message}");
}

#[test]
fn bad_input_writes_nothing() {
    let env = TestEnv::new();
    let digest = format!("me/pause@sha256:{}", "0".repeat(64));
    for (arguments, remedy) in [
        (&["--tag", "me/pause"][..], "write it as NAME:TAG"),
        (&["--tag", "Me/pause:1"], "it must be lower case"),
        (&["--tag", &digest], "write a tag in its place: me/pause:TAG"),
        (&["--tag", "me/pause:1", "--tag", ""], "write it as NAME:TAG"),
        (&["--arch", "riscv64,sparc"], "known are riscv64, arm64, amd64"),
        (&["push", "me/pause"], "write it as NAME:TAG"),
        (&["push", &digest], "write a tag in its place: me/pause:TAG"),
        (&["push", "--arch", "sparc", "me/pause:1"], "known are riscv64, arm64, amd64"),
    ] {
        let message = env.pause_fails(2, &[], arguments);
        assert!(message.starts_with("error: ") && message.contains(remedy), "{arguments:?}: {message}");
    }
    assert_eq!(env.names(), [""; 0]);
}

#[test]
fn failed_write_keeps_earlier_images() {
    use std::os::unix::fs::PermissionsExt;
    let env = TestEnv::new();
    env.pause(&["--tag", "me/pause:1"]);
    let before = env.files();
    let permit = |mode| std::fs::set_permissions(env.dist(), PermissionsExt::from_mode(mode)).unwrap();
    permit(0o555);
    // Root may write everywhere, unless it is started without that capability.
    let words: &[&str] = match nix::unistd::geteuid().is_root() {
        true => &["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"],
        false => &[],
    };
    let message = env.pause_fails(1, words, &["--tag", "me/pause:2"]);
    permit(0o755);
    let directory = env.dist().join("pause");
    assert!(message.contains(&format!("cannot write the images to {}", directory.display())), "{message}");
    assert!(message.contains("CARGO_TARGET_DIR") && message.contains("Permission denied"), "{message}");
    assert_eq!(env.files(), before);
}
