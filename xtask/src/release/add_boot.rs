//! Adds the results of boot tests to a release that was made without them.

use super::assets;
use super::booted;
use super::check;
use super::{NOTES, SIGNATURE, assemble, notes};
use crate::atomic_dir::AtomicDir;
use crate::boot::results::RESULTS;
use crate::context::Context;
use crate::dir;
use crate::product::SUMS;
use crate::rpm::sign::Key;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// Replaces a directory by one that has these results, in its notes, too, and no others. Results are directories that
/// `cargo xtask boot --release` has written.
pub fn add(context: &Context, directory: &Path, results: &[PathBuf], key: Option<&Key>) -> Result<()> {
    let checked = check::directory(directory)?;
    ensure!(
        key.is_some() || !checked.files.iter().any(|name| name == SIGNATURE),
        "{} is signed, and its checksums are about to change\n  sign the new ones: --sign KEYID",
        directory.display()
    );
    let values = results.iter().map(|results| {
        booted::read(&results.join(RESULTS)).with_context(|| {
            format!("{} has no results that cargo xtask boot has written", results.display())
        })
    });
    let values: Vec<_> = values.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let runs = booted::runs(values.clone())?;
    let place = fs::canonicalize(directory)?;
    let unfinished = AtomicDir::create(context, &place)?;
    let new = unfinished.path();
    for name in checked.files.iter().filter(|name| !assets::is_sums(name)) {
        fs::copy(place.join(name), new.join(name))?;
    }
    fs::write(new.join(RESULTS), serde_json::to_vec_pretty(&values)?)?;
    let text = fs::read_to_string(new.join(NOTES))?;
    let section = notes::boots(&runs, &checked.sums, &checked.not_booted()?);
    fs::write(new.join(NOTES), notes::with_boots(&text, &section)?)?;
    fs::write(new.join(SUMS), assemble::sums(new)?)?;
    if let Some(key) = key {
        key.sign_file(context, &new.join(SUMS))?;
    }
    let manifest = checked.manifests.first().context("a release has a product")?;
    dir::normalize(new, manifest.source_date_epoch)?;
    check::directory(new).context("checking the new directory")?;
    unfinished.commit()
}
