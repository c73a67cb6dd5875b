//! Uploads, whose URLs a registry chooses.

use crate::reference::Reference;

/// Returns the host of the failed request, if it was an upload: a registry names the URL of each upload itself
/// (distribution-spec, `Location`), and it may be on another host.
fn upload_host(error: &str) -> Option<&str> {
    let upload = |(at, _): &(usize, &str)| {
        let before = error[..*at].trim_end_matches("https").trim_end_matches("http").trim_end_matches('"');
        ["patch", "put"]
            .contains(&before.trim_end().rsplit(' ').next().unwrap_or_default().to_lowercase().as_str())
    };
    let (at, scheme) = error.match_indices("://").filter(upload).last()?;
    error[at + scheme.len()..].split(['/', '"', ' ']).next()
}

/// Returns the cause and remedy of an upload that failed at another host than the registry's.
pub fn elsewhere(error: &str, reference: &Reference) -> Option<String> {
    let host = reference.registry();
    // The host of docker.io's API has another name.
    let own = if host == "docker.io" { "index.docker.io" } else { host };
    let other = upload_host(error).filter(|other| *other != own)?;
    Some(format!(
        "{host} names {other} as the host that takes uploads, and that one failed\n  ask the operator of {host}: a \
         registry behind a proxy has to be configured with the host that its clients see (REGISTRY_HTTP_HOST)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_host_of_uploads_only() {
        let refused = "connect: connection refused";
        for (message, host) in [
            (
                format!("Patch \"http://storage.example:5000/v2/x\": dial tcp: {refused}"),
                Some("storage.example:5000"),
            ),
            (
                "PUT https://storage.example/x?digest=y: unexpected status code 403".to_owned(),
                Some("storage.example"),
            ),
            (format!("Post \"https://auth.example/token\": {refused}"), None),
            (format!("Get \"https://registry.example/v2/\": {refused}"), None),
        ] {
            assert_eq!(upload_host(&message), host, "{message}");
        }
    }

    #[test]
    fn api_of_docker_hub_is_its_own_host() {
        let about = |host: &str, name: &str| {
            let error = format!("PUT https://{host}/v2/me/pause/manifests/1: DENIED: requested access");
            elsewhere(&error, &Reference::parse(name).unwrap())
        };
        assert_eq!(about("index.docker.io", "me/pause:1"), None);
        assert_eq!(about("registry.example:5000", "registry.example:5000/me/pause:1"), None);
        assert!(about("index.docker.io", "registry.example/me/pause:1").is_some());
    }
}
