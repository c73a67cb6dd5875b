//! The archive the kernel unpacks as its first file system (Linux, driver-api/early-userspace/buffer-format).

use std::collections::BTreeSet;

/// An archive in the making, in the form `newc`: everything in it is root's, and without a time.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    directories: BTreeSet<String>,
    entries: u32,
}

/// `S_IFDIR` and `S_IFREG` of inode(7).
const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;

impl Archive {
    /// Puts in a file, with the directories it lies in.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        if let Some((directory, _)) = path.rsplit_once('/') {
            self.directory(directory);
        }
        self.entry(path, FILE | permissions, content);
    }

    /// Puts in a directory, with those it lies in.
    pub fn directory(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        if self.directories.insert(path.to_owned()) {
            self.entry(path, DIRECTORY | 0o755, &[]);
        }
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let links = if mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
        // Magic, then: inode, mode, user, group, links, time, size, the device it lies on, the device it is,
        // length of the name with its final zero, and a sum that this form has not.
        let fields =
            [self.entries, mode, 0, 0, links, 0, content.len() as u32, 0, 0, 0, 0, path.len() as u32 + 1, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_begins_at_a_multiple_of_four() {
        let mut archive = Archive::default();
        archive.file("a/b", 0o644, b"12345");
        let bytes = archive.finish();
        let starts: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"070701")).collect();
        assert_eq!(starts.len(), 3, "a, a/b and the trailer");
        assert!(starts.iter().all(|start| start % 4 == 0), "{starts:?}");
    }

    /// The entries of an archive: path, mode and content, as the kernel would read them.
    fn entries(mut bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        loop {
            let field = |number: usize| {
                let digits = std::str::from_utf8(&bytes[6 + number * 8..14 + number * 8]).unwrap();
                u32::from_str_radix(digits, 16).unwrap()
            };
            let (mode, size, name) = (field(1), field(6) as usize, field(11) as usize);
            let path = String::from_utf8(bytes[110..110 + name - 1].to_vec()).unwrap();
            if path == "TRAILER!!!" {
                return entries;
            }
            let begin = (110 + name).next_multiple_of(4);
            entries.push((path, mode, bytes[begin..begin + size].to_vec()));
            bytes = &bytes[(begin + size).next_multiple_of(4)..];
        }
    }

    #[test]
    fn a_directory_comes_once_and_before_what_is_in_it() {
        let mut archive = Archive::default();
        archive.file("bin/busybox", 0o755, b"program");
        archive.file("bin/list", 0o644, b"");
        let expected = [
            ("bin".to_owned(), 0o040_755, vec![]),
            ("bin/busybox".to_owned(), 0o100_755, b"program".to_vec()),
            ("bin/list".to_owned(), 0o100_644, vec![]),
        ];
        assert_eq!(entries(&archive.finish()), expected);
    }
}
