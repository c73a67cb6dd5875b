//! Reproducible archives of directories: the same files give the same bytes on any host and at any time.

use crate::code;
use crate::context::Context;
use crate::process::cmd;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Compression settings of zstd.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub level: i32,
    /// Size of the match window, as a power of two.
    pub window: u32,
}

impl std::fmt::Display for Effort {
    /// Names all that the bytes of an archive depend on, besides its content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Effort { level, window } = self;
        write!(f, "zstd -{level} --long={window}, tar sha256:{}", code::below(file!()))
    }
}

/// The hidden first argument under which this executable packs a directory: in a process of its own, since the
/// compressor's windows take more memory than everything else.
pub const PACK: &str = "__pack";

/// Packs everything in a directory into a `.tar.zst`, below a prefix of all names.
pub fn write(
    context: &Context,
    content: &Path,
    prefix: &str,
    archive: &Path,
    effort: Effort,
    log: &str,
) -> Result<()> {
    let (program, jobs) = (&context.guard, context.jobs.to_string());
    let (level, window) = (effort.level.to_string(), effort.window.to_string());
    cmd!(context, "{program} {PACK} {content} {prefix} {archive} {level} {window} {jobs}")
        .log(log)
        .run()
        .with_context(|| format!("packing {}", content.display()))
}

/// Packs `<directory> <prefix> <archive> <level> <window log> <workers>`: sorted, owned by root, without times.
pub fn pack(arguments: &[OsString]) -> Result<()> {
    let [content, prefix, archive, numbers @ ..] = arguments else { bail!("{PACK} is an internal command") };
    let number = |index: usize| -> Result<u32> {
        let text = numbers.get(index).with_context(|| format!("{PACK} is an internal command"))?;
        Ok(text.to_string_lossy().parse()?)
    };
    let mut encoder = zstd::Encoder::new(fs::File::create(archive)?, i32::try_from(number(0)?)?)?;
    encoder.window_log(number(1)?)?;
    encoder.long_distance_matching(true)?;
    // Any number of workers gives the same bytes, but working without any gives others.
    encoder.multithread(number(2)?.max(1))?;
    let content = Path::new(content);
    let mut tar = tar::Builder::new(encoder);
    append_tree(&mut tar, content, Path::new(prefix), |_| true)?;
    tar.into_inner()?.finish()?;
    Ok(())
}

/// Appends everything in a directory that the filter keeps, below a prefix: sorted, owned by root, without times.
pub fn append_tree(
    tar: &mut tar::Builder<impl Write>,
    directory: &Path,
    prefix: &Path,
    keeps: impl Fn(&Path) -> bool,
) -> Result<()> {
    for entry in walkdir::WalkDir::new(directory).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        let name = prefix.join(entry.path().strip_prefix(directory)?);
        if keeps(entry.path()) {
            append(tar, entry.path(), &name).with_context(|| format!("packing {}", name.display()))?;
        }
    }
    Ok(())
}

/// Appends one file or directory under a name: owned by root, without times.
pub fn append(tar: &mut tar::Builder<impl Write>, path: &Path, name: &Path) -> Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    if metadata.is_symlink() {
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        tar.append_link(&mut header, name, fs::read_link(path)?)?;
    } else if metadata.is_dir() {
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        tar.append_data(&mut header, name, std::io::empty())?;
    } else {
        // Files with several names become several files: a hard link would be unpacked empty.
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 });
        header.set_size(metadata.len());
        tar.append_data(&mut header, name, fs::File::open(path)?)?;
    }
    Ok(())
}
