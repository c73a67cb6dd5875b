//! Credentials for a repository, chosen among those that docker and podman keep.
//!
//! Their files have one format: docker's config.json, of which containers-auth.json(5) describes a part. The keys are a
//! registry, as its host or as the URL of its API, or with podman a namespace or a repository in it, too.

use crate::reference::Reference;
use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The name under which docker, its helpers and crane keep the credentials for Docker Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// The credentials of one file, or of a variable.
pub struct Store {
    /// The file or variable, for messages.
    pub name: String,
    config: Config,
}

#[derive(Default, Deserialize)]
struct Config {
    /// Of each entry's form only the entries that apply are checked.
    auths: Option<BTreeMap<String, Value>>,
    #[serde(rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
    #[serde(rename = "credsStore")]
    default_helper: Option<String>,
    #[serde(rename = "HttpHeaders")]
    headers: Option<Value>,
}

/// A password or token in the form of docker's config.json. It cannot be printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Secret {
    /// User and password, joined by a colon, in base64.
    pub auth: String,
    pub username: String,
    pub password: String,
    #[serde(rename = "identitytoken")]
    pub identity_token: String,
    #[serde(rename = "registrytoken")]
    pub registry_token: String,
}

/// A credential, or the helper that has it.
pub enum Credential<'a> {
    Secret(Secret),
    /// The credential helper `docker-credential-<name>`.
    Helper(&'a str),
}

/// A credential that applies to a repository.
pub struct Candidate<'a> {
    pub store: &'a Store,
    /// The registry, namespace or repository under which it is kept.
    pub key: &'a str,
    pub credential: Credential<'a>,
}

impl Store {
    /// Reads the text of a file or variable; an empty one has no entries, as for docker.
    pub fn parse(name: String, text: &str) -> Result<Store> {
        let text = if text.trim().is_empty() { "{}" } else { text };
        // The parser's own message could quote a password.
        let config = serde_json::from_str(text).map_err(|error| {
            anyhow!(
                "cannot read the credentials in {name}: line {}, column {} is not as docker and podman write it\n  \
                 repair it, or move it away and log in again",
                error.line(),
                error.column()
            )
        })?;
        Ok(Store { name, config })
    }

    /// Returns the headers that are added to every request.
    pub fn headers(&self) -> Option<&Value> {
        self.config.headers.as_ref()
    }

    /// Returns all its entries; of the default helper, the one for this registry.
    fn entries<'a>(&'a self, registry: &'a str) -> impl Iterator<Item = (&'a str, Credential<'a>)> {
        let Config { auths, helpers, default_helper, .. } = &self.config;
        let helpers =
            helpers.iter().flatten().map(|(key, helper)| (key.as_str(), Credential::Helper(helper)));
        // A helper for the registry replaces the default one, also by none.
        let has_own = helpers.clone().any(|(key, _)| Scope::of(key).host == registry);
        let default = default_helper.iter().filter(move |_| !has_own);
        let default = default.map(move |helper| (server(registry), Credential::Helper(helper)));
        // A store that uses a helper has empty entries in their place.
        let auths = auths.iter().flatten().filter_map(|(key, entry)| {
            let secret = Secret::deserialize(entry).ok().filter(|secret| *secret != Secret::default())?;
            Some((key.as_str(), Credential::Secret(secret)))
        });
        helpers
            .chain(default)
            .chain(auths)
            .filter(|(_, credential)| !matches!(credential, Credential::Helper("")))
    }
}

/// Returns the name under which docker, its helpers and crane keep the credentials for a registry.
pub fn server(registry: &str) -> &str {
    if registry == "docker.io" { DOCKER_HUB } else { registry }
}

/// Returns the credentials that apply to a repository, the first one first.
///
/// The most specific one is the first: that for the repository, then for its namespaces, then for the registry. Among
/// equals the order is that of the stores. In one store a helper precedes the entries, as for docker and podman, and a
/// host precedes the URLs of its API.
pub fn candidates<'a>(stores: &'a [Store], reference: &'a Reference) -> Vec<Candidate<'a>> {
    let name = reference.name();
    let mut found = Vec::new();
    for (order, store) in stores.iter().enumerate() {
        for (key, credential) in store.entries(reference.registry()) {
            let scope = Scope::of(key);
            if scope.contains(&name) {
                let is_secret = matches!(credential, Credential::Secret(_));
                let rank = (Reverse(scope.path.len()), order, is_secret, scope.is_url);
                found.push((rank, Candidate { store, key, credential }));
            }
        }
    }
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The part of a registry that a key means.
struct Scope<'a> {
    host: &'a str,
    /// A namespace or repository; empty for the whole registry.
    path: &'a str,
    is_url: bool,
}

