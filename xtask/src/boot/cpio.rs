//! The archive the kernel unpacks as its first file system (Linux, driver-api/early-userspace/buffer-format).

use std::collections::BTreeSet;

/// An archive in the making, in the form `newc`: everything in it is root's, and without a time.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
    entries: u32,
}

/// `S_IFDIR` and `S_IFREG` of inode(7).
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;

impl Archive {
    /// Puts in a file, with the folders it lies in.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder);
        }
        self.entry(path, FILE | permissions, content);
    }

    /// Puts in a folder, with those it lies in.
    pub fn folder(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.folder(parent);
        }
        if self.folders.insert(path.to_owned()) {
            self.entry(path, FOLDER | 0o755, &[]);
        }
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let links = if mode & FOLDER == FOLDER { 2 } else { 1 };
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
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn every_header_begins_at_a_multiple_of_four() {
        let mut archive = Archive::default();
        archive.file("a/b", 0o644, b"12345");
        let bytes = archive.finish();
        let starts: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"070701")).collect();
        assert_eq!(starts.len(), 3, "a, a/b and the trailer");
        assert!(starts.iter().all(|start| start % 4 == 0), "{starts:?}");
    }

    #[test]
    fn bsdtar_or_cpio_reads_what_was_put_in() {
        let mut archive = Archive::default();
        archive.file("bin/busybox", 0o755, b"program");
        archive.file("bin/list", 0o644, b"");
        let readers: [(&str, &[&str]); 2] = [("cpio", &["--list", "--quiet"]), ("bsdtar", &["-tf", "-"])];
        let Some((reader, arguments)) = readers.iter().find(|(name, _)| crate::process::find(name).is_some())
        else {
            // The boot itself reads one wherever there is a machine to boot.
            eprintln!("NOT TESTED: an initrd read by cpio or bsdtar, of which there is none");
            return;
        };
        let mut child = Command::new(reader)
            .args(*arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&archive.finish()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "bin\nbin/busybox\nbin/list\n");
    }
}
