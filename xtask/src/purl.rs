//! Package URLs, by which vulnerability scanners know a package (github.com/package-url/purl-spec).

/// Returns the URL of a Go module.
pub fn golang(path: &str, version: &str) -> String {
    format!("pkg:golang/{}@{}", path.to_lowercase(), percent_encoded(version))
}

/// Returns the URL of a Debian package for an architecture, or of a source package: `source`.
pub fn debian(name: &str, version: &str, architecture: &str) -> String {
    format!("pkg:deb/debian/{name}@{}?arch={architecture}", percent_encoded(version))
}

fn percent_encoded(version: &str) -> String {
    url::form_urlencoded::byte_serialize(version.as_bytes()).collect()
}
