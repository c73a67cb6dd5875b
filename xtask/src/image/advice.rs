//! Causes and remedies of failed requests to registries.

mod certificate;
mod upload;

use crate::clock;
use crate::image::plain_http;
use crate::reference::Reference;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A request that failed.
pub struct Request<'a> {
    pub reference: &'a Reference,
    /// The key and place of the credential that was used, if there was one.
    pub login: Option<&'a str>,
    /// The wait that the registry asks for.
    pub pause: Option<Duration>,
    pub now: SystemTime,
}

/// A cause: parts of messages that show it, in lower case, and the text about it.
type Cause = (&'static [&'static str], fn(&Request) -> String);

/// The known causes. The first one counts, since registries use one code, such as `DENIED`, for several.
const CAUSES: [Cause; 14] = [
    (&["toomanyrequests", "429 ", "rate limit"], limit),
    // Harbor, Quay, IBM; DigitalOcean; ECR; storage.
    (&["quota", "configured upper limit", "limit is ", "limitexceeded", "no space left", "507 "], quota),
    // ECR, Google, Harbor; Harbor 1.10.
    (&["immutab", "cannot be overwrit"], tag),
    // Harbor, Quay; Quay; distribution; Harbor; Azure.
    (
        &[
            "read only",
            "read-only",
            "pushes to the registry are currently disabled",
            "operation is unsupported",
            "proxy project",
            "operation is disallowed",
        ],
        read_only,
    ),
    // ECR, Google; Harbor.
    (&["name_unknown", "not_found: project"], repository),
    (&["unauthorized", "denied", "401 ", "403 "], access),
    (&["certificate is valid for", "ip sans", "not valid for any names", "legacy common name"], name),
    (&["certificate has expired or is not yet valid"], validity),
    (&["x509:"], issuer),
    (&["server gave http response to https client"], http_alone),
    (&[plain_http::REFUSED], redirect),
    (
        &["no such host", "connection refused", "i/o timeout", "network is unreachable", "no route to host"],
        reach,
    ),
    (&["eof", "connection reset", "broken pipe"], connection),
    (&["parsing config file"], entry),
];

/// Returns the cause and remedy of a failure of crane's, if its message is a known one.
pub fn advice(error: &str, request: &Request) -> String {
    if let Some(advice) = upload::elsewhere(error, request.reference) {
        return format!(": {advice}");
    }
    let words = words(error, request.reference);
    let is_shown = |(parts, _): &&Cause| parts.iter().any(|part| words.contains(part));
    let cause = match CAUSES.iter().find(is_shown) {
        _ if request.pause.is_some() => limit,
        Some((_, cause)) => *cause,
        None => return String::new(),
    };
    format!(": {}", cause(request))
}

/// Returns a message in lower case without the names in it, which may be any words.
fn words(error: &str, reference: &Reference) -> String {
    let host = reference.registry().split(':').next().unwrap_or_default();
    let names = [host, reference.repository()];
    let is_part = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    let is_name = |word: &&str| {
        word.contains("://")
            || word.starts_with(['\'', '"'])
            || word.split(|c| !is_part(c)).any(|part| names.contains(&part))
    };
    error.split_whitespace().filter(|word| !is_name(word)).collect::<Vec<_>>().join(" ").to_lowercase()
}

fn limit(request: &Request) -> String {
    let host = request.reference.registry();
    let Some(pause) = request.pause else { return format!("{host} limits requests\n  run this again later") };
    let wait = i64::try_from(pause.as_secs()).unwrap_or(i64::MAX);
    let until = clock::http_date(clock::seconds(request.now).saturating_add(wait));
    format!("{host} limits requests: the next one is allowed in {wait} s, {until}\n  run this again then")
}

fn quota(request: &Request) -> String {
    let host = request.reference.registry();
    format!(
        "a limit of storage is reached at {host}\n  delete images there, or ask its operator for a higher limit"
    )
}

