//! Tests of passwords and tokens in URLs, which must reach neither the terminal nor any file.

use super::http::{self, Server};
use super::test_env::TestEnv;
use super::upstream::{TAG, Upstream};
use std::process::Output;

pub const SECRET: &str = "canary-7f3a";

/// Returns a URL of a server on this machine, with a user and a password.
pub fn with_password(url: &str) -> String {
    url.replace("http://", &format!("http://me:{SECRET}@"))
}

/// Returns a URL with a password, at which no server answers.
fn dead() -> String {
    with_password("http://127.0.0.1:1")
}

#[track_caller]
fn assert_no_password(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(!text.contains(SECRET), "{text}");
    text
}

/// Checks every file of the place: caches, logs, results, products and the lockfile.
#[track_caller]
pub fn keeps_nothing(env: &TestEnv) {
    let mut read = 0;
    for entry in walkdir::WalkDir::new(env.path("")).into_iter().map(Result::unwrap) {
        assert!(!entry.file_name().to_string_lossy().contains(SECRET), "{}", entry.path().display());
        if entry.file_type().is_file() {
            let bytes = std::fs::read(entry.path()).unwrap();
            let found = memchr::memmem::find(&bytes, SECRET.as_bytes());
            assert_eq!(found, None, "{}", entry.path().display());
            read += 1;
        }
    }
    assert!(read > 0);
}

#[test]
fn a_mirrors_password_is_hidden() {
    let missing = Server::start(|_, _| http::status("404 Not Found"));
    let page = Server::start(|_, _| http::whole(b"<html>log in</html>"));
    let mut env = TestEnv::new();
    env.set("K3S_XTASK_CACHE", env.path("cache"));
    // The host of the file itself, which has a password too.
    let file = with_password(&format!("{}/traefik/traefik-1.tgz", missing.url));
    for (mirror, printed) in [(&missing, "404"), (&page, "It is a web page")] {
        env.set("K3S_XTASK_MIRROR", with_password(&mirror.url));
        let output = env.xtask(["bump", "--file", &file]).output().unwrap();
        let text = assert_no_password(&output);
        assert!(!output.status.success(), "{text}");
        assert!(text.contains(printed) && text.contains(&mirror.url), "{printed}: {text}");
        assert!(!env.path("k3s.lock.json").exists(), "{text}");
    }
    keeps_nothing(&env);
}

#[test]
fn what_other_programs_repeat_is_hidden() {
    let upstream = Upstream::new();
    let settings: [(&str, String); 3] = [
        ("GIT_CONFIG_KEY_0", format!("url.{}/k3s.insteadOf", dead())),
        ("http_proxy", dead()),
        ("GOPROXY", format!("{},{}", dead(), with_password("http://127.0.0.1:2"))),
    ];
    for (name, value) in settings {
        let mut env = upstream.test_env();
        env.set("GOMODCACHE", env.path("modules"));
        env.set("GOFLAGS", "-modcacherw");
        env.set("GONOSUMDB", "*");
        env.set(name, value);
        let output = env.xtask(["build", "--k3s", TAG]).output().unwrap();
        let text = assert_no_password(&output);
        assert!(!output.status.success() && text.contains("127.0.0.1"), "{name}: {text}");
        keeps_nothing(&env);
    }
}
