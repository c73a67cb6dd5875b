//! Files that appear complete, by rename.

use anyhow::{Context as _, Result};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes a file with this mode, independent of the umask. It replaces an older one, and its directory is created if it
/// is missing.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let write = || -> Result<()> {
        let directory = path.parent().context("it is in no directory")?;
        fs_err::create_dir_all(directory)?;
        let permissions = std::fs::Permissions::from_mode(mode);
        let mut part =
            tempfile::Builder::new().prefix(".part-").permissions(permissions).tempfile_in(directory)?;
        part.write_all(bytes)?;
        // The error would keep the unfinished file, which is then not removed.
        part.persist(path).map_err(|refused| refused.error)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
