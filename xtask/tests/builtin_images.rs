//! Tests of the Go file that `patches/builtin-images.json` adds to k3s, compiled and run by Go with stand-ins for
//! the two packages it uses.

#[allow(dead_code, reason = "these tests need programs only")]
#[path = "support/needs.rs"]
mod needs;

use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const GO: (&str, &str) = ("go", "golang-go");
const GOFMT: (&str, &str) = ("gofmt", "golang-go");

/// Parts of k3s that the file uses. Go 1.20 is the version that built the oldest release that is patched.
const STAND_INS: [(&str, &str); 4] = [
    (
        "go.mod",
        "module github.com/k3s-io/k3s\n\ngo 1.20\n\nrequire github.com/sirupsen/logrus v1.0.0\n\n\
         replace github.com/sirupsen/logrus => ./logrus\n",
    ),
    ("pkg/daemons/config/types.go", "package config\n\ntype Node struct{ Images string }\n"),
    ("logrus/go.mod", "module github.com/sirupsen/logrus\n"),
    (
        "logrus/logrus.go",
        "package logrus\n\nimport \"fmt\"\n\nvar Errors, Infos []string\n\n\
         func Errorf(format string, args ...interface{}) {\n\
         \tErrors = append(Errors, fmt.Sprintf(format, args...))\n}\n\n\
         func Infof(format string, args ...interface{}) {\n\
         \tInfos = append(Infos, fmt.Sprintf(format, args...))\n}\n",
    ),
];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../patches/builtin-images")
}

#[test]
fn stages_complete_images_once() {
    if !needs::programs("how k3s stages its built-in images", &[GO]) {
        return;
    }
    let module = tempfile::tempdir().unwrap();
    let package = module.path().join("pkg/agent/containerd");
    fs::create_dir_all(&package).unwrap();
    for (name, text) in STAND_INS {
        let file = module.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    for name in ["builtin_images.go", "builtin_images_test.go"] {
        fs::copy(sources().join(name), package.join(name)).unwrap();
    }
    fs::write(package.join("k3s-builtin-pause.tar"), "an archive").unwrap();
    fs::write(package.join("k3s-builtin-images.tar.zst"), "an archive of others").unwrap();
    let output = Command::new("go")
        .args(["test", "-count=1", "-v", "./pkg/agent/containerd"])
        .current_dir(module.path())
        .envs([
            ("GOENV", "off"),
            ("GOFLAGS", ""),
            ("GOWORK", "off"),
            ("GOPROXY", "off"),
            ("CGO_ENABLED", "0"),
        ])
        .env("GOTOOLCHAIN", "local")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches("--- PASS: Test").count(), 8, "{said}");
}

#[test]
fn what_is_added_to_k3s_is_formatted_as_go_is() {
    if !needs::programs("whether the added Go file is formatted", &[GOFMT]) {
        return;
    }
    let output = Command::new("gofmt").arg("-l").arg(sources()).output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn added_names_are_not_upstreams() {
    // They are in a package of upstream's, in which any release may declare or import another name.
    let text = fs::read_to_string(sources().join("builtin_images.go")).unwrap();
    let declared = |line: &str| {
        let keyword =
            ["func ", "var ", "const ", "type "].into_iter().find(|keyword| line.starts_with(keyword));
        let constant =
            line.strip_prefix('\t').filter(|rest| !rest.starts_with('\t') && rest.contains(" = \""));
        let rest = keyword.and_then(|keyword| line.strip_prefix(keyword)).or(constant)?;
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
        (!name.is_empty() && !rest.contains(":=")).then(|| name.to_owned())
    };
    let names: Vec<String> = text.lines().filter_map(declared).collect();
    assert!(names.len() >= 10, "{names:?}");
    assert!(names.iter().all(|name| name.to_lowercase().contains("builtin")), "{names:?}");
}
