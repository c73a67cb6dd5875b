//! Git: transfers by the user's own `git`, with its proxies, mirrors and credentials; everything
//! else by libgit2, which touches no file that is not ours.

use crate::address::without_credentials;
use crate::claim::Claim;
use crate::context::{Context, Network};
use crate::digest::Digest;
use crate::lock::Lock;
use crate::process::Program;
use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;
use std::path::{Path, PathBuf};
use xshell::cmd;

/// A commit and a repository on this machine that has it.
#[derive(Clone, Debug)]
pub struct Commit {
    pub repository: PathBuf,
    /// 40 hexadecimal digits.
    pub id: String,
}

/// Git's own variables that say which repository is meant; ours are named on the command line.
const PLACES: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_PREFIX",
];

/// The commit of a tag, as locked, fetching it shallowly where the cache lacks it.
pub fn tag(context: &Context, lock: &Lock, git: &GitSettings, url: &str, tag: &str) -> Result<Commit> {
    let repository = cached_repository(git, url)?;
    if let Some(id) = lock.commit(url, tag)
        && has(&repository, &id)?
    {
        return Ok(Commit { repository, id });
    }
    let running = context.progress.step("fetch source");
    running.doing(format!("{tag} from {url}"));
    let refspec = format!("+refs/tags/{tag}:refs/tags/{tag}");
    if let Err(error) = fetch(context, git, &repository, url, &refspec) {
        return Err(match nearest_tags(context, git, url, tag) {
            Ok(near) if near.iter().any(|name| name == tag) => error,
            Ok(near) => anyhow!("{url} has no tag {tag}\n  nearest: {}", near.join(", ")),
            Err(_) => error,
        });
    }
    let id = resolve(&repository, &format!("refs/tags/{tag}"))?;
    lock.agree_on_commit(context, url, tag, &id)?;
    running.done(format!("{tag} {}", &id[..12]));
    Ok(Commit { repository, id })
}

/// The commit that a branch, tag or commit name means at an address. Nothing is locked.
pub fn reference(context: &Context, git: &GitSettings, url: &str, name: &str) -> Result<Commit> {
    let repository = cached_repository(git, url)?;
    let running = context.progress.step("fetch source");
    running.doing(format!("{name} from {}", without_credentials(url)));
    let local = format!("refs/fetched/{}", Digest::of(name).short());
    fetch(context, git, &repository, url, &format!("+{name}:{local}"))?;
    let id = resolve(&repository, &local)?;
    running.done(format!("{name} {}", &id[..12]));
    Ok(Commit { repository, id })
}

/// How repositories are reached and where what was fetched is kept.
#[derive(Clone, Debug)]
pub struct GitSettings {
    /// Settings that stand above the user's own git configuration, key and value.
    pub configuration: Vec<(String, String)>,
    /// Holds one bare repository for each address.
    pub folder: PathBuf,
    pub reach: Reach,
}

/// How far a transfer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Over the network, which may be forbidden.
    Network,
    /// Between our own folders on this machine (the sample, a source package).
    ThisMachine,
}

impl GitSettings {
    /// The user's own configuration, and the cache.
    pub fn of_user(context: &Context) -> GitSettings {
        GitSettings { configuration: Vec::new(), folder: context.cache.join("git"), reach: Reach::Network }
    }
}

/// All tags of a repository.
pub fn remote_tags(context: &Context, git: &GitSettings, url: &str) -> Result<Vec<String>> {
    if context.network == Network::Forbidden {
        bail!("--offline forbids asking {url} for its tags");
    }
    let shell = context.shell()?;
    let list = program(context, git, cmd!(shell, "git ls-remote --tags --refs {url}"))
        .read()
        .with_context(|| format!("cannot list the tags of {url}"))?;
    Ok(list.lines().filter_map(|line| line.split("refs/tags/").nth(1)).map(str::to_owned).collect())
}

/// Writes the files of a commit into a folder, as they stand in it: no filter of the user's changes them.
pub fn export(commit: &Commit, folder: &Path) -> Result<()> {
    let repository = open(&commit.repository)?;
    let tree = repository.find_commit(commit.id.parse()?)?.tree()?;
    let mut options = git2::build::CheckoutBuilder::new();
    options.target_dir(folder).force().recreate_missing(true).disable_filters(true).update_index(false);
    repository
        .checkout_tree(tree.as_object(), Some(&mut options))
        .with_context(|| format!("cannot check {} out of {}", commit.id, commit.repository.display()))
}

/// The text of one file of a commit, if it is there.
pub fn read(commit: &Commit, path: &str) -> Result<Option<String>> {
    let repository = open(&commit.repository)?;
    let tree = repository.find_commit(commit.id.parse()?)?.tree()?;
    let Ok(entry) = tree.get_path(Path::new(path)) else { return Ok(None) };
    let blob = repository.find_blob(entry.id()).with_context(|| format!("{path} of {}", commit.id))?;
    Ok(Some(String::from_utf8_lossy(blob.content()).into_owned()))
}

/// A commit as git keeps it: its tree, parents, author and message.
pub fn raw(commit: &Commit) -> Result<Vec<u8>> {
    Ok(open(&commit.repository)?.odb()?.read(commit.id.parse()?)?.data().to_vec())
}

