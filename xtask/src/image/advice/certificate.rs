//! Certificates that a system does not trust, and how they become trusted.

/// Directories of additional certificates, with the command that adds them to those that programs trust: of Fedora and
/// openEuler, openSUSE, Arch, Debian and Alpine.
const TRUSTED: [(&str, &str); 4] = [
    ("/etc/pki/ca-trust/source/anchors", "update-ca-trust"),
    ("/etc/pki/trust/anchors", "update-ca-certificates"),
    ("/etc/ca-certificates/trust-source/anchors", "update-ca-trust"),
    ("/usr/local/share/ca-certificates", "update-ca-certificates"),
];

/// Returns how a certificate becomes a trusted one. Go reads the bundle of the system, or the file of `SSL_CERT_FILE`
/// in its place (crypto/x509/root_linux.go), but no directory of docker or podman.
pub fn untrusted(host: &str, exists: impl Fn(&str) -> bool) -> String {
    let of_docker =
        ["/etc/docker", "/etc/containers"].map(|parent| format!("{parent}/certs.d/{host}/ca.crt"));
    let certificate = of_docker.into_iter().find(|file| exists(file));
    let certificate = certificate.unwrap_or_else(|| "CERTIFICATE".to_owned());
    let file = host.replace(':', "-");
    let system = TRUSTED.iter().find(|(directory, _)| exists(directory)).map_or(String::new(), |it| {
        let (directory, command) = it;
        format!("  as root: cp {certificate} {directory}/{file}.crt && {command}\n")
    });
    format!(
        "{host} has a certificate that this system does not trust\n{system}  \
         for this run alone: SSL_CERT_FILE={certificate}, a PEM file with the certificate of its issuer\n  \
         or accept any certificate: --insecure"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_has_a_file_to_be_put_into() {
        let on = |files: &[&str]| untrusted("r.example:5000", |path| files.contains(&path));
        let debian = on(&["/usr/local/share/ca-certificates"]);
        assert!(
            debian.contains(
                "  as root: cp CERTIFICATE /usr/local/share/ca-certificates/r.example-5000.crt && update-ca-certificates\n"
            ),
            "{debian}"
        );
        let docker = "/etc/docker/certs.d/r.example:5000/ca.crt";
        let fedora = on(&["/etc/pki/ca-trust/source/anchors", docker]);
        let copied =
            format!("cp {docker} /etc/pki/ca-trust/source/anchors/r.example-5000.crt && update-ca-trust\n");
        assert!(fedora.contains(&copied) && fedora.contains(&format!("SSL_CERT_FILE={docker},")), "{fedora}");
        assert!(!on(&[]).contains("as root"));
    }
}
