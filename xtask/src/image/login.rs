//! The login for one repository: a private configuration for crane, with the one credential that applies.
//!
//! crane alone would read a single file, find no namespaces in it, and choose among several keys at random (its
//! pkg/authn/keychain.go). In a file the secret is on no command line and in no log.

use super::credential_helper;
use super::credentials::{Credential, Secret, Store, candidates, server};
use crate::atomic_file;
use crate::context::Context;
use crate::process;
use crate::reference::Reference;
use anyhow::{Context as _, Result};
use nix::unistd::Uid;
use serde_json::json;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The variable of docker, and of crane, with credentials instead of a file.
const VARIABLE: &str = "DOCKER_AUTH_CONFIG";

/// A private configuration, which is removed with the value.
pub struct Login {
    directory: tempfile::TempDir,
    /// The key and place of the credential, for messages, if there is one.
    pub origin: Option<String>,
}

impl Login {
    /// Finds the credential that applies to a repository and writes it for crane.
    pub fn find(context: &Context, reference: &Reference) -> Result<Login> {
        let stores = stores(|name| std::env::var_os(name).filter(|value| !value.is_empty()))?;
        let mut found = None;
        for candidate in candidates(&stores, reference) {
            let (key, store) = (candidate.key, &candidate.store.name);
            let (secret, place) = match candidate.credential {
                Credential::Secret(secret) => (Some(secret), store.clone()),
                Credential::Helper(helper) => {
                    let secret = credential_helper::ask(context, helper, key, store)?;
                    (secret, format!("docker-credential-{helper}"))
                }
            };
            if let Some(secret) = secret {
                found = Some((secret, format!("{key} in {place}")));
                break;
            }
        }
        let headers = stores.iter().find_map(Store::headers);
        let (secret, origin) = found.unzip();
        Ok(Login { directory: write(secret.as_ref(), headers, reference.registry())?, origin })
    }

    /// Returns the directory for `DOCKER_CONFIG`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// Writes a configuration that only this user can read.
fn write(
    secret: Option<&Secret>,
    headers: Option<&serde_json::Value>,
    registry: &str,
) -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let private = std::fs::Permissions::from_mode(0o700);
    let directory = tempfile::Builder::new()
        .prefix("login-")
        .permissions(private)
        .tempdir()
        .context("making a directory for crane's credentials")?;
    let mut config = json!({"auths": {}});
    if let Some(secret) = secret {
        config["auths"][server(registry)] = json!(secret);
    }
    if let Some(headers) = headers {
        config["HttpHeaders"] = headers.clone();
    }
    atomic_file::write(&directory.path().join("config.json"), config.to_string().as_bytes(), 0o600)?;
    Ok(directory)
}

/// Reads all stores of credentials that there are.
fn stores(variable: impl Fn(&str) -> Option<OsString>) -> Result<Vec<Store>> {
    let mut stores = Vec::new();
    if let Some(text) = variable(VARIABLE) {
        stores.push(Store::parse(VARIABLE.to_owned(), &text.to_string_lossy())?);
    }
    for file in files(variable, process::home()) {
        match std::fs::read_to_string(&file) {
            Ok(text) => stores.push(Store::parse(file.display().to_string(), &text)?),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "cannot read the credentials in {}\n  it has to be a text file that you may read",
                        file.display()
                    )
                });
            }
        }
    }
    Ok(stores)
}

/// Returns the files in the order in which they apply: those that variables name, then those of podman and of docker
/// (containers-auth.json(5), FORMAT and DESCRIPTION).
fn files(variable: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Vec<PathBuf> {
    let path = |name: &str| variable(name).map(PathBuf::from);
    let podman = |directory: PathBuf| directory.join("containers/auth.json");
    let runtime = || {
        path("XDG_RUNTIME_DIR")
            .map_or_else(|| format!("/run/containers/{}/auth.json", Uid::current()).into(), podman)
    };
    let configuration = path("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
    let (of_podman, of_docker) = (path("REGISTRY_AUTH_FILE"), path("DOCKER_CONFIG"));
    let default_of_podman = of_podman.is_none().then(runtime);
    let default_of_docker = home.as_ref().filter(|_| of_docker.is_none()).map(|home| home.join(".docker"));
    let docker = |directory: PathBuf| directory.join("config.json");
    [
        of_podman,
        of_docker.map(docker),
        default_of_podman,
        configuration.map(podman),
        default_of_docker.map(docker),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn named(variables: &[(&str, &str)]) -> Vec<String> {
        let variable =
            |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| value.into());
        files(variable, Some("/home/me".into())).iter().map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn files_are_those_of_podman_and_docker() {
        let config = "/home/me/.config/containers/auth.json";
        let runtime = format!("/run/containers/{}/auth.json", Uid::current());
        assert_eq!(named(&[]), [&runtime, config, "/home/me/.docker/config.json"]);
        assert_eq!(
            named(&[("XDG_RUNTIME_DIR", "/run/user/1"), ("XDG_CONFIG_HOME", "/c"), ("DOCKER_CONFIG", "/d")]),
            ["/d/config.json", "/run/user/1/containers/auth.json", "/c/containers/auth.json"]
        );
        assert_eq!(
            named(&[
                ("XDG_RUNTIME_DIR", "/run/user/1"),
                ("REGISTRY_AUTH_FILE", "/a.json"),
                ("DOCKER_CONFIG", "/d")
            ]),
            ["/a.json", "/d/config.json", config]
        );
    }

    #[test]
    fn configuration_is_private_and_removed() {
        let secret = Secret { auth: "dTpw".into(), ..Secret::default() };
        let headers = json!({"X-Meta-Site": "lab"});
        let directory = write(Some(&secret), Some(&headers), "docker.io").unwrap();
        let (path, file) = (directory.path().to_owned(), directory.path().join("config.json"));
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&file)), (0o700, 0o600));
        let config: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(config["auths"]["https://index.docker.io/v1/"]["auth"], "dTpw");
        assert_eq!(config["HttpHeaders"], headers);
        drop(directory);
        assert!(!path.exists());
    }
}
