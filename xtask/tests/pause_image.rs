//! The pause image as others meet it: containerd, runc, skopeo and an OCI validator.

#[path = "support/containerd.rs"]
mod containerd;
#[path = "support/needs.rs"]
mod needs;

use containerd::Containerd;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use xtask::context::{Context, Network};
use xtask::image::{self, Compression, PauseImage, Reference, docker_archive, installed, layout};
use xtask::target::{TARGETS, Target};

const SKOPEO: (&str, &str) = ("skopeo", "skopeo");
const VALIDATOR: (&str, &str) = ("oci-image-tool", "oci-image-tool");

/// The images of all architectures, built once for all tests.
fn images() -> &'static [PauseImage] {
    static IMAGES: OnceLock<Vec<PauseImage>> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let mut context = Context::new(None, Network::Allowed).unwrap();
        context.guard = PathBuf::from(env!("CARGO_BIN_EXE_xtask"));
        let image = |target: &'static Target| {
            let program = xtask::pause::build(&context, target).unwrap();
            PauseImage::new(target, std::fs::read(program).unwrap(), "1.2.3").unwrap()
        };
        TARGETS.iter().map(image).collect()
    })
}

fn image(arch: &str) -> &'static PauseImage {
    images().iter().find(|image| image.target.go == arch).unwrap()
}

fn references(texts: &[&str]) -> Vec<Reference> {
    texts.iter().map(|text| Reference::parse(text).unwrap()).collect()
}

fn normalised(names: &[Reference]) -> BTreeSet<String> {
    names.iter().map(Reference::normalised).collect()
}