fn tag(request: &Request) -> String {
    let (host, tag) = (request.reference.registry(), request.reference.tag());
    format!(
        "{host} does not let anything replace the tag {tag}\n  push to another tag, or ask its operator to allow it"
    )
}

fn read_only(request: &Request) -> String {
    let host = request.reference.registry();
    format!(
        "{host} is read-only now, or this part of it always is\n  push to another place, or later: its operator knows"
    )
}

fn repository(request: &Request) -> String {
    let name = request.reference.name();
    format!(
        "there is no {name}, and the registry does not create it\n  create the repository or project there first"
    )
}

fn access(request: &Request) -> String {
    let host = request.reference.registry();
    let login = match request.login {
        Some(login) => format!("the credentials for {login}"),
        None => "no credentials, since there are none for it".to_owned(),
    };
    format!(
        "the registry denies access with {login}\n  \
         log in as a user who has it: docker login {host}, or podman login {host}"
    )
}

fn name(request: &Request) -> String {
    let host = request.reference.registry();
    format!(
        "the certificate of {host} is for other names\n  use a name that is in it, or ask its operator to add this one"
    )
}

fn validity(request: &Request) -> String {
    let host = request.reference.registry();
    format!(
        "the certificate of {host} is not valid at this time\n  look at the clock, or ask its operator to renew it"
    )
}

fn issuer(request: &Request) -> String {
    certificate::untrusted(request.reference.registry(), |path| Path::new(path).exists())
}

fn http_alone(request: &Request) -> String {
    format!("{} uses plain HTTP\n  use --insecure if that is meant", request.reference.registry())
}

fn redirect(request: &Request) -> String {
    format!("{} leads to plain HTTP\n  use --insecure if that is meant", request.reference.registry())
}

fn reach(request: &Request) -> String {
    let host = request.reference.registry();
    format!("{host} cannot be reached\n  look at its name, the network and the proxy settings")
}

fn connection(_: &Request) -> String {
    "the registry closed the connection\n  run this again: what has arrived is not sent twice".to_owned()
}

