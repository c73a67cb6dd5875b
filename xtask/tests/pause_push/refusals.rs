//! Refusals of registries for other reasons than missing access.

use crate::http::{self, Request};
use crate::registry::credentials;
use crate::{Push, needs};

/// Starts a registry that wants a password and refuses everything after it with this answer.
fn refusing(status: &'static str, code: &str, message: &str) -> http::Server {
    let body = serde_json::json!({"errors": [{"code": code, "message": message}]}).to_string();
    http::Server::start(move |request: &Request, _| {
        if request.headers.get("authorization").is_none_or(|it| it != "Basic cHVzaGVyOnNlY3JldA==") {
            let headers = [("WWW-Authenticate", "Basic realm=\"lab\"".to_owned()), length(0)];
            return http::answer("401 Unauthorized", &headers, b"");
        }
        match request.method.as_str() {
            "GET" if request.target == "/v2/" => http::whole(b"{}"),
            "GET" | "HEAD" => http::status("404 Not Found"),
            _ => http::answer(status, &[length(body.len())], body.as_bytes()),
        }
    })
}

fn length(bytes: usize) -> (&'static str, String) {
    ("Content-Length", bytes.to_string())
}

#[test]
fn refusals_do_not_ask_for_a_login() {
    if !needs::programs("pushing to registries that refuse", &[("go", "golang")]) {
        return;
    }
    for (status, code, message, remedy) in [
        (
            "403 Forbidden",
            "DENIED",
            "adding 29.0 MiB of storage resource, which when updated to current usage of 152.4 MiB will exceed the \
             configured upper limit of 10.0 MiB.",
            "delete images there, or ask its operator",
        ),
        ("405 Method Not Allowed", "DENIED", "System is currently read-only.", "is read-only now"),
        (
            "400 Bad Request",
            "TAG_INVALID",
            "The image tag '1' already exists in the 'me/pause' repository and cannot be overwritten because the tag is \
             immutable.",
            "does not let anything replace the tag 1\n  push to another tag",
        ),
        (
            "429 Too Many Requests",
            "TOOMANYREQUESTS",
            "Rate exceeded",
            "limits requests\n  run this again later",
        ),
        (
            "404 Not Found",
            "NAME_UNKNOWN",
            "The repository with name 'me/pause' does not exist in the registry with id '123456789012'",
            "create the repository or project there first",
        ),
    ] {
        let server = refusing(status, code, message);
        let registry = server.url.strip_prefix("http://").unwrap();
        let directory = tempfile::tempdir().unwrap();
        credentials(directory.path(), "config.json", registry, "pusher:secret");
        let environment = vec![("DOCKER_CONFIG", directory.path().to_owned())];
        let error = Push { registry, arguments: &["--arch", "riscv64"], environment }.fail();
        assert!(error.contains(remedy) && error.contains(message), "{code}: {error}");
        assert!(!error.contains("login") && !error.contains("log in"), "{code}: {error}");
    }
}