/// What a program wrote, given that it succeeded.
fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{messages}", output.status);
    output.stdout
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn containerd_lists_exactly_the_names_asked_for_whatever_its_own_architecture() {
    let Some(containerd) = Containerd::start("importing into a real containerd") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut names = references(&["pause:v1", "carvicsforth/pause:v3", "localhost:5000/a/pause:1"]);
    names.extend(installed::names().unwrap());
    for image in images() {
        for compression in [Compression::None, Compression::Zstd] {
            let archive = image::write_archive(image, &names, compression, folder.path()).unwrap();
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
}

#[test]
fn a_reference_means_to_us_what_it_means_to_containerd() {
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
        "[2001:db8::1]:5000/pause:1",
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
        &format!("a:{}", "1".repeat(129)),
        &format!("{long}:1"),
    ];
    for text in bad {
        assert!(Reference::parse(text).is_err(), "{text} is accepted by us");
        let import = containerd.import(&archive_of_names(&containerd, &[text.to_owned()]), "linux/riscv64");
        assert!(!import.status.success(), "{text} is accepted by containerd");
    }
}

/// Our archive with the names in it as they are given, which we would never write.
fn archive_of_names(containerd: &Containerd, names: &[String]) -> PathBuf {
    let ours = docker_archive::archive(image("riscv64"), &references(&["a:1"]), Compression::None).unwrap();
    let mut theirs = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(&ours[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        let path = entry.path().unwrap().into_owned();
        if path == Path::new("manifest.json") {
            let mut manifest = json(&bytes);
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

/// Kubernetes' default for how long a pod may take to end (core/v1, `terminationGracePeriodSeconds`).
const GRACE_PERIOD: Duration = Duration::from_secs(30);

#[test]
fn runc_runs_the_image_as_first_process_and_sigterm_ends_it_within_its_grace_period() {
    let what = "running the image by containerd and runc";
    if !needs::root(what) || !needs::programs(what, &[("runc", "runc")]) {
        return;
    }
    let Some(containerd) = Containerd::start(what) else { return };
    let host = Target::host().expect("this machine's architecture is one of ours");
    let folder = tempfile::tempdir().unwrap();
    let names = references(&["pause:v1"]);
    let archive = image::write_archive(image(host.go), &names, Compression::None, folder.path()).unwrap();
    let import = containerd.import(&archive, &format!("linux/{}", host.go));
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));

    containerd.ask(&["run", "--detach", "--snapshotter", "native", &names[0].normalised(), "sandbox"]);
    let (pid, state) = containerd.task("sandbox");
    assert_eq!(state, "RUNNING");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(field("NSpid:").last().unwrap(), "1", "{status}");
    assert_eq!(field("Uid:"), ["65535"; 4]);
    assert_eq!(field("Gid:"), ["65535"; 4]);
    assert_eq!(std::fs::read(format!("/proc/{pid}/cmdline")).unwrap(), b"/pause\0");

    containerd.ask(&["tasks", "kill", "--signal", "SIGTERM", "sandbox"]);
    containerd.wait_for_task("sandbox", "STOPPED", GRACE_PERIOD);
    // Ends with the exit status of the task, which is 0 for one that ended of its own accord.
    containerd.ask(&["tasks", "delete", "sandbox"]);
    containerd.ask(&["containers", "delete", "sandbox"]);
}

#[test]
fn skopeo_finds_the_image_in_the_archive_under_each_name() {
    if !needs::programs("reading the archive with skopeo", &[SKOPEO]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let names = references(&["pause:v1", "rancher/mirrored-pause:3.6"]);
    for image in images() {
        let archive = image::write_archive(image, &names, Compression::None, folder.path()).unwrap();
        for name in normalised(&names) {
            let source = format!("docker-archive:{}:{name}", archive.display());
            let config = output(Command::new("skopeo").args(["inspect", "--raw", "--config", &source]));
            assert_eq!(json(&config), json(&image.config.bytes));
        }
    }
}

#[test]
fn skopeo_finds_every_architecture_in_the_layout_under_each_tag() {
    if !needs::programs("reading the layout with skopeo", &[SKOPEO]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let oci = folder.path().join("oci");
    // Two names with one tag lead to one image, and the tag is still found.
    let names = references(&["pause:v1", "other/pause:v1", "rancher/mirrored-pause:3.6"]);
    layout::write(images(), &names, &oci).unwrap();
    for image in images() {
        for tag in ["v1", "3.6"] {
            let source = format!("oci:{}:{tag}", oci.display());
            let config = output(
                Command::new("skopeo")
                    .args(["--override-os", "linux", "--override-arch", image.target.go])
                    .args(["inspect", "--raw", "--config", &source]),
            );
            assert_eq!(json(&config), json(&image.config.bytes), "{tag} for {}", image.target.go);
        }
    }
}

#[test]
fn an_oci_validator_accepts_the_layout_and_refuses_it_damaged_anywhere() {
    if !needs::programs("holding the layout against the OCI's own validator", &[VALIDATOR]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let oci = folder.path().join("oci");
    let validated = || {
        let output = Command::new("oci-image-tool").args(["validate", "--type", "image"]).arg(&oci).output();
        let output = output.unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    layout::write(images(), &references(&["pause:v1", "rancher/mirrored-pause:3.6"]), &oci).unwrap();
    let (accepted, messages) = validated();
    assert!(accepted, "{messages}");

    let files: Vec<PathBuf> = walkdir::WalkDir::new(&oci)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.is_file())
        .collect();
    // Layer, configuration and manifest of each architecture, the index and the two files of the layout.
    assert_eq!(files.len(), 3 * images().len() + 3);
    for file in files {
        let whole = std::fs::read(&file).unwrap();
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        std::fs::write(&file, damaged).unwrap();
        assert!(!validated().0, "{} is damaged and accepted", file.display());
        std::fs::remove_file(&file).unwrap();
        assert!(!validated().0, "{} is missing and accepted", file.display());
        std::fs::write(&file, whole).unwrap();
    }
    assert!(validated().0, "the layout is whole again");
}

#[test]
fn the_compressed_archive_holds_the_plain_one() {
    let names = references(&["pause:v1"]);
    let plain = docker_archive::archive(image("riscv64"), &names, Compression::None).unwrap();
    let compressed = docker_archive::archive(image("riscv64"), &names, Compression::Zstd).unwrap();
    assert!(compressed.len() < plain.len());
    assert_eq!(zstd::decode_all(&compressed[..]).unwrap(), plain);
}

#[test]
fn a_file_that_cannot_take_its_place_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("pause-image-riscv64.tar");
    std::fs::create_dir(&taken).unwrap();
    let names = references(&["pause:v1"]);
    let error = image::write_archive(image("riscv64"), &names, Compression::None, folder.path()).unwrap_err();
    assert!(format!("{error:#}").contains(&format!("cannot write {}", taken.display())), "{error:#}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_layout_that_cannot_take_its_place_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let oci = folder.path().join("oci");
    std::fs::create_dir(&oci).unwrap();
    std::fs::write(oci.join("mine"), "kept").unwrap();
    let error = layout::write(images(), &references(&["pause:v1"]), &oci).unwrap_err();
    assert!(format!("{error:#}").contains(oci.to_str().unwrap()), "{error:#}");
    assert_eq!(std::fs::read(oci.join("mine")).unwrap(), b"kept");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
