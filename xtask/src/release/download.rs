//! Downloads a release from where it is published, as its users get it.

use super::{SIGNATURE, assets};
use crate::context::Context;
use crate::fetch::{self, Download};
use crate::product::{SUMS, load};
use crate::rpm::sign::PUBLIC_KEY;
use crate::url::without_credentials;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::Path;

/// Downloads the files of a release into a directory: `SHA256SUMS` first, then what it names. The URL is the one below
/// which the files are, or on GitHub that of the release's page.
pub fn release(context: &Context, url: &str, directory: &Path) -> Result<()> {
    let base = url.trim_end_matches('/').replacen("/releases/tag/", "/releases/download/", 1);
    let sums = first_use(context, &base, SUMS, directory, |file| load::sums(file).map(drop))?;
    let sums = load::sums(&sums)?;
    for (name, sha256) in &sums {
        // The list of a hostile server, too, ends after what a release has.
        ensure!(
            assets::of(name).is_some(),
            "{name} is no asset of a release, and {SUMS} of {} names it",
            without_credentials(&base)
        );
        let (url, sha256) = (format!("{base}/{name}"), sha256.clone());
        let file = Download { name: name.parse()?, url, sha256 }
            .get(context)
            .with_context(|| format!("{SUMS} names {name}"))?;
        place(&file, &directory.join(name))?;
    }
    if sums.contains_key(PUBLIC_KEY) {
        first_use(context, &base, SIGNATURE, directory, |_| Ok(()))
            .context("the release has a key, so that it is signed")?;
    }
    Ok(())
}

/// Downloads a file whose checksum nothing names.
fn first_use(
    context: &Context,
    base: &str,
    name: &str,
    directory: &Path,
    check: impl Fn(&Path) -> Result<()>,
) -> Result<std::path::PathBuf> {
    let found = fetch::first_use(context, &name.parse()?, &format!("{base}/{name}"), &check)?;
    let file = directory.join(name);
    place(&found.download.path(context), &file)?;
    Ok(file)
}

/// Puts a file of the cache into the directory, if possible without a second copy.
fn place(cached: &Path, file: &Path) -> Result<()> {
    if fs::hard_link(cached, file).is_err() {
        fs::copy(cached, file)?;
    }
    Ok(())
}
