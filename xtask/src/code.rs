//! Digests of this program's own source, written by build.rs without comments and tests.
//!
//! They are part of cache keys: a result of older code is not used again, and editing a comment rebuilds nothing.

use crate::digest::Digest;

include!(concat!(env!("OUT_DIR"), "/code.rs"));

/// Returns the digest of all code.
pub fn all() -> Digest {
    below("")
}

/// Returns the digest of the code whose files' names, as `file!()` has them, begin like this:
/// `xtask/src/boot/guest` for guest.rs and what is in guest/.
pub fn below(prefix: &str) -> Digest {
    let files = FILES.iter().filter(|(name, _)| name.starts_with(prefix));
    Digest::of(files.map(|(name, digest)| format!("{digest}  {name}\n")).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_names_other_code() {
        let one = below(file!());
        assert!(FILES.iter().any(|(name, _)| *name == file!()), "{FILES:?}");
        assert!(one != below("xtask/src/step.rs") && one != all());
    }

    #[test]
    fn comments_and_tests_are_not_part_of_it() {
        let code = include_str!("code.rs").split("\n#[cfg(test)]").next().unwrap().lines().map(str::trim);
        let code: Vec<_> = code.filter(|line| !line.is_empty() && !line.starts_with("//")).collect();
        let digest = Digest::of(code.join("\n"));
        assert!(FILES.contains(&(file!(), digest.as_str())), "{digest}");
    }
}
