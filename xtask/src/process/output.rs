//! Output of child processes on its way to the log.

use crate::url::without_credentials;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};

/// Longest piece that is handled as one line, in bytes.
const LONGEST_LINE: u64 = 1 << 16;

/// Largest log of one command, in bytes: more is an endless loop.
const LARGEST_LOG: u64 = 1 << 30;

/// Bytes that are kept for the error of a command that fails.
const TAIL: usize = 1 << 16;

/// Copies a command's output into its log, without the credentials of any URL, and returns the end of it.
///
/// Commands print the URLs they were given, and the user's settings: proxies, mirrors.
pub fn keep(output: impl Read, mut log: Option<impl Write>) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::new(output);
    let mut tail = VecDeque::new();
    let mut size = 0;
    loop {
        let mut line = Vec::new();
        if reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(tail.into());
        }
        if memchr::memmem::find(&line, b"://").is_some() {
            line = without_credentials(&String::from_utf8_lossy(&line)).into_bytes();
        }
        size += line.len() as u64;
        if size > LARGEST_LOG {
            return Err(io::Error::other("it writes more than 1 GiB, the size limit of a log"));
        }
        if let Some(log) = &mut log {
            log.write_all(&line)?;
        }
        tail.extend(line);
        let surplus = tail.len().saturating_sub(TAIL);
        tail.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_out_of_the_log_and_the_tail() {
        let output = b"first\nfatal: https://me:secret@host.example/x\n\xff https://t@h.example\n\xff";
        let mut log = Vec::new();
        let tail = keep(output.as_slice(), Some(&mut log)).unwrap();
        let kept = [&b"first\nfatal: https://host.example/x\n\xef\xbf\xbd https://h.example\n"[..], b"\xff"]
            .concat();
        assert_eq!(log, kept);
        assert_eq!(tail, log);
    }

    #[test]
    fn only_the_end_is_kept_in_memory() {
        let mut log = Vec::new();
        let tail = keep(io::repeat(b'x').take(1 << 20), Some(&mut log)).unwrap();
        assert_eq!((tail.len(), log.len()), (TAIL, 1 << 20));
    }
}
