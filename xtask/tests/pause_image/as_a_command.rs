//! Tests of `cargo xtask pause` as a user runs it.

use crate::context;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xtask::digest::Digest;

/// A target directory of the test's own, with the real one's cache.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { directory: tempfile::tempdir().unwrap() }
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
fn one_command_makes_every_form_for_every_architecture_asked_for() {
    let place = Place::new();
    let told = place.pause(&["--arch", "riscv64,amd64", "--tag", "me/pause:1", "--for-installed-k3s"]);
    assert_eq!(
        place.names(),
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
        assert!(told.contains(said), "{said:?} is missing:\n{told}");
    }
}

#[test]
fn without_a_name_the_image_has_the_one_that_our_k3s_asks_for() {
    let place = Place::new();
    let told = place.pause(&[]);
    let ours = context().pins.pause_image.reference.to_string();
    assert!(told.contains(&format!("  docker.io/{ours}\n")), "{told}");
    assert!(told.contains("--for-installed-k3s"), "{told}");
}

#[test]
fn a_later_run_leaves_nothing_of_an_earlier_one() {
    let place = Place::new();
    place.pause(&["--arch", "riscv64,amd64"]);
    place.pause(&["--arch", "riscv64", "--zst"]);
    let expected = [
        "pause/oci/index.json",
        "pause/oci/oci-layout",
        "pause/pause-image-riscv64.tar.zst",
        "pause/pause-riscv64",
    ];
    assert_eq!(place.names(), expected);
}

#[test]
fn everything_is_bit_identical_under_another_path_mask_zone_and_language() {
    let (here, there) = (Place::new(), Place::new());
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
    let output = Place::new().pause_under(&[], &["--tag", "registry.example/me/pause:1"]);
    assert!(output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("warning: registry.example/me/pause:1 names a host"), "{told}");
    assert!(told.contains("--system-default-registry"), "{told}");
}

#[test]
fn bad_input_is_refused_with_its_remedy_and_nothing_is_written() {
    let place = Place::new();
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
        let told = place.pause_fails(2, &[], arguments);
        assert!(told.starts_with("error: ") && told.contains(remedy), "{arguments:?}: {told}");
    }
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn where_writing_is_not_permitted_the_earlier_images_stay_as_they_were() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.pause(&["--tag", "me/pause:1"]);
    let before = place.files();
    let permit = |mode| std::fs::set_permissions(place.dist(), PermissionsExt::from_mode(mode)).unwrap();
    permit(0o555);
    // Root may write everywhere, unless it is started without that capability.
    let words: &[&str] = match nix::unistd::geteuid().is_root() {
        true => &["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"],
        false => &[],
    };
    let told = place.pause_fails(1, words, &["--tag", "me/pause:2"]);
    permit(0o755);
    let directory = place.dist().join("pause");
    assert!(told.contains(&format!("cannot write the images to {}", directory.display())), "{told}");
    assert!(told.contains("CARGO_TARGET_DIR") && told.contains("Permission denied"), "{told}");
    assert_eq!(place.files(), before);
}
