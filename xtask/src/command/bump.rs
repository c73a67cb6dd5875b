//! `cargo xtask bump`: the only way to change an entry of k3s.lock.json, or to add one before a build does.

use crate::context::Context;
use crate::fetch::{self, FileName};
use crate::k3s::format;
use crate::lockfile::debian::DebianPackage;
use crate::lockfile::{Adding, Lockfile, compare};
use crate::target::TARGETS;
use crate::toolchain::debian;
use crate::toolchain::go::AnyGo;
use crate::toolchain::gomod::Module;
use crate::upstream::git_cache;
use crate::upstream::release::UPSTREAM;
use crate::upstream::transfer::GitSettings;
use crate::upstream::version::Version;
use anyhow::{Context as _, Result, bail};

/// Lock a tag, a file, a Go module or a Debian package to what it is now, replacing an entry of k3s.lock.json
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
#[command(after_help = "Examples:
  cargo xtask bump --k3s v1.35.1+k3s1
  cargo xtask bump --file k3s-root-riscv64.tar
  cargo xtask bump --module github.com/coredns/coredns@v1.14.1
  cargo xtask bump --debian busybox-static")]
pub struct Args {
    /// The tag, of k3s or of a CNI source
    #[arg(long, value_name = "TAG")]
    k3s: Option<String>,

    /// The file: its URL, or the end of one that is locked
    #[arg(long, value_name = "URL|NAME")]
    file: Option<String>,

    /// The Go module of an image
    #[arg(long, value_name = "PATH@VERSION", value_parser = module)]
    module: Option<Module>,

    /// The Debian package that an image has files of, for every architecture
    #[arg(long, value_name = "PACKAGE")]
    debian: Option<String>,
}

fn module(text: &str) -> Result<Module> {
    let (path, version) = text.split_once('@').with_context(|| format!("{text:?} is not PATH@VERSION"))?;
    Ok(Module { path: path.to_owned(), version: version.to_owned() })
}

impl Args {
    pub fn run(self, context: &Context) -> Result<()> {
        let lock = Lockfile::open(&context.lock_file, Adding::Allowed)?;
        let done = [
            self.k3s.map(|tag| tags(context, &lock, &tag)),
            self.file.map(|file| files(context, &lock, &file)),
            self.module.map(|module| modules(context, &lock, &module)),
            self.debian.map(|package| debian_packages(context, &lock, &package)),
        ];
        done.into_iter().flatten().collect()
    }
}

/// Locks a tag in every repository that has it locked; a new one is of k3s.
fn tags(context: &Context, lock: &Lockfile, tag: &str) -> Result<()> {
    let mut repositories = lock.repositories(tag);
    if repositories.is_empty() && tag.parse::<Version>().is_ok() {
        repositories.push(UPSTREAM.to_owned());
    }
    if repositories.is_empty() {
        bail!("{} locks no tag {tag}", context.lock_file.display());
    }
    for url in repositories {
        let (git, nothing) = (GitSettings::of_user(context), Lockfile::empty());
        let commit = git_cache::tag(context, &nothing, &git, &url, tag)?;
        lock_tag(context, lock, &url, tag, &commit.id)?;
    }
    Ok(())
}

/// Locks a tag to a commit, and prints what changed.
pub fn lock_tag(context: &Context, lock: &Lockfile, url: &str, tag: &str, commit: &str) -> Result<()> {
    let before = lock.replace_commit(context, url, tag, commit)?;
    report(&format!("{tag} of {url}"), before.as_deref(), commit, &compare::page_of_tag(url, tag));
    Ok(())
}

/// Locks every file that matches a name.
fn files(context: &Context, lock: &Lockfile, name: &str) -> Result<()> {
    let mut urls = lock.files(name);
    if urls.is_empty() && name.contains("://") {
        urls.push(name.to_owned());
    }
    if urls.is_empty() {
        bail!("{} locks no file {name}; a new one needs its URL", context.lock_file.display());
    }
    for url in urls {
        let name = FileName::of_url(&url)?;
        let found = fetch::first_use(context, &name, &url, &|file| format::check(&name, file))
            .with_context(|| format!("locking {url}"))?;
        let sha256 = found.download.sha256;
        let before = lock.replace_file(context, &url, &sha256)?;
        let before = before.as_ref().map(|digest| digest.as_str());
        report(&crate::url::without_credentials(&url), before, sha256.as_str(), &compare::page_of_file(&url));
    }
    Ok(())
}

/// Locks a module, which the checksum database verifies.
fn modules(context: &Context, lock: &Lockfile, module: &Module) -> Result<()> {
    let found = AnyGo::find(context, None)?.download(context, module, String::new())?;
    let name = format!("{} {}", module.path, module.version);
    let before = lock.replace_module(context, &name, &found.sums())?;
    let page = "the checksum database that `go env GOSUMDB` names";
    report(&name, before.as_ref().map(|sums| sums.files.as_str()), &found.sum, page);
    Ok(())
}

/// Locks a package to the version that the archive has, for every architecture: a release has images for each.
fn debian_packages(context: &Context, lock: &Lockfile, name: &str) -> Result<()> {
    for target in &TARGETS {
        let release = debian::release(context, target);
        let locked = lock.debian_package(&release, name);
        let found = debian::current_packages(context, target, &[name])?.remove(0);
        lock.replace_debian_package(context, &release, name, &found)?;
        let shown = |package: &DebianPackage| format!("{} sha256 {}", package.file, package.sha256);
        let before = locked.as_ref().map(shown);
        let page = format!("apt-cache show {name}, on Debian {release}");
        report(&format!("{name} of Debian {release}"), before.as_deref(), &shown(&found), &page);
    }
    Ok(())
}

fn report(what: &str, before: Option<&str>, now: &str, page: &str) {
    match before {
        Some(before) if before == now => println!("unchanged {what}\n  is     {now}"),
        Some(before) => println!("changed {what}\n  before {before}\n  now    {now}\n  Compare it: {page}"),
        None => println!("locked {what}\n  now    {now}\n  Compare it: {page}"),
    }
}
