//! A registry at a private address, to which crane by itself speaks plain HTTP.

use crate::certificates::{self, self_signed};
use crate::registry::{Line, Registry, credentials};
use crate::{Push, needs, prepare};
use std::path::PathBuf;
use std::process::Command;

const ADDRESS: &str = "10.9.8.7";

/// Set for the test in its network.
const INSIDE: &str = "PAUSE_PUSH_IN_ITS_NETWORK";

/// Gives the loopback of a new network the address, and runs a command there without the user's proxies.
const ENTER: &str = "unset http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; \
    busybox ip link set lo up && busybox ip addr add \"$0/32\" dev lo && exec \"$@\"";

#[test]
fn private_address_gets_no_password_in_the_clear() {
    if std::env::var_os(INSIDE).is_some() {
        return private_address();
    }
    let what = "pushing to a private address";
    if !needs::programs(what, &certificates::NEEDS)
        || !needs::programs(what, &[("busybox", "busybox-static"), ("unshare", "util-linux")])
        || !needs::namespaces(what)
    {
        return;
    }
    prepare();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-c", ENTER, ADDRESS])
        .arg(std::env::current_exe().unwrap())
        .args(["private_address_gets_no_password_in_the_clear", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && printed[0].contains("1 passed"), "{}", printed.join("\n"));
}

/// Pushes to the address, in a network of its own.
fn private_address() {
    let directory = tempfile::tempdir().unwrap();
    let docker = ("DOCKER_CONFIG", directory.path().to_owned());
    let registry = Registry::start(None);
    let line = Line::from(ADDRESS, &registry);
    credentials(directory.path(), "config.json", &line.address, "pusher:secret");
    let proxy = |https: &str, exceptions: &str| {
        vec![docker.clone(), ("HTTPS_PROXY", PathBuf::from(https)), ("NO_PROXY", PathBuf::from(exceptions))]
    };
    for environment in [proxy("", ""), proxy("", "10.9.8.7"), proxy("http://127.0.0.1:1", "10.0.0.0/8")] {
        let message = Push { registry: &line.address, arguments: &[], environment }.fail();
        let expected = format!("{} uses plain HTTP\n  use --insecure if that is meant", line.address);
        assert!(message.contains(&expected) && !message.contains("proxyconnect"), "{message}");
        assert_eq!((line.requests("GET /"), line.requests("Authorization")), (0, 0));
    }
    Push { registry: &line.address, arguments: &["--insecure"], environment: vec![docker.clone()] }.succeed();
    assert!(line.requests("Authorization: Basic ") > 0, "the line shows what is sent");

    let certificate = self_signed(directory.path(), &format!("IP:{ADDRESS}"));
    let registry = Registry::start_at(ADDRESS, Some(&certificate));
    credentials(directory.path(), "config.json", &registry.address, "pusher:secret");
    let environment = vec![docker, ("SSL_CERT_FILE", certificate.file.clone())];
    Push { registry: &registry.address, arguments: &[], environment }.succeed();
}
