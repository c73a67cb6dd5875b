//! Tests of variables and settings in a user's environment that must not change the product.

use super::fixtures;
use super::needs;
use super::test_env::{TestEnv, failed, succeeded};
use std::path::PathBuf;
use std::process::Command;
use xtask::context::{Context, Network};
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
    let mut env = TestEnv::new();
    for (name, value) in HOSTILE {
        env.set(name, value);
    }
    let files = [
        ("go.env", "GOFLAGS=-mod=vendor\nGOARCH=386\nCGO_ENABLED=0\nCC=/bin/false\nCGO_CFLAGS=-O0\n"),
        // bash reads this file before a script.
        ("bash.env", "exit 7\n"),
    ];
    for (name, text) in files {
        std::fs::write(env.path(name), text).unwrap();
    }
    env.set("GOENV", env.path("go.env"));
    env.set("BASH_ENV", env.path("bash.env"));
    env.set("ENV", env.path("bash.env"));
    std::fs::create_dir(env.path("scratch with spaces")).unwrap();
    env.set("TMPDIR", env.path("scratch with spaces"));
    env.put_program("zig", "echo 0.1.0");
    for (name, reads) in
        [("cc", "cc"), ("gcc", "gcc"), ("pkg-config", "pkg-config"), ("ld", "ld"), ("ar", "ar")]
    {
        env.put_program(name, &format!("echo {reads} was called >&2; exit 9"));
    }
    let script = "umask 077; exec \"$@\"";
    let words = ["sh", "-c", script, "sh"];
    for layout in ["embed", "bindata"] {
        let arguments = ["build", "--sample", "--sample-layout", layout];
        // The shell must not read the settings either.
        let mut command = env.under(words, arguments);
        super::test_env::succeeded(command.output().unwrap());
        let version = fixtures::LAYOUTS.iter().find(|(name, _)| *name == layout).unwrap().1;
        let product = fixtures::Product::read(env.dist().join(version).join("riscv64"), String::new());
        assert_eq!(product.sums(), fixtures::product(layout, "riscv64").sums(), "{layout}");
    }
}

/// Compiles and runs the generator, and unpacks a product of this machine's architecture, with a noexec TMPDIR.
#[test]
fn builds_where_temporary_files_cannot_be_executed() {
    let what = "a build with a directory for temporary files that is mounted noexec";
    if !needs::namespaces(what) {
        return;
    }
    let mut env = TestEnv::new();
    env.set("TMPDIR", env.path("temporary"));
    std::fs::create_dir(env.path("temporary")).unwrap();
    let script = "mount -t tmpfs -o noexec tmpfs \"$TMPDIR\" && cp /bin/true \"$TMPDIR\" && \
                  ! \"$TMPDIR/true\" 2>/dev/null && exec \"$@\"";
    let words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"];
    let arguments = ["build", "--sample", "--sample-layout", "bindata", "--arch", fixtures::host().go];
    super::test_env::succeeded(env.under(words, arguments).output().unwrap());
    let version = fixtures::LAYOUTS.iter().find(|(name, _)| *name == "bindata").unwrap().1;
    let product = fixtures::Product::read(env.dist().join(version).join(fixtures::host().go), String::new());
    let checks: Vec<&str> = product.manifest.checks.iter().map(|check| check.what.as_str()).collect();
    assert_eq!(checks.last(), Some(&SERVER_STARTS), "{checks:?}");
}

#[test]
fn plain_go_follows_the_hostile_settings() {
    let mut go = Command::new("go");
    go.args(["env", "GOARCH", "CC"]).env("GOARCH", "386").env("CC", "/bin/false");
    let (message, _) = super::test_env::succeeded(go.output().unwrap());
    assert_eq!(message, "386\n/bin/false\n");
}

#[test]
fn a_go_that_is_too_old_is_replaced() {
    let mut env = TestEnv::new();
    env.put_program("go", "echo go1.19.8");
    env.succeeds(["build", "--sample", "--dry-run"]);
    let found = env.succeeds(["doctor", "--for", "push", "--offline"]);
    let kept = super::test_env::context().tools();
    let line = found.lines().find(|line| line.contains(" Go ")).unwrap();
    assert!(line.contains(&kept.display().to_string()) && !line.contains("1.19"), "{line}");
}

/// Arguments that plan the sample, which queries every tool of a build.
const PLAN: [&str; 3] = ["build", "--sample", "--dry-run"];

