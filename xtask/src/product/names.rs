//! Search for names in programs: those that must be there and those that must not.

use anyhow::Result;
use fs_err as fs;
use memchr::memmem;
use std::io::Read;
use std::path::Path;

/// Number of bytes that are searched at once; servers have 150 MiB.
const PIECE: usize = 1 << 20;

/// Returns those of the names that a file contains.
pub fn found_in<'n>(path: &Path, names: &[&'n str]) -> Result<Vec<&'n str>> {
    search(fs::File::open(path)?, names)
}

fn search<'n>(mut file: impl Read, names: &[&'n str]) -> Result<Vec<&'n str>> {
    let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut found = vec![false; names.len()];
    let mut window = Vec::new();
    loop {
        // The end of the last piece stays, for names that begin in one piece and end in the next.
        let keep = window.len().min(longest.saturating_sub(1));
        window.drain(..window.len() - keep);
        if file.by_ref().take(PIECE as u64).read_to_end(&mut window)? == 0 {
            break;
        }
        for (name, found) in names.iter().zip(&mut found) {
            *found = *found || memmem::find(&window, name.as_bytes()).is_some();
        }
    }
    Ok(names.iter().zip(found).filter(|(_, found)| *found).map(|(name, _)| *name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_across_two_pieces_is_found() {
        let mut bytes = vec![b'.'; PIECE - 3];
        bytes.extend(b"needle");
        assert_eq!(search(bytes.as_slice(), &["absent", "needle"]).unwrap(), ["needle"]);
    }

    #[test]
    fn nothing_is_found_in_an_empty_file() {
        assert!(search(std::io::empty(), &["x"]).unwrap().is_empty());
    }
}
