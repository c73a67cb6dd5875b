//! The repository: packages, metadata, and the `.repo` file for dnf.

use super::nevra::SOURCE_PACKAGE;
use super::sign::PUBLIC_KEY;
use super::template;
use super::{Packaging, Settings};
use crate::atomic_dir::AtomicDir;
use crate::context::Context;
use crate::dir;
use crate::process::cmd;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// The file that goes to `/etc/yum.repos.d`.
pub const REPO_FILE: &str = "k3s-riscv64.repo";

/// Writes the repository of one distribution and architecture, `rpm/<dist>/<arch>` beside the product, in place of an
/// older one.
pub fn make(packaging: &Packaging, packages: &[PathBuf]) -> Result<PathBuf> {
    let context = packaging.context;
    let key = packaging.settings.key.as_ref();
    let running = context.progress.step("repository");
    let version = &packaging.product.manifest.k3s;
    let distribution = context.dist.join(version).join("rpm").join(packaging.settings.dist.to_string());
    let place = distribution.join(packaging.target.rpm);
    let unfinished = AtomicDir::create(context, &place)?;
    let directory = unfinished.path();

    let mut copies = Vec::new();
    for package in packages {
        let copy = directory.join(package.file_name().context("a package has a name")?);
        fs::copy(package, &copy)?;
        copies.push(copy);
    }
    if let Some(key) = key {
        key.sign_packages(context, &copies)?;
        key.publish(directory)?;
    }
    // The metadata names the time of each package's file.
    dir::normalize(directory, packaging.time())?;
    index(context, directory, packaging.time())?;
    if let Some(key) = key {
        key.sign_file(context, &directory.join("repodata/repomd.xml"))?;
    }
    fs::write(directory.join(REPO_FILE), repo_file(packaging)?)?;
    dir::normalize(directory, packaging.time())?;
    unfinished.commit()?;
    running.done("");
    Ok(place)
}

/// Writes `repodata/`, which names no time but the given one. gzip is what every dnf reads. The source package
/// is in the same directory, but no node installs it, so the metadata does not name it.
pub fn index(context: &Context, directory: &Path, time: i64) -> Result<()> {
    let time = time.to_string();
    let options = ["--quiet", "--no-database", "--general-compress-type=gz", "--set-timestamp-to-revision"];
    let sources = format!("*{SOURCE_PACKAGE}");
    cmd!(context, "createrepo_c {options...} --excludes {sources} --revision {time} {directory}")
        // No settings of the user.
        .env("HOME", directory)
        .env("SOURCE_DATE_EPOCH", &time)
        .log("createrepo")
        .run()
        .context("writing the repository's metadata")
}

/// Returns `rpm/k3s-riscv64.repo` with the URL of the published repository.
fn repo_file(packaging: &Packaging) -> Result<String> {
    let Settings { url, key, .. } = packaging.settings;
    ensure!(!url.contains(char::is_whitespace), "the URL of the repository contains whitespace: {url:?}");
    let base = format!("{}/$basearch/", url.trim_end_matches('/'));
    let is_signed = u8::from(key.is_some());
    let mut lines = vec![format!("baseurl={base}")];
    // Both packages and metadata are signed.
    lines.extend(["gpgcheck", "repo_gpgcheck"].map(|name| format!("{name}={is_signed}")));
    lines.extend(key.as_ref().map(|_| format!("gpgkey={base}{PUBLIC_KEY}")));
    let text = fs::read_to_string(packaging.context.root.join("rpm").join(REPO_FILE))?;
    template::replace(&text, &lines).with_context(|| format!("filling in rpm/{REPO_FILE}"))
}