impl Scope<'_> {
    fn of(key: &str) -> Scope<'_> {
        let url = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
        let place = url.unwrap_or(key);
        let (host, path) = place.split_once('/').unwrap_or((place, ""));
        // A URL is that of the API, which docker once wrote without its scheme, too.
        let is_url = url.is_some() || matches!(path, "v1/" | "v2/");
        let host = match host {
            "index.docker.io" | "registry-1.docker.io" => "docker.io",
            host => host,
        };
        let path = if is_url { "" } else { path.trim_end_matches('/') };
        Scope { host, path, is_url }
    }

    /// Returns whether a repository, given with its registry, is in it.
    fn contains(&self, name: &str) -> bool {
        let Some((host, repository)) = name.split_once('/') else { return false };
        let rest = repository.strip_prefix(self.path);
        host == self.host
            && rest.is_some_and(|rest| self.path.is_empty() || rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn store(name: &str, config: &Value) -> Store {
        Store::parse(name.to_owned(), &config.to_string()).unwrap()
    }

    /// Returns the store, key and helper of each candidate.
    fn chosen(stores: &[Store], reference: &str) -> Vec<String> {
        let reference = Reference::parse(reference).unwrap();
        let shown = |candidate: Candidate| {
            let Candidate { store, key, credential } = candidate;
            match credential {
                Credential::Secret(_) => format!("{} {key}", store.name),
                Credential::Helper(helper) => format!("{} {key} {helper}", store.name),
            }
        };
        candidates(stores, &reference).into_iter().map(shown).collect()
    }

    fn with(keys: &[&str]) -> Value {
        let entry = |key: &&str| ((*key).to_owned(), json!({"auth": "dTpw"}));
        json!({"auths": keys.iter().map(entry).collect::<serde_json::Map<_, _>>()})
    }

    #[test]
    fn most_specific_key_comes_first() {
        let keys = [
            "registry.example",
            "registry.example/me",
            "registry.example/me/pause",
            "registry.example/me/pau",
            "registry.example/me/pause/more",
            "registry.example:5000",
            "example",
        ];
        let stores = [store("one", &with(&keys[..1])), store("two", &with(&keys))];
        assert_eq!(
            chosen(&stores, "registry.example/me/pause:1"),
            [
                "two registry.example/me/pause",
                "two registry.example/me",
                "one registry.example",
                "two registry.example"
            ]
        );
        assert_eq!(chosen(&stores, "registry.example:5000/me/pause:1"), ["two registry.example:5000"]);
        assert!(chosen(&stores, "other.example/me/pause:1").is_empty());
    }

    #[test]
    fn docker_hub_has_several_names() {
        let names =
            ["docker.io", "index.docker.io", "https://index.docker.io/v1/", "registry-1.docker.io/v2/"];
        for name in names {
            let stores = [store("", &with(&[name]))];
            for reference in ["me/pause:1", "docker.io/me/pause:1", "index.docker.io/me/pause:1", "pause:1"] {
                assert_eq!(chosen(&stores, reference), [format!(" {name}")], "{reference}");
            }
        }
        let library = [store("", &with(&["docker.io/library"]))];
        assert_eq!(chosen(&library, "pause:1"), [" docker.io/library"]);
        assert!(chosen(&library, "me/pause:1").is_empty());
    }

    #[test]
    fn urls_mean_the_registry() {
        let keys = ["http://r.example/v2/", "https://r.example", "r.example", "r.example/v1", "r.example/"];
        let stores = [store("", &with(&keys))];
        let expected = [" r.example", " r.example/", " http://r.example/v2/", " https://r.example"];
        assert_eq!(chosen(&stores, "r.example/me/pause:1"), expected);
        assert_eq!(chosen(&stores, "r.example/v1/pause:1")[0], " r.example/v1", "a namespace of this name");
    }

    #[test]
    fn helpers_precede_entries_of_the_store() {
        let config = json!({
            "auths": {
                "docker.io": {"auth": "dTpw"},
                "r.example": {"auth": "dTpw"},
                "r.example/me": {"auth": "dTpw"},
            },
            "credHelpers": {"r.example": "own", "other.example": "other", "none.example": ""},
            "credsStore": "default",
        });
        let stores = [store("one", &with(&["r.example"])), store("two", &config)];
        assert_eq!(
            chosen(&stores, "r.example/me/pause:1"),
            ["two r.example/me", "one r.example", "two r.example own", "two r.example"]
        );
        assert_eq!(chosen(&stores, "new.example/me/pause:1"), ["two new.example default"]);
        assert_eq!(
            chosen(&stores, "me/pause:1"),
            ["two https://index.docker.io/v1/ default", "two docker.io"]
        );
        assert!(chosen(&stores, "none.example/me/pause:1").is_empty());
    }

    #[test]
    fn entries_without_a_credential_are_left_out() {
        let config = json!({
            "auths": {"r.example": {}, "https://r.example": {"auth": "", "email": "x"}, "r.example/": "x"},
            "credsStore": "",
        });
        assert!(chosen(&[store("", &config)], "r.example/me/pause:1").is_empty());
        for text in ["", " \n", "{}", r#"{"auths": null, "psFormat": "x"}"#] {
            let stores = [Store::parse(String::new(), text).unwrap()];
            assert!(chosen(&stores, "r.example/me/pause:1").is_empty(), "{text}");
        }
    }

    #[test]
    fn damaged_file_is_named_without_its_content() {
        for text in [r#"{"auths": "c2VjcmV0"}"#, "c2VjcmV0", r#"{"auths": {"r": {"auth": "c2VjcmV0"#] {
            let error = Store::parse("/x/config.json".to_owned(), text).err().unwrap();
            let message = format!("{error:?}");
            assert!(message.contains("cannot read the credentials in /x/config.json: line 1"), "{message}");
            assert!(!message.contains("c2VjcmV0"), "{message}");
        }
    }
}
