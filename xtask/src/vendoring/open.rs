//! Opens a gathered directory as the selected k3s.

use super::{DOWNLOADS, IMAGES, INDEX, K3S, MODULES, Vendored, repository};
use crate::atomic_dir::AtomicDir;
use crate::context::{Context, Network};
use crate::digest::Digest;
use crate::dir;
use crate::lockfile::Lockfile;
use crate::step::{Plan, Step};
use crate::toolchain::go::StandIns;
use crate::upstream::checkout::{self, Commit};
use crate::upstream::git_cache;
use crate::upstream::release::Source;
use crate::upstream::script_probe::ScriptTrust;
use crate::upstream::selection::{Selection, VendoredImages};
use crate::upstream::transfer::{GitSettings, Reach};
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// The name of the step that imports the repositories.
const STEP: &str = "vendored";

/// Opens a directory that [`super::gather`] has made. Nothing of the network or of the user's own caches is used;
/// everything is checked against its checksum.
pub fn open(context: Context, directory: &Path, scripts: ScriptTrust) -> Result<Selection> {
    let context = Context { network: Network::Forbidden, ..context };
    let directory = fs::canonicalize(directory)?;
    let vendored = Vendored::read(&directory)?;
    let index = Digest::of_file(&directory.join(INDEX))?;
    for download in &vendored.downloads {
        download
            .take(&context, &directory.join(DOWNLOADS).join(&download.name))
            .with_context(|| format!("{INDEX} names {}", download.name))?;
    }
    let images = VendoredImages { directory: directory.join(IMAGES), digest: vendored.images.clone() };
    verify(&images.directory, &images.digest)?;
    let modules = take_modules(&context, &vendored, &directory.join(MODULES))?;

    let step = Step::in_process(STEP, vec![format!("vendor.json sha256:{index}")])
        .work(|imported, _| take_repositories(&vendored, &directory, imported));
    let (results, _) = Plan::new(vec![step])?.run(&context, &context.work)?;
    let imported = results.directory(STEP)?;
    let commit = Commit { repository: imported.join(K3S), id: vendored.commit.clone() };
    let source = Source {
        version: vendored.k3s.parse()?,
        origin: vendored.origin,
        time: checkout::time(&commit)?,
        commit,
        location: directory.display().to_string(),
    };
    let tags =
        vendored.repositories.iter().map(|one| (one.url.as_str(), one.tag.as_str(), one.commit.as_str()));
    let files = vendored.downloads.iter().map(|one| (one.url.as_str(), &one.sha256));
    Ok(Selection {
        lock: Lockfile::holding(directory.join(INDEX), tags, files),
        git: git_settings(imported),
        stand_ins: Some(StandIns { proxy: "off".to_owned(), cache: modules }),
        vendored_images: Some(images),
        source,
        context,
        scripts,
    })
}

fn git_settings(made: &Path) -> GitSettings {
    GitSettings { configuration: Vec::new(), directory: made.join("git"), reach: Reach::ThisMachine }
}

fn take_repositories(vendored: &Vendored, directory: &Path, made: &Path) -> Result<()> {
    repository::import(directory, K3S, &vendored.commit, &made.join(K3S))?;
    let git = git_settings(made);
    for one in &vendored.repositories {
        let place = git_cache::place(&git, &one.url, &one.commit);
        fs::create_dir_all(place.parent().context("a cached repository has a directory")?)?;
        repository::import(directory, &one.name, &one.commit, &place)?;
    }
    Ok(())
}

/// Copies the modules into the cache, since Go writes into the directory it reads modules from.
fn take_modules(context: &Context, vendored: &Vendored, from: &Path) -> Result<PathBuf> {
    let place = context.cache.join("vendored-modules").join(vendored.modules.short());
    let making = AtomicDir::create(context, &place)?;
    if place.is_dir() {
        return Ok(place);
    }
    verify(from, &vendored.modules)?;
    dir::copy(from, making.path())?;
    making.commit()?;
    Ok(place)
}

fn verify(directory: &Path, digest: &Digest) -> Result<()> {
    ensure!(
        dir::digest(directory)? == *digest,
        "{} is not what {INDEX} says: a file is missing, is new or was changed",
        directory.display()
    );
    Ok(())
}
