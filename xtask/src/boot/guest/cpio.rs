//! cpio archives, which the kernel unpacks as its first file system (Linux, driver-api/early-userspace/buffer-format).

use std::collections::BTreeSet;

/// A writer of an archive in the format `newc`. Root owns all entries, and their time is 0.
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
    /// Adds a file, and the directories on its path.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        if let Some((directory, _)) = path.rsplit_once('/') {
            self.directory(directory);
        }
        self.entry(path, FILE | permissions, content);
    }

    /// Adds a directory, and those on its path.
    pub fn directory(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        if self.directories.insert(path.to_owned()) {
            self.entry(path, DIRECTORY | 0o755, &[]);
        }
    }

    /// Returns the complete archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let links = if mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
        // Magic, then: inode, mode, user, group, links, time, size, major and minor number of the file system and of a
        // device, length of the name with its final zero, and a checksum that this format does not have.
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
    fn aligns_headers_to_four_bytes() {
        let mut archive = Archive::default();
        archive.file("a/b", 0o644, b"12345");
        let bytes = archive.finish();
        let starts: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"070701")).collect();
        assert_eq!(starts.len(), 3, "a, a/b and the trailer");
        assert!(starts.iter().all(|start| start % 4 == 0), "{starts:?}");
    }

    /// Returns path, mode and content of each entry.
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
    fn directory_is_added_once_before_its_files() {
        let mut archive = Archive::default();
        archive.file("bin/busybox", 0o755, b"busybox");
        archive.file("bin/list", 0o644, b"");
        let expected = [
            ("bin".to_owned(), 0o040_755, vec![]),
            ("bin/busybox".to_owned(), 0o100_755, b"busybox".to_vec()),
            ("bin/list".to_owned(), 0o100_644, vec![]),
        ];
        assert_eq!(entries(&archive.finish()), expected);
    }
}
