//! Certificates of registries.

use crate::registry::{Certificate, PASSWORD, PROGRAM, Registry, USER, credentials};
use crate::{Push, needs};
use std::path::Path;
use std::process::Command;

/// The executables for a registry with a certificate.
pub const NEEDS: [(&str, &str); 3] = [PROGRAM, ("go", "golang"), ("openssl", "openssl")];

#[test]
fn rejects_self_signed_certificate() {
    if !needs::programs("pushing over HTTPS", &NEEDS) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let certificate = self_signed(directory.path(), "IP:127.0.0.1");
    let registry = Registry::start(Some(&certificate));
    credentials(directory.path(), "config.json", &registry.address, &format!("{USER}:{PASSWORD}"));
    let docker = ("DOCKER_CONFIG", directory.path().to_owned());
    let push = |arguments, environment| Push { registry: &registry.address, arguments, environment };

    let message = push(&[], vec![docker.clone()]).fail();
    assert!(message.contains("a certificate that this system does not trust"), "{message}");
    assert!(message.contains("SSL_CERT_FILE=CERTIFICATE, a PEM file"), "{message}");
    assert!(!registry.has_tag("me/pause", "1"));
    let trusted = push(&[], vec![docker.clone(), ("SSL_CERT_FILE", certificate.file.clone())]).succeed();
    assert_eq!(push(&["--insecure"], vec![docker]).succeed(), trusted);
}

#[test]
fn certificate_for_another_name_is_no_matter_of_trust() {
    if !needs::programs("pushing to a registry of another name", &NEEDS) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let certificate = self_signed(directory.path(), "DNS:registry.example");
    let registry = Registry::start(Some(&certificate));
    let environment = vec![("SSL_CERT_FILE", certificate.file.clone())];
    let message = Push { registry: &registry.address, arguments: &[], environment }.fail();
    assert!(message.contains("is for other names\n  use a name that is in it"), "{message}");
    assert!(!message.contains("SSL_CERT_FILE"), "{message}");
}

/// Makes a certificate for a name, such as `IP:127.0.0.1`, that is its own issuer.
pub fn self_signed(directory: &Path, name: &str) -> Certificate {
    let certificate = Certificate { file: directory.join("certificate.pem"), key: directory.join("key.pem") };
    let status = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"])
        .args(["-addext", &format!("subjectAltName={name}"), "-keyout"])
        .arg(&certificate.key)
        .arg("-out")
        .arg(&certificate.file)
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    certificate
}
