//! Go's module cache: the paths of a module's files and of Go's records about it (go.dev/ref/mod#module-cache).

use crate::toolchain::gomod::Module;
use fs_err as fs;
use std::path::PathBuf;

/// A directory that `GOMODCACHE` may name.
#[derive(Clone, Debug)]
pub struct ModuleCache {
    pub directory: PathBuf,
}

impl ModuleCache {
    /// Returns a module's files.
    pub fn files(&self, path: &str, version: &str) -> PathBuf {
        self.directory.join(format!("{}@{}", escaped(path), escaped(version)))
    }

    /// Returns the path of a file that Go keeps beside a module: its `info`, `mod`, `zip` or `ziphash`.
    pub fn record(&self, path: &str, version: &str, kind: &str) -> PathBuf {
        self.downloads().join(escaped(path)).join("@v").join(format!("{}.{kind}", escaped(version)))
    }

    /// Returns everything that was downloaded, in the form of a module proxy.
    pub fn downloads(&self) -> PathBuf {
        self.directory.join("cache/download")
    }

    /// Returns a module's files, if Go has unpacked them and recorded the checksum of a go.sum.
    pub fn verified(&self, module: &Module, go_sum: &str) -> Option<PathBuf> {
        let Module { path, version } = module;
        let files = self.files(path, version);
        let sum = fs::read_to_string(self.record(path, version, "ziphash")).ok()?;
        let line = format!("{path} {version} {}", sum.trim());
        let whole = files.is_dir() && !self.record(path, version, "partial").exists();
        (whole && go_sum.lines().any(|known| known == line)).then_some(files)
    }
}

/// Escapes the capitals of a module path or version, for file systems that ignore case: `!` and the small letter.
fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_uppercase() { format!("!{}", c.to_ascii_lowercase()) } else { c.to_string() })
        .collect()
}

/// Returns the original of an escaped path.
pub fn unescaped(text: &str) -> String {
    let mut parts = text.split('!');
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        found.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        found.push_str(letters.as_str());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_are_escaped_and_read_again() {
        assert_eq!(escaped("github.com/Microsoft/hcsshim"), "github.com/!microsoft/hcsshim");
        assert_eq!(unescaped("github.com/!microsoft/hcsshim"), "github.com/Microsoft/hcsshim");
        assert_eq!(unescaped("github.com/k3s-io/runc"), "github.com/k3s-io/runc");
    }

    #[test]
    fn verifies_checksum_of_go_sum() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = ModuleCache { directory: scratch.path().to_owned() };
        let module = Module { path: "example.com/A".to_owned(), version: "v1.0.0".to_owned() };
        let record = cache.record(&module.path, &module.version, "ziphash");
        fs::create_dir_all(record.parent().unwrap()).unwrap();
        fs::write(&record, "h1:aaa=\n").unwrap();
        let known = "example.com/A v1.0.0 h1:aaa=\n";
        assert_eq!(cache.verified(&module, known), None, "it is not unpacked");
        let files = scratch.path().join("example.com/!a@v1.0.0");
        fs::create_dir_all(&files).unwrap();
        assert_eq!(cache.verified(&module, known), Some(files));
        let partial = cache.record(&module.path, &module.version, "partial");
        fs::write(&partial, "").unwrap();
        assert_eq!(cache.verified(&module, known), None, "Go has not unpacked all of it");
        fs::remove_file(partial).unwrap();
        assert_eq!(cache.verified(&module, "example.com/A v1.0.0 h1:bbb=\n"), None);
        assert_eq!(cache.verified(&module, "example.com/A v1.0.0/go.mod h1:aaa=\n"), None);
        fs::remove_file(record).unwrap();
        assert_eq!(cache.verified(&module, known), None, "Go has not verified it");
    }
}
