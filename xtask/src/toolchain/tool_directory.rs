//! A tool in the cache: a directory that appears complete, and is verified before each use.
//!
//! Its files are verified by a pinned checksum, a signature or Go's checksum database when they are fetched, and a seal
//! beside them records the size, time and SHA-256 of each. Every run compares them all: executables by their SHA-256,
//! other files by size and time, and by SHA-256 where these differ. A changed tool is fetched again. A seal shows damage
//! and not malice, so nothing is used that a user other than the owner of this executable, root or the caller could have
//! written (see [`Trust`]).

use crate::atomic_dir::AtomicDir;
use crate::context::{Context, Network};
use crate::dir;
use crate::trust::Trust;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A tool in the cache.
#[derive(Clone, Copy, Debug)]
pub struct ToolDirectory<'a> {
    /// The tool, as messages and its directory name it: `zig`.
    pub name: &'a str,
    pub version: &'a str,
}

const FILES: &str = "files";
const SEAL: &str = "seal";

impl ToolDirectory<'_> {
    /// Returns the directory of the tool's verified files. `make` creates it if it is missing or damaged.
    pub fn get(&self, context: &Context, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let Self { name, version } = self;
        let (directory, trust) = (self.path(context), Trust::of(context)?);
        let damage = match State::of(&directory, &trust) {
            State::Verified => return Ok(directory.join(FILES)),
            State::Absent => "is not in the cache".to_owned(),
            State::Damaged(difference) => format!("is damaged in {}: {difference}", directory.display()),
        };
        if context.network == Network::Forbidden {
            bail!("{name} {version} {damage}, and --offline forbids fetching it");
        }
        let making = AtomicDir::create(context, &directory)?;
        // Another process may have made it meanwhile.
        match State::of(&directory, &trust) {
            State::Verified => return Ok(directory.join(FILES)),
            State::Absent => {}
            State::Damaged(_) => {
                context.progress.print(format!("{name} {version} {damage}; fetching it again"))
            }
        }
        let running = context.progress.step(format!("fetch {name}"));
        make(&making.path().join(FILES))?;
        protect(making.path())?;
        seal(making.path())?;
        making.commit()?;
        running.done(version);
        Ok(directory.join(FILES))
    }

    /// Returns the directory that holds the files and their seal.
    pub fn path(&self, context: &Context) -> PathBuf {
        context.tools().join(format!("{}-{}", self.name, self.version))
    }
}

/// The condition of a tool's directory.
enum State {
    Verified,
    Absent,
    /// The first difference from the seal.
    Damaged(String),
}

impl State {
    fn of(directory: &Path, trust: &Trust) -> State {
        if directory.symlink_metadata().is_err() {
            return State::Absent;
        }
        match difference(directory, trust) {
            Ok(None) => State::Verified,
            Ok(Some(difference)) => State::Damaged(difference),
            Err(error) => State::Damaged(format!("{error:#}")),
        }
    }
}

/// Removes the permission to write from all users but the owner.
fn protect(directory: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(directory) {
        let entry = entry?;
        let mode = entry.metadata()?.permissions().mode();
        if !entry.file_type().is_symlink() && mode & 0o022 != 0 {
            fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(mode & !0o022))?;
        }
    }
    Ok(())
}

/// Writes the seal of a tool's directory.
pub fn seal(directory: &Path) -> Result<()> {
    let files = directory.join(FILES);
    let mut text = String::new();
    for entry in walkdir::WalkDir::new(&files).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        if !entry.file_type().is_dir() {
            let name = entry.path().strip_prefix(&files)?;
            let quick = quick(&entry.metadata()?);
            text.push_str(&format!("{quick}\t{}\t{name:?}\n", dir::content(entry.path())?));
        }
    }
    Ok(fs::write(directory.join(SEAL), text)?)
}

/// Returns the first difference between a tool's files and their seal.
fn difference(directory: &Path, trust: &Trust) -> Result<Option<String>> {
    let files = directory.join(FILES);
    for path in [directory, &files, &directory.join(SEAL)] {
        let metadata = fs::symlink_metadata(path)?;
        if metadata.is_symlink() {
            return Ok(Some(format!("{} is a symlink", path.display())));
        }
        if let Some(reason) = trust.objection(&metadata) {
            return Ok(Some(format!("{} {reason}", path.display())));
        }
    }
    let text = fs::read_to_string(directory.join(SEAL)).context("reading its seal")?;
    let mut sealed = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, '\t');
        let (Some(quick), Some(content), Some(name)) = (fields.next(), fields.next(), fields.next()) else {
            return Ok(Some("its seal is cut off".to_owned()));
        };
        sealed.insert(name, (quick, content));
    }
    for entry in walkdir::WalkDir::new(&files) {
        let entry = entry?;
        let (path, metadata) = (entry.path(), entry.metadata()?);
        let name = path.strip_prefix(&files)?;
        if let Some(reason) = trust.objection(&metadata) {
            return Ok(Some(format!("{} {reason}", path.display())));
        }
        if metadata.is_dir() {
            continue;
        }
        if !metadata.is_file() && !metadata.is_symlink() {
            return Ok(Some(format!("{} is no file", name.display())));
        }
        let Some((sealed_quick, sealed_content)) = sealed.remove(format!("{name:?}").as_str()) else {
            return Ok(Some(format!("{} was added", name.display())));
        };
        let is_executable = metadata.permissions().mode() & 0o111 != 0;
        let is_known = !is_executable && sealed_quick == quick(&metadata);
        if !is_known && sealed_content != dir::content(path)? {
            return Ok(Some(format!("{} has changed", name.display())));
        }
    }
    Ok(sealed.into_keys().next().map(|name| format!("{name} is missing")))
}

