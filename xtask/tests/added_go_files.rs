//! Tests of the Go files that patches add to k3s, compiled and run by Go with stand-ins for the packages they use.

#[allow(dead_code, reason = "these tests need programs only")]
#[path = "support/needs.rs"]
mod needs;

use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const GO: (&str, &str) = ("go", "golang-go");
const GOFMT: (&str, &str) = ("gofmt", "golang-go");

/// A directory of Go files that a patch adds to a package of k3s, with what surrounds them there.
struct Added {
    /// Its name in `patches/`.
    patch: &'static str,
    package: &'static str,
    /// Replacements of the packages that the files import.
    stand_ins: &'static [(&'static str, &'static str)],
    /// Files that are built.
    built: &'static [(&'static str, &'static str)],
    tests: usize,
}

/// Go 1.20 is the version that built the oldest release that is patched.
const GO_MOD: &str = "module github.com/k3s-io/k3s\n\ngo 1.20\n\n\
     require github.com/sirupsen/logrus v1.0.0\n\n\
     replace github.com/sirupsen/logrus => ./logrus\n\n\
     require golang.org/x/sys v0.1.0\n\n\
     replace golang.org/x/sys => ./sys\n\n\
     require k8s.io/kubelet v0.1.0\n\n\
     replace k8s.io/kubelet => ./kubelet\n";

const LOGRUS: &str = "package logrus\n\nimport \"fmt\"\n\nvar Errors, Infos, Warnings []string\n\n\
     func Errorf(format string, args ...interface{}) {\n\
     \tErrors = append(Errors, fmt.Sprintf(format, args...))\n}\n\n\
     func Infof(format string, args ...interface{}) {\n\
     \tInfos = append(Infos, fmt.Sprintf(format, args...))\n}\n\n\
     func Warn(args ...interface{}) {\n\
     \tWarnings = append(Warnings, fmt.Sprint(args...))\n}\n";

const BUILTIN_IMAGES: Added = Added {
    patch: "builtin-images",
    package: "pkg/agent/containerd",
    stand_ins: &[("pkg/daemons/config/types.go", "package config\n\ntype Node struct{ Images string }\n")],
    built: &[("k3s-builtin-pause.tar", "an archive"), ("k3s-builtin-images.tar.zst", "an archive of others")],
    tests: 8,
};

const CGROUP_V1: Added = Added {
    patch: "cgroup-v1",
    package: "pkg/daemons/agent",
    stand_ins: &[
        (
            "sys/unix/unix.go",
            "package unix\n\nconst CGROUP2_SUPER_MAGIC = 0x63677270\n\n\
          type Statfs_t struct{ Type int64 }\n\nfunc Statfs(path string, to *Statfs_t) error { return nil }\n",
        ),
        (
            "kubelet/config/v1beta1/types.go",
            "package v1beta1\n\n\
          type KubeletConfiguration struct{ FailCgroupV1 *bool }\n",
        ),
    ],
    built: &[],
    tests: 3,
};

impl Added {
    fn sources(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../patches").join(self.patch)
    }

    /// Returns the files that k3s gets, without their tests.
    fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.sources()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| !path.to_string_lossy().ends_with("_test.go")).collect()
    }

    /// Runs the tests beside the files, which this repository has for them.
    fn test(&self) {
        let module = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = module.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        write("go.mod", GO_MOD);
        write("logrus/go.mod", "module github.com/sirupsen/logrus\n");
        write("logrus/logrus.go", LOGRUS);
        write("sys/go.mod", "module golang.org/x/sys\n");
        write("kubelet/go.mod", "module k8s.io/kubelet\n");
        self.stand_ins.iter().for_each(|(name, text)| write(name, text));
        self.built.iter().for_each(|(name, text)| write(&format!("{}/{name}", self.package), text));
        let package = module.path().join(self.package);
        fs::create_dir_all(&package).unwrap();
        for entry in fs::read_dir(self.sources()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, package.join(path.file_name().unwrap())).unwrap();
        }
        let output = Command::new("go")
            .args(["test", "-count=1", "-v"])
            .arg(format!("./{}", self.package))
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
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(printed.matches("--- PASS: Test").count(), self.tests, "{printed}");
    }
}

#[test]
fn builtin_images_are_staged_once_and_complete() {
    if needs::programs("how k3s stages its built-in images", &[GO]) {
        BUILTIN_IMAGES.test();
    }
}

#[test]
fn cgroup_v1_is_allowed_with_a_warning() {
    if needs::programs("how k3s starts on cgroup v1", &[GO]) {
        CGROUP_V1.test();
    }
}

#[test]
fn what_is_added_to_k3s_is_formatted_as_go_is() {
    if !needs::programs("whether the added Go files are formatted", &[GOFMT]) {
        return;
    }
    for added in [BUILTIN_IMAGES, CGROUP_V1] {
        let output = Command::new("gofmt").arg("-l").arg(added.sources()).output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    }
}

#[test]
fn added_names_are_not_upstreams() {
    // They are in a package of upstream's, in which any release may declare or import another name.
    let declared = |line: &str| {
        let keyword =
            ["func ", "var ", "const ", "type "].into_iter().find(|keyword| line.starts_with(keyword));
        let constant =
            line.strip_prefix('\t').filter(|rest| !rest.starts_with('\t') && rest.contains(" = \""));
        let rest = keyword.and_then(|keyword| line.strip_prefix(keyword)).or(constant)?;
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
        (!name.is_empty() && !rest.contains(":=")).then(|| name.to_owned())
    };
    for (added, word) in [(BUILTIN_IMAGES, "builtin"), (CGROUP_V1, "cgroupv1")] {
        let texts = added.files().into_iter().map(|file| fs::read_to_string(file).unwrap());
        let names: Vec<String> =
            texts.flat_map(|text| text.lines().filter_map(declared).collect::<Vec<_>>()).collect();
        assert!(names.len() >= 2, "{names:?}");
        assert!(names.iter().all(|name| name.to_lowercase().contains(word)), "{names:?}");
    }
}
