//! The programs that packages are made with. `doctor` knows them, and what installs them.

use crate::context::Context;
use crate::doctor::{self, Purpose};
use anyhow::Result;

/// For packages and their repository, by their names in doctor's table.
pub const PACKAGING: &[&str] = &["rpmbuild", "createrepo_c"];

/// For signatures.
pub const SIGNING: &[&str] = &["rpmsign", "gpg"];

/// Makes sure that all of them are there; the error ends with the line that installs the rest.
pub fn require(context: &Context, names: &[&str]) -> Result<()> {
    doctor::require(context, Purpose::Rpm, names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::needs::NEEDS;

    #[test]
    fn doctor_knows_every_program_that_is_asked_for() {
        for name in PACKAGING.iter().chain(SIGNING) {
            assert!(NEEDS.iter().any(|need| need.name == *name), "{name}");
        }
    }
}