/// Returns properties that nearly every change of a file alters, and that can be compared without reading it.
fn quick(metadata: &std::fs::Metadata) -> String {
    format!("{} {}.{}", metadata.size(), metadata.mtime(), metadata.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::os::unix::fs::symlink;

    const TOOL: ToolDirectory = ToolDirectory { name: "tool", version: "1" };

    struct Cache {
        context: Context,
        directory: PathBuf,
        made: Cell<u32>,
        _scratch: tempfile::TempDir,
    }

    impl Cache {
        /// Returns a cache that holds one tool: an executable, a data file and a link.
        fn new() -> Cache {
            let scratch = tempfile::tempdir().unwrap();
            let context = Context::new(None, Network::Allowed).unwrap();
            let context = Context { cache: scratch.path().to_owned(), ..context };
            let cache =
                Cache { directory: TOOL.path(&context), context, made: Cell::new(0), _scratch: scratch };
            cache.get().unwrap();
            cache
        }

        fn get(&self) -> Result<PathBuf> {
            TOOL.get(&self.context, |files| {
                self.made.set(self.made.get() + 1);
                fs::create_dir_all(files.join("lib"))?;
                fs::write(files.join("run"), "#!/bin/sh\n")?;
                fs::set_permissions(files.join("run"), std::fs::Permissions::from_mode(0o777))?;
                fs::write(files.join("lib/data"), "0123456789")?;
                Ok(symlink("data", files.join("lib/link"))?)
            })
        }

        fn file(&self, name: &str) -> PathBuf {
            self.directory.join(FILES).join(name)
        }

        /// Asserts that a tool in this condition is made again, and is then as it was.
        #[track_caller]
        fn assert_made_again(&self) {
            let made = self.made.get();
            self.get().unwrap();
            assert_eq!(self.made.get(), made + 1);
            assert_eq!(fs::read_to_string(self.file("lib/data")).unwrap(), "0123456789");
            self.get().unwrap();
            assert_eq!(self.made.get(), made + 1, "it is made again for ever");
        }
    }

    /// Writes a file whose size and time stay as they were.
    fn overwrite(path: &Path, text: &str) {
        let time = fs::metadata(path).unwrap().modified().unwrap();
        let file = fs::OpenOptions::new().write(true).truncate(true).open(path).unwrap();
        std::io::Write::write_all(&mut file.file(), text.as_bytes()).unwrap();
        file.into_file().set_modified(time).unwrap();
    }

    #[test]
    fn makes_a_tool_once() {
        let cache = Cache::new();
        assert_eq!(cache.get().unwrap(), cache.directory.join(FILES));
        assert_eq!(cache.made.get(), 1);
    }

    #[test]
    fn uses_restored_cache() {
        let cache = Cache::new();
        fs::File::open(cache.file("lib/data"))
            .unwrap()
            .into_file()
            .set_modified(std::time::UNIX_EPOCH)
            .unwrap();
        cache.get().unwrap();
        assert_eq!(cache.made.get(), 1);
    }

    #[test]
    fn replaces_changed_executable() {
        let cache = Cache::new();
        overwrite(&cache.file("run"), "#!/bin/hs\n");
        cache.assert_made_again();
        fs::set_permissions(cache.file("run"), std::fs::Permissions::from_mode(0o644)).unwrap();
        fs::File::open(cache.file("run")).unwrap().into_file().set_modified(std::time::UNIX_EPOCH).unwrap();
        cache.assert_made_again();
    }

    #[test]
    fn replaces_changed_data_file() {
        let cache = Cache::new();
        fs::write(cache.file("lib/data"), "01234").unwrap();
        cache.assert_made_again();
        fs::write(cache.file("lib/data"), "9876543210").unwrap();
        cache.assert_made_again();
        fs::remove_file(cache.file("lib/data")).unwrap();
        cache.assert_made_again();
        fs::write(cache.file("lib/more"), "").unwrap();
        cache.assert_made_again();
    }

    #[test]
    fn replaces_links() {
        let cache = Cache::new();
        let elsewhere = cache.context.cache.join("elsewhere");
        for replaced in [cache.directory.clone(), cache.directory.join(FILES), cache.file("lib/data")] {
            fs::rename(&replaced, &elsewhere).unwrap();
            symlink(&elsewhere, &replaced).unwrap();
            cache.assert_made_again();
            assert!(!replaced.is_symlink() && elsewhere.exists(), "{}", replaced.display());
            fs::remove_dir_all(&elsewhere).or_else(|_| fs::remove_file(&elsewhere)).unwrap();
        }
        fs::remove_file(cache.file("lib/link")).unwrap();
        symlink("/etc/passwd", cache.file("lib/link")).unwrap();
        cache.assert_made_again();
    }

    #[test]
    fn replaces_tool_with_damaged_seal() {
        let cache = Cache::new();
        let seal = cache.directory.join(SEAL);
        for text in ["", "garbage\n"] {
            fs::write(&seal, text).unwrap();
            cache.assert_made_again();
        }
        fs::remove_file(&seal).unwrap();
        cache.assert_made_again();
    }

    #[test]
    fn replaces_world_writable_files() {
        let cache = Cache::new();
        for open in
            [cache.directory.clone(), cache.file("lib"), cache.file("run"), cache.directory.join(SEAL)]
        {
            fs::set_permissions(open, std::fs::Permissions::from_mode(0o777)).unwrap();
            cache.assert_made_again();
        }
    }

    #[test]
    fn offline_damage_is_an_error() {
        let cache = Cache::new();
        fs::write(cache.file("run"), "").unwrap();
        let context = Context { network: Network::Forbidden, ..cache.context };
        let error = TOOL.get(&context, |_| unreachable!()).unwrap_err().to_string();
        assert!(error.contains("run has changed, and --offline forbids"), "{error}");
    }
}
