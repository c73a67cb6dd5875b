//! Requests to git servers, by the user's own `git` with its proxies, mirrors and credentials.

use crate::context::{Context, Network};
use crate::process::{Command, cmd};
use crate::url::without_credentials;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The settings by which repositories are reached, and the directory of those that were fetched.
#[derive(Clone, Debug)]
pub struct GitSettings {
    /// Settings that override the user's own git configuration, key and value.
    pub configuration: Vec<(String, String)>,
    /// Holds one directory for each URL (see [`super::git_cache`]).
    pub directory: PathBuf,
    pub reach: Reach,
}

/// The reach of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Over the network, which may be forbidden.
    Network,
    /// Between our own directories on this machine (the sample, a source package).
    ThisMachine,
}

impl GitSettings {
    /// Returns the user's own configuration, and the cache.
    pub fn of_user(context: &Context) -> GitSettings {
        GitSettings { configuration: Vec::new(), directory: context.cache.join("git"), reach: Reach::Network }
    }

    /// Returns true if servers may be used.
    pub fn may_transfer(&self, context: &Context) -> bool {
        context.network == Network::Allowed || self.reach == Reach::ThisMachine
    }
}

/// Git's own variables that select a repository; ours are named on the command line
/// (`git rev-parse --local-env-vars`).
const REPOSITORY_VARIABLES: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_CEILING_DIRECTORIES",
    "GIT_PREFIX",
];

/// Keeps git from running hooks of the user's in a cached repository.
const NO_HOOKS: (&str, &str) = ("core.hooksPath", "/dev/null");

/// The reference of a fetched repository that means the fetched commit.
pub const FETCHED: &str = "refs/fetched/commit";

/// A branch or tag of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitReference {
    /// In full: `refs/tags/v1.33.0+k3s1`.
    pub name: String,
    /// The commit that it means, 40 hexadecimal digits.
    pub commit: String,
}

/// Queries a server for the branch or tag of a name.
pub fn look_up(context: &Context, git: &GitSettings, url: &str, name: &str) -> Result<Option<GitReference>> {
    let peeled = format!("{name}^{{}}");
    let list = configured(git, cmd!(context, "git ls-remote -- {url} {name} {peeled}"))?
        .read()
        .with_context(|| format!("cannot fetch {}", without_credentials(url)))?;
    Ok(reference_named(&list, name))
}

/// Returns the reference that a name means among those of a list, by git's own order (gitrevisions(7)).
fn reference_named(list: &str, name: &str) -> Option<GitReference> {
    let value = |name: &str| {
        list.lines()
            .find_map(|line| line.split_once('\t').filter(|(_, found)| *found == name))
            .map(|(id, _)| id)
    };
    ["", "refs/", "refs/tags/", "refs/heads/"].iter().find_map(|prefix| {
        let name = format!("{prefix}{name}");
        // A tag that is an object of its own is listed again as the commit that it means.
        let commit = value(&format!("{name}^{{}}")).or_else(|| value(&name))?.to_owned();
        Some(GitReference { name, commit })
    })
}

/// Lists all tags of a server, each with the commit that it means.
pub fn tags(context: &Context, git: &GitSettings, url: &str) -> Result<BTreeMap<String, String>> {
    if !git.may_transfer(context) {
        bail!("--offline forbids listing the tags of {}", without_credentials(url));
    }
    let list = configured(git, cmd!(context, "git ls-remote --tags -- {url}"))?
        .read()
        .with_context(|| format!("cannot list the tags of {}", without_credentials(url)))?;
    Ok(tags_of(&list))
}

/// Parses a list of tags. One that is an object of its own is listed again as the commit that it means.
fn tags_of(list: &str) -> BTreeMap<String, String> {
    let tags = list.lines().filter_map(|line| line.split_once("\trefs/tags/"));
    let (peeled, plain): (Vec<_>, Vec<_>) = tags.partition(|(_, name)| name.ends_with("^{}"));
    let entry = |(id, name): (&str, &str)| (name.trim_end_matches("^{}").to_owned(), id.to_owned());
    plain.into_iter().chain(peeled).map(entry).collect()
}

/// Fetches one commit, by a full name or its id, into a bare repository, as [`FETCHED`].
pub fn fetch(context: &Context, git: &GitSettings, repository: &Path, url: &str, name: &str) -> Result<()> {
    let options =
        "--depth=1 --no-tags --no-filter --no-prune --no-recurse-submodules --no-auto-gc --progress";
    let options = options.split(' ');
    let refspec = format!("+{name}:{FETCHED}");
    // Not `-C`, which `safe.bareRepository=explicit` forbids.
    configured(git, cmd!(context, "git --git-dir {repository} fetch {options...} -- {url} {refspec}"))?
        .log("git")
        .run()
        .with_context(|| format!("cannot fetch {}", without_credentials(url)))
}

/// Configures a git command, which never asks at a terminal: it runs in a process group that has none. Over the
/// network it has the user's configuration with ours above it; between our own directories, another URL of the user's
/// for the same repository would lead elsewhere.
fn configured<'a>(git: &GitSettings, command: Command<'a>) -> Result<Command<'a>> {
    let (command, first) = match git.reach {
        Reach::Network => (command.inherit("GIT_", REPOSITORY_VARIABLES), settings_of_user()?),
        Reach::ThisMachine => {
            let none = [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")];
            (command.envs(none), 0)
        }
    };
    let settings = git.configuration.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let settings: Vec<_> = std::iter::once(NO_HOOKS).chain(settings).collect();
    let variables = settings.iter().zip(first..).flat_map(|((key, value), index)| {
        [(format!("GIT_CONFIG_KEY_{index}"), *key), (format!("GIT_CONFIG_VALUE_{index}"), *value)]
    });
    Ok(command
        .envs(variables)
        .env("GIT_CONFIG_COUNT", (first + settings.len()).to_string())
        .env("GIT_TERMINAL_PROMPT", "0"))
}

/// Returns how many settings the user has made in variables (git-config(1), `GIT_CONFIG_COUNT`): ours follow.
fn settings_of_user() -> Result<usize> {
    let Some(count) = std::env::var_os("GIT_CONFIG_COUNT").filter(|count| !count.is_empty()) else {
        return Ok(0);
    };
    let number = count.to_str().and_then(|count| count.parse::<u16>().ok());
    number.map(usize::from).with_context(|| {
        format!("GIT_CONFIG_COUNT={} is not a number of settings; unset it", count.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_names_as_git_does() {
        let list =
            "1\trefs/heads/v1\n2\trefs/tags/v1\n3\trefs/tags/v1^{}\n4\trefs/heads/feature/v1\n5\tHEAD\n";
        let found = |name: &str| reference_named(list, name).map(|found| (found.name, found.commit));
        let expected = |name: &str, commit: &str| Some((name.to_owned(), commit.to_owned()));
        assert_eq!(found("v1"), expected("refs/tags/v1", "3"));
        assert_eq!(found("heads/v1"), expected("refs/heads/v1", "1"));
        assert_eq!(found("HEAD"), expected("HEAD", "5"));
        assert_eq!(found("feature"), None);
    }

    #[test]
    fn tags_mean_commits() {
        let list = "1\trefs/tags/v1\n2\trefs/tags/v1^{}\n3\trefs/tags/v2\n";
        let expected = [("v1", "2"), ("v2", "3")].map(|(tag, id)| (tag.to_owned(), id.to_owned()));
        assert_eq!(tags_of(list), BTreeMap::from(expected));
    }
}
