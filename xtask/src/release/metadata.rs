//! The metadata in a repository's archive, which dnf verifies packages by: those of just these packages.

use crate::digest::Digest;
use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;
use fs_err as fs;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// The directory of the metadata, and in it the file with the digests of all others.
const DIRECTORY: &str = "repodata";
const INDEX: &str = "repomd.xml";

/// Checks that an archive's metadata have the digests that the index names, and name the digest of each package.
pub fn check(archive: &Path) -> Result<()> {
    let (mut packages, mut files) = (BTreeMap::new(), BTreeMap::new());
    for entry in tar::Archive::new(fs::File::open(archive)?).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".rpm") {
            packages.insert(name, Digest::of_reader(entry)?);
        } else if path.parent().is_some_and(|parent| parent.ends_with(DIRECTORY)) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            files.insert(name, bytes);
        }
    }
    let index = files.remove(INDEX).context("it has no repodata/repomd.xml, which dnf needs")?;
    let index = String::from_utf8_lossy(&index);
    let mut primary = String::new();
    for (name, bytes) in files.iter().filter(|(name, _)| !name.ends_with(".asc")) {
        ensure!(index.contains(Digest::of(bytes).as_str()), "{INDEX} does not name the digest of {name}");
        if name.ends_with("primary.xml.gz") {
            GzDecoder::new(&bytes[..]).read_to_string(&mut primary)?;
        }
    }
    for (name, digest) in packages {
        ensure!(primary.contains(digest.as_str()), "the metadata do not name the digest of {name}");
    }
    Ok(())
}