fn entry(request: &Request) -> String {
    let host = request.reference.registry();
    let login = request.login.unwrap_or_default();
    format!(
        "the credentials for {login} are no user and password in base64\n  log in again: docker login {host}, or podman login {host}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(error: &str, name: &str, pause: Option<Duration>) -> String {
        let reference = Reference::parse(name).unwrap();
        let login = Some("registry.example in /x/config.json");
        let now = SystemTime::UNIX_EPOCH;
        advice(error, &Request { reference: &reference, login, pause, now })
    }

    #[test]
    fn advice_fits_the_message() {
        let name = "registry.example:5000/me/pause:1";
        for (message, remedy) in [
            ("DENIED: requested access to the resource is denied", "docker login registry.example:5000"),
            ("unexpected status code 401 Unauthorized", "podman login registry.example:5000"),
            ("UNAUTHORIZED: unauthorized to access repository: me/pause, action: push", "docker login"),
            (
                "DENIED: permission_denied: write_package",
                "credentials for registry.example in /x/config.json",
            ),
            ("http: server gave HTTP response to HTTPS client", "use --insecure if that is meant"),
            ("dial tcp: lookup registry.example: no such host", "registry.example:5000 cannot be reached"),
            ("unexpected EOF", "run this again"),
            ("parsing config file (x): illegal base64 data at input byte 4", "log in again"),
            (
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
                "SSL_CERT_FILE",
            ),
            ("x509: certificate is valid for a.example, not registry.example", "use a name that is in it"),
            (
                "x509: cannot validate certificate for 10.9.8.7 because it doesn't contain any IP SANs",
                "a name",
            ),
            ("x509: certificate has expired or is not yet valid: current time", "look at the clock"),
            ("something new", ""),
        ] {
            let advice = about(message, name, None);
            assert!(advice.contains(remedy) && advice.is_empty() == remedy.is_empty(), "{message}: {advice}");
        }
    }

    #[test]
    fn refusals_do_not_ask_for_a_login() {
        for (message, remedy) in [
            // Harbor, goharbor/harbor#17390 and 8802.
            (
                "DENIED: adding 29.0 MiB of storage resource, which when updated to current usage of 152.4 MiB will \
                 exceed the configured upper limit of 10.0 MiB.",
                "delete images there",
            ),
            ("DENIED: Quota exceeded when processing the request of adding 1.3 MiB", "delete images there"),
            // Quay, endpoints/v2/v2errors.py.
            ("DENIED: Quota has been exceeded on namespace; map[]", "delete images there"),
            // DigitalOcean, docker/build-push-action#586.
            ("DENIED: registry contains 1 repositories, limit is 1", "delete images there"),
            ("UNKNOWN: write /data/x: no space left on device", "delete images there"),
            // Harbor, goharbor/harbor#4650; Quay, v2errors.py and quay/quay#2746.
            ("DENIED: The system is in read only mode. Any modification is prohibited.", "is read-only now"),
            (
                "DENIED: System is currently read-only. Pulls will succeed but all write operations are currently \
                 suspended.",
                "is read-only now",
            ),
            (
                "METHOD NOT ALLOWED: Pushes to the registry are currently disabled. Please contact the administrator",
                "is read-only now",
            ),
            // distribution, maintenance mode and cache.
            ("UNSUPPORTED: The operation is unsupported.", "is read-only now"),
            // ECR, aws/containers-roadmap#862 and osscontainertools/kaniko#204.
            (
                "TAG_INVALID: The image tag '1' already exists in the 'me/pause' repository and cannot be overwritten \
                 because the tag is immutable.",
                "push to another tag",
            ),
            // Harbor, src/controller/immutable; goharbor/harbor#9427.
            (
                "PRECONDITION: Failed to process request due to 'pause:1' configured as immutable.",
                "push to another tag",
            ),
            ("DENIED: The tag:me/pause:1 is immutable, cannot be overwrite.", "push to another tag"),
            // Docker Hub.
            (
                "TOOMANYREQUESTS: You have reached your pull rate limit. You may increase the limit by authenticating",
                "run this again later",
            ),
            ("unexpected status code 429 Too Many Requests", "run this again later"),
            // ECR, plexsystems/sinker#55.
            (
                "NAME_UNKNOWN: The repository with name 'me/pause' does not exist in the registry with id '1234'",
                "there is no registry.example/me/pause",
            ),
            ("NOT_FOUND: project me not found", "create the repository or project there first"),
        ] {
            let error = format!("POST https://registry.example/v2/me/pause/blobs/uploads/: {message}");
            let advice = about(&error, "registry.example/me/pause:1", None);
            assert!(advice.contains(remedy), "{message}: {advice}");
            assert!(!advice.to_lowercase().contains("log"), "{message}: {advice}");
        }
    }

    #[test]
    fn names_are_no_causes() {
        for name in ["r.example/quota/read-only:1", "r.example/immutable:1", "quota.example/me/denied:1"] {
            let path = name.split_once('/').unwrap().1.trim_end_matches(":1");
            let error = format!(
                "PUT https://{name}/v2/{path}/x: UNAUTHORIZED: to access repository: {path}, action: push; \
                 map[Name:{path} Type:repository]"
            );
            assert!(about(&error, name, None).contains("docker login"), "{error}");
        }
        let error = "dial tcp: lookup quota.example on 127.0.0.53:53: no such host";
        assert!(about(error, "quota.example:5000/me/pause:1", None).contains("cannot be reached"));
    }

    #[test]
    fn limit_names_the_time() {
        let advice = about("429 ", "me/pause:1", Some(Duration::from_secs(3600)));
        let expected =
            "docker.io limits requests: the next one is allowed in 3600 s, Thu, 01 Jan 1970 01:00:00 GMT";
        assert!(advice.contains(expected), "{advice}");
        assert!(about("429 ", "me/pause:1", Some(Duration::MAX)).contains("31 Dec 9999"));
    }
}
