//! What stands in a person's environment, and must not get into the product.

use super::needs;
use super::place::Place;
use super::shop;
use std::process::Command;
use xtask::product::run::SERVER_STARTS;

/// Settings that would change a Go, C, Rust, git or shell command if they reached one.
const HOSTILE: [(&str, &str); 46] = [
    ("GOFLAGS", "-mod=mod -tags=hostile -ldflags=-X=main.x=y"),
    ("GOOS", "windows"),
    ("GOARCH", "386"),
    ("GOAMD64", "v4"),
    ("GOARM64", "v9.0"),
    ("GORISCV64", "rva23u64"),
    ("GO111MODULE", "off"),
    ("GOWORK", "/nonexistent/go.work"),
    ("GOEXPERIMENT", "nonexistent"),
    ("GODEBUG", "madvdontneed=1"),
    ("GOTOOLCHAIN", "go1.2.3"),
    ("GOCACHE", "/nonexistent"),
    ("GOTMPDIR", "/nonexistent"),
    ("GOROOT", "/nonexistent"),
    ("GOBIN", "/nonexistent"),
    ("GO_EXTLINK_ENABLED", "1"),
    ("CGO_ENABLED", "0"),
    ("CGO_CFLAGS", "-O0 -g -DHOSTILE"),
    ("CGO_LDFLAGS", "-lhostile"),
    ("CC", "/bin/false"),
    ("CXX", "/bin/false"),
    ("AR", "/bin/false"),
    ("CFLAGS", "-O0 -g"),
    ("CPATH", "/nonexistent"),
    ("C_INCLUDE_PATH", "/nonexistent"),
    ("LIBRARY_PATH", "/nonexistent"),
    ("LDFLAGS", "-lhostile"),
    ("PKG_CONFIG", "/bin/false"),
    ("PKG_CONFIG_PATH", "/nonexistent"),
    ("ZIG_LIB_DIR", "/nonexistent"),
    ("RUSTFLAGS", "-Copt-level=0 -Cdebuginfo=2"),
    ("CARGO_ENCODED_RUSTFLAGS", "-Copt-level=0"),
    ("CARGO_BUILD_TARGET", "wasm32-unknown-unknown"),
    ("RUSTC_WRAPPER", "/bin/false"),
    ("RUSTC_BOOTSTRAP", "1"),
    ("GIT_DIR", "/nonexistent"),
    ("GIT_WORK_TREE", "/nonexistent"),
    ("GIT_INDEX_FILE", "/nonexistent"),
    ("GIT_OBJECT_DIRECTORY", "/nonexistent"),
    ("TAR_OPTIONS", "--owner=hostile --mtime=@1"),
    ("ZSTD_CLEVEL", "1"),
    ("SOURCE_DATE_EPOCH", "1"),
    ("LC_ALL", "tr_TR.UTF-8"),
    ("TZ", "Asia/Kathmandu"),
    ("CDPATH", "/"),
    ("POSIXLY_CORRECT", "1"),
];

#[test]
fn hostile_settings_do_not_reach_the_product() {
    let mut place = Place::new();
    for (name, value) in HOSTILE {
        place.set(name, value);
    }
    let files = [
        ("go.env", "GOFLAGS=-mod=vendor\nGOARCH=386\nCGO_ENABLED=0\nCC=/bin/false\nCGO_CFLAGS=-O0\n"),
        // bash reads it before a script.
        ("bash.env", "exit 7\n"),
    ];
    for (name, text) in files {
        std::fs::write(place.path(name), text).unwrap();
    }
    place.set("GOENV", place.path("go.env"));
    place.set("BASH_ENV", place.path("bash.env"));
    place.set("ENV", place.path("bash.env"));
    std::fs::create_dir(place.path("scratch with spaces")).unwrap();
    place.set("TMPDIR", place.path("scratch with spaces"));
    place.put_program("zig", "echo 0.1.0");
    for (name, reads) in
        [("cc", "cc"), ("gcc", "gcc"), ("pkg-config", "pkg-config"), ("ld", "ld"), ("ar", "ar")]
    {
        place.put_program(name, &format!("echo {reads} was called >&2; exit 9"));
    }
    let script = "umask 077; exec \"$@\"";
    let words = ["sh", "-c", script, "sh"];
    for layout in ["embed", "bindata"] {
        let arguments = ["build", "--sample", "--sample-layout", layout];
        // The shell is not to read the settings either.
        let mut command = place.under(words, arguments);
        super::place::succeeded(command.output().unwrap());
        let version = shop::LAYOUTS.iter().find(|(name, _)| *name == layout).unwrap().1;
        let product = shop::Product::read(place.dist().join(version).join("riscv64"), String::new());
        assert_eq!(product.sums(), shop::product(layout, "riscv64").sums(), "{layout}");
    }
}

/// Directories in which the generator is compiled and run, and a product of this machine's architecture unpacks.
#[test]
fn builds_where_temporary_files_cannot_be_executed() {
    let what = "a build with a directory for temporary files that is mounted noexec";
    if !needs::namespaces(what) {
        return;
    }
    let mut place = Place::new();
    place.set("TMPDIR", place.path("temporary"));
    std::fs::create_dir(place.path("temporary")).unwrap();
    let script = "mount -t tmpfs -o noexec tmpfs \"$TMPDIR\" && cp /bin/true \"$TMPDIR\" && \
                  ! \"$TMPDIR/true\" 2>/dev/null && exec \"$@\"";
    let words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"];
    let arguments = ["build", "--sample", "--sample-layout", "bindata", "--arch", shop::host().go];
    super::place::succeeded(place.under(words, arguments).output().unwrap());
    let version = shop::LAYOUTS.iter().find(|(name, _)| *name == "bindata").unwrap().1;
    let product = shop::Product::read(place.dist().join(version).join(shop::host().go), String::new());
    let checks: Vec<&str> = product.manifest.checks.iter().map(|check| check.what.as_str()).collect();
    assert_eq!(checks.last(), Some(&SERVER_STARTS), "{checks:?}");
}

#[test]
fn the_hostile_settings_are_such_that_a_plain_go_would_follow_them() {
    let mut go = Command::new("go");
    go.args(["env", "GOARCH", "CC"]).env("GOARCH", "386").env("CC", "/bin/false");
    let (told, _) = super::place::succeeded(go.output().unwrap());
    assert_eq!(told, "386\n/bin/false\n");
}

#[test]
fn a_go_that_is_too_old_is_replaced() {
    let mut place = Place::new();
    place.put_program("go", "echo go1.19.8");
    place.succeeds(["build", "--sample", "--dry-run"]);
    let found = place.succeeds(["doctor", "--for", "push", "--offline"]);
    let kept = super::place::context().tools();
    let line = found.lines().find(|line| line.contains(" Go ")).unwrap();
    assert!(line.contains(&kept.display().to_string()) && !line.contains("1.19"), "{line}");
}
