//! SHA-256 checksums, which name downloads, steps and outputs.

use anyhow::{Result, bail};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{fmt, io, path::Path, str::FromStr};

/// A SHA-256 checksum, written as 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// Returns the checksum of some bytes in memory.
    pub fn of(bytes: impl AsRef<[u8]>) -> Digest {
        Digest(hex(&Sha256::digest(bytes)))
    }

    /// Returns the checksum of a file, read in pieces.
    pub fn of_file(path: &Path) -> Result<Digest> {
        Digest::of_reader(fs::File::open(path)?)
    }

    /// Returns the checksum of everything that a reader returns, in pieces.
    pub fn of_reader(mut reader: impl io::Read) -> Result<Digest> {
        let mut sum = Sha256::new();
        io::copy(&mut reader, &mut sum)?;
        Ok(Digest(hex(&sum.finalize())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first 16 digits, enough to distinguish work directories.
    pub fn short(&self) -> &str {
        &self.0[..16]
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl FromStr for Digest {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Digest> {
        let lower_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if text.len() != 64 || !text.chars().all(lower_hex) {
            bail!("{text:?} is not a SHA-256 checksum (64 lower-case hexadecimal digits)");
        }
        Ok(Digest(text.to_owned()))
    }
}

crate::prose::text_in_json!(Digest);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_malformed_checksums() {
        assert!("abc".parse::<Digest>().is_err());
        assert!("A".repeat(64).parse::<Digest>().is_err());
        assert!("é".repeat(32).parse::<Digest>().is_err());
        assert_eq!("a".repeat(64).parse::<Digest>().unwrap().short(), "a".repeat(16));
    }

    #[test]
    fn digest_of_nothing_is_the_published_one() {
        assert!(Digest::of("").as_str().starts_with("e3b0c44298fc1c14"));
    }
}
