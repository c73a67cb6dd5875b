//! Disks with the files of a directory, written without root and without mounting anything.

use crate::context::Context;
use crate::userns;
use anyhow::{Context as _, Result};
use fs_err as fs;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Writes the files of `directory` to `file` as an ext4 file system of `size` bytes, in which root owns everything.
///
/// The file is sparse. The guest finds the disk by its label.
pub fn write(context: &Context, directory: &Path, label: &str, size: u64, file: &Path) -> Result<()> {
    fs::File::create(file)?.set_len(size)?;
    let options = "root_owner=0:0,lazy_itable_init=1";
    userns::as_root(context, "mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-m", "0", "-E", options, "-L", label, "-d"])
        .args([directory, file])
        .log("boot-disk")
        .run()
        .with_context(|| format!("writing a disk with the files of {}", directory.display()))
}

/// Returns a size that is enough for a directory's files and for the tables of the file system.
pub fn size_for(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in walkdir::WalkDir::new(directory) {
        // Every file uses complete blocks and an inode.
        bytes += entry?.metadata()?.len().next_multiple_of(4096) + 4096;
    }
    Ok((bytes + bytes / 8 + (32 << 20)).next_multiple_of(1 << 20))
}

/// Copies a disk to a new file, without its holes.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let (mut source, mut copy) = (fs::File::open(from)?, fs::File::create(to)?);
    copy.set_len(source.metadata()?.len())?;
    let mut end = 0;
    loop {
        let begin = match lseek(source.file(), end, Whence::SeekData) {
            Ok(begin) => begin,
            // There is no more data.
            Err(Errno::ENXIO) => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("reading {}", from.display())),
        };
        end = lseek(source.file(), begin, Whence::SeekHole)
            .with_context(|| format!("reading {}", from.display()))?;
        let (at, length) = (u64::try_from(begin)?, u64::try_from(end - begin)?);
        source.seek(SeekFrom::Start(at))?;
        copy.seek(SeekFrom::Start(at))?;
        std::io::copy(&mut source.by_ref().take(length), &mut copy)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn copies_data_between_holes() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        let file = fs::File::create(&from).unwrap();
        file.set_len(4 << 20).unwrap();
        file.file().write_all_at(b"first", 1 << 20).unwrap();
        file.file().write_all_at(b"second", 3 << 20).unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), fs::read(&from).unwrap());
    }
}