/// Returns Rust's real directories, whatever the home: `cargo xtask` itself was built with them.
fn rust_homes() -> [String; 2] {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")].map(|(name, below)| {
        let path = std::env::var_os(name).map_or_else(|| home.join(below), PathBuf::from);
        format!("{name}={}", path.display())
    })
}

#[test]
fn builds_are_planned_whatever_the_home() {
    let env = TestEnv::new();
    std::fs::write(env.path("file"), "").unwrap();
    let file = env.path("file").display().to_string();
    let unset: [&[String]; 4] = [
        &["-u".into(), "HOME".into()],
        &["HOME=".into()],
        &["HOME=relative".into()],
        &[format!("HOME={file}"), format!("XDG_CACHE_HOME={file}"), format!("XDG_CONFIG_HOME={file}")],
    ];
    for words in unset {
        let words = ["env".to_owned()].into_iter().chain(words.iter().cloned()).chain(rust_homes());
        succeeded(env.under(words, PLAN).output().unwrap());
    }
}

/// Settings that no command can follow, the arguments that are run with them, and what the error names.
#[test]
fn reports_interfering_settings() {
    let mut env = TestEnv::new();
    std::fs::write(env.path("file"), "").unwrap();
    let home = format!("HOME={}", env.path("file").display());
    let fetch = ["images", "--source", "file:///nonexistent/k3s.git", "--ref", "v1"];
    env.put_program("rustc", "exit 1");
    env.put_program("python3", "test \"$3\" = --version || { env | grep ^PIP_REQUIRE >&2; exit 1; }");
    let empty_cache = format!("K3S_XTASK_CACHE={}", env.path("cache").display());
    for (settings, arguments, named) in [
        (vec![home.as_str()], &["pause"][..], home.as_str()),
        (
            vec!["GIT_CONFIG_COUNT=18446744073709551615"],
            &fetch,
            "GIT_CONFIG_COUNT=18446744073709551615 is not",
        ),
        (vec!["GIT_CONFIG_COUNT=many"], &fetch, "GIT_CONFIG_COUNT=many is not"),
        (vec!["GIT_ALLOW_PROTOCOL=ssh"], &fetch, "your variables GIT_ALLOW_PROTOCOL, GIT_CONFIG_GLOBAL"),
        (vec!["GOPATH=relative"], &PLAN, "GOPATH"),
        // pip's own setting is overridden for the user.
        (vec!["PIP_REQUIRE_VIRTUALENV=1", &empty_cache], &PLAN, "PIP_REQUIRE_VIRTUALENV=0"),
    ] {
        let words = ["env"].into_iter().chain(settings);
        let message = failed(&env.under(words, arguments).output().unwrap());
        assert!(message.contains(named), "{named}\n{message}");
    }
}

/// The crates in a source package do not depend on the user's compiler settings.
#[test]
fn crates_are_gathered_whatever_compiles_them() {
    let env = TestEnv::new();
    let (root, into) = (env.path("workspace"), env.path("crates"));
    for directory in [&root.join("src"), &root.join(".cargo"), &into] {
        std::fs::create_dir_all(directory).unwrap();
    }
    let settings =
        "[build]\nrustc = '/bin/false'\nrustc-wrapper = '/bin/false'\nrustflags = ['--nonexistent']\n";
    for (name, text) in [
        ("Cargo.toml", "[package]\nname = 'a'\nversion = '1.0.0'\n[workspace]\n"),
        ("Cargo.lock", "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n"),
        ("src/lib.rs", ""),
        (".cargo/config.toml", settings),
    ] {
        std::fs::write(root.join(name), text).unwrap();
    }
    let context = Context { root, network: Network::Forbidden, ..env.context() };
    xtask::workspace::vendor_crates(&context, &into).unwrap();
}

/// A Go that installs what it is asked for, if its environment is ours.
const INSTALLS: &str = r#"case "$1 $2" in
    "env GOVERSION") echo go1.24.0 ;;
    "env -json") echo '{}' ;;
    install*) test "$GOENV$GOROOT$GOARCH" = off && mkdir -p "$GOBIN" && cp /bin/true "$GOBIN/crane" ;;
esac"#;

#[test]
fn tools_in_go_are_compiled_for_this_machine() {
    let mut env = TestEnv::new();
    env.set("K3S_XTASK_CACHE", env.path("cache"));
    env.set("GOROOT", "/nonexistent");
    env.set("GOARCH", "386");
    env.put_program("go", INSTALLS);
    env.succeeds(["doctor", "--for", "push", "--fix"]);
}