/// When a commit was made, in seconds since 1970.
pub fn time(commit: &Commit) -> Result<i64> {
    Ok(open(&commit.repository)?.find_commit(commit.id.parse()?)?.time().seconds())
}

/// Names of the tags that point at a commit in its repository.
pub fn tags_at(commit: &Commit) -> Result<Vec<String>> {
    let repository = open(&commit.repository)?;
    let mut found = Vec::new();
    for name in repository.tag_names(None)?.iter().flatten() {
        let object = repository.revparse_single(&format!("refs/tags/{name}"))?;
        if object.peel_to_commit().is_ok_and(|tagged| tagged.id().to_string() == commit.id) {
            found.push(name.to_owned());
        }
    }
    Ok(found)
}

/// Opens a repository and peels a name to the commit it means.
pub fn resolve(repository: &Path, name: &str) -> Result<String> {
    let opened = open(repository)?;
    let object = opened
        .revparse_single(name)
        .with_context(|| format!("{} has no branch, tag or commit {name:?}", repository.display()))?;
    let commit = object
        .peel_to_commit()
        .with_context(|| format!("{name} of {} is not a commit", repository.display()))?;
    Ok(commit.id().to_string())
}

fn open(path: &Path) -> Result<git2::Repository> {
    git2::Repository::open(path).with_context(|| {
        format!(
            "{} is not a git repository that can be read\n  \
             For a folder without history: git init, git add -A, git commit.",
            path.display()
        )
    })
}

fn has(repository: &Path, id: &str) -> Result<bool> {
    Ok(open(repository)?.find_commit(id.parse()?).is_ok())
}

/// Where the repository of an address is kept.
pub fn place(git: &GitSettings, url: &str) -> PathBuf {
    let name = super::script::file_name(url.trim_end_matches('/').trim_end_matches(".git"));
    git.folder.join(format!("{name}-{}.git", Digest::of(url).short()))
}

fn cached_repository(git: &GitSettings, url: &str) -> Result<PathBuf> {
    let path = place(git, url);
    if !path.exists() {
        fs::create_dir_all(&git.folder)?;
        git2::Repository::init_bare(&path).with_context(|| format!("cannot make {}", path.display()))?;
    }
    Ok(path)
}

fn fetch(context: &Context, git: &GitSettings, repository: &Path, url: &str, refspec: &str) -> Result<()> {
    if context.network == Network::Forbidden && git.reach == Reach::Network {
        let url = without_credentials(url);
        bail!("{refspec} of {url} is not in the cache, and --offline forbids fetching it");
    }
    let _claim = Claim::on(context, &repository.with_extension("claim"))?;
    let shell = context.shell()?;
    // Its housekeeping would go on in the background, behind our back.
    let transfer = "fetch --depth=1 --no-tags --no-auto-gc --progress".split(' ');
    program(context, git, cmd!(shell, "git -C {repository} {transfer...} {url} {refspec}"))
        .log("git")
        .run()
        .map(drop)
        .with_context(|| format!("cannot fetch {}", without_credentials(url)))
}

/// `git`, never asking at a terminal: it runs in a process group that has none. Over the network it has the
/// user's configuration with ours above it; between our own folders, another address of the user's for the same
/// repository would lead elsewhere.
fn program<'a>(context: &'a Context, git: &GitSettings, command: xshell::Cmd<'_>) -> Program<'a> {
    let (program, theirs) = match git.reach {
        Reach::Network => {
            let theirs = std::env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse().ok());
            (Program::new(context, command).inherit("GIT_", PLACES), theirs.unwrap_or(0))
        }
        Reach::ThisMachine => {
            let nobodys = [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")];
            (Program::new(context, command).envs(nobodys), 0)
        }
    };
    let ours = git.configuration.iter().enumerate().flat_map(|(index, (key, value))| {
        let index = theirs + index;
        [
            (format!("GIT_CONFIG_KEY_{index}"), key.clone()),
            (format!("GIT_CONFIG_VALUE_{index}"), value.clone()),
        ]
    });
    program
        .envs(ours)
        .env("GIT_CONFIG_COUNT", (theirs + git.configuration.len()).to_string())
        .env("GIT_TERMINAL_PROMPT", "0")
}

/// The tags most like the one that is not there: those of the same minor version, newest first.
fn nearest_tags(context: &Context, git: &GitSettings, url: &str, wanted: &str) -> Result<Vec<String>> {
    Ok(nearest(remote_tags(context, git, url)?, wanted))
}

fn nearest(tags: Vec<String>, wanted: &str) -> Vec<String> {
    let shared = |tag: &String| tag.bytes().zip(wanted.bytes()).take_while(|(a, b)| a == b).count();
    let mut tags = tags;
    tags.sort_by_key(|tag| (std::cmp::Reverse(shared(tag)), tag.len().abs_diff(wanted.len())));
    tags.truncate(3);
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_tags_share_the_longest_beginning() {
        let tags = ["v1.2.0", "v1.33.1+k3s1", "v1.33.0+k3s1", "v1.33.0-rc1+k3s1"].map(str::to_owned).to_vec();
        assert_eq!(nearest(tags, "v1.33.0+k3s2"), ["v1.33.0+k3s1", "v1.33.0-rc1+k3s1", "v1.33.1+k3s1"]);
    }
}
